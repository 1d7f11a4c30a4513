package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"indelible/internal/datadir"
	"indelible/internal/jobs"
)

// expireWith are the options of the expiry of datasets.
type expireWith struct {
	Place string           `json:"place"` // a folder or prefix with datasets below it
	Keep  datadir.Duration `json:"keep"`  // how long
	Last  int              `json:"last"`  // or how many
}

func checkExpire(with json.RawMessage) (string, error) {
	_, err := readExpire(with)
	return "", err
}

func readExpire(with json.RawMessage) (o expireWith, err error) {
	if err := options(with, &o); err != nil {
		return o, err
	}
	switch {
	case strings.Trim(o.Place, "/.") == "":
		return o, errors.New("place: name the folder, or s3://bucket/prefix, that holds the datasets")
	case (o.Keep > 0) == (o.Last > 0) || o.Last < 0:
		return o, errors.New("give one of keep, such as 30d, and last, the number of datasets that stay")
	}
	return o, nil
}

// expired is what a run of an expiry tells.
type expired struct {
	Kept    int      `json:"kept"`
	Deleted []string `json:"deleted"` // by name below the place
}

// found is a dataset below a place, and when it was made. A chain is as old as
// its newest link.
type found struct {
	name string
	made time.Time
}

// runExpire deletes datasets that are kept long enough. Exports are copies:
// what they were made of, and that they were made, stays.
func (a *app) runExpire(ctx context.Context, t *jobs.Turn) (_ any, err error) {
	o, err := readExpire(t.With)
	if err != nil {
		return nil, jobs.Final(err)
	}
	own, end := a.apart()
	defer func() { err = errors.Join(err, end()) }()
	root := strings.TrimSuffix(own.jobPlace(o.Place), "/")
	list, err := own.datasetsBelow(ctx, root)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(a, b found) int { return cmp.Or(b.made.Compare(a.made), cmp.Compare(a.name, b.name)) })
	out := &expired{Deleted: []string{}}
	for i, d := range list {
		if o.Last > 0 && i < o.Last || o.Last == 0 && t.Planned.Sub(d.made) < time.Duration(o.Keep) {
			out.Kept++
			continue
		}
		if err := t.Hold(ctx); err != nil {
			return out, err
		}
		if err := own.purge(ctx, &placeOptions{out: joinPlace(root, d.name)}); err != nil {
			return out, fmt.Errorf("dataset %s: %w", d.name, err)
		}
		out.Deleted = append(out.Deleted, d.name)
		t.Progress(int64(len(out.Deleted)), int64(len(list)))
	}
	return out, nil
}

// joinPlace names what lies below a folder or a prefix of a bucket.
func joinPlace(root, name string) string {
	if strings.HasPrefix(root, "s3://") {
		return root + "/" + name
	}
	return filepath.Join(root, filepath.FromSlash(name))
}

// maxDatasets bounds how many one run looks at.
const maxDatasets = 100_000

// datasetsBelow finds the datasets below a folder, each in one of its own.
func (a *app) datasetsBelow(ctx context.Context, root string) ([]found, error) {
	place, _, err := a.openPlace(ctx, &placeOptions{out: root + "/"}, false)
	if err != nil {
		return nil, err
	}
	names, err := place.List(ctx, "")
	if err != nil {
		return nil, err
	}
	dirs := make(map[string]bool)
	for _, name := range names {
		dir, file := path.Split(name)
		dir = strings.TrimSuffix(dir, "/")
		switch {
		case file == "manifest.json":
		case path.Base(dir) == "manifests" && strings.HasSuffix(file, ".json"):
			dir = path.Dir(dir)
		default:
			continue
		}
		if dir != "" && dir != "." {
			dirs[dir] = true
		}
	}
	if len(dirs) > maxDatasets {
		return nil, jobs.Final(fmt.Errorf("%d datasets lie there, more than %d", len(dirs), maxDatasets))
	}
	list := make([]found, 0, len(dirs))
	for dir := range dirs {
		d, err := a.openDataset(ctx, &placeOptions{out: joinPlace(root, dir)}, &readOptions{})
		if err != nil {
			return nil, fmt.Errorf("dataset %s: %w", dir, err)
		}
		all := d.Manifests()
		list = append(list, found{dir, all[len(all)-1].Run.Finished.Time})
	}
	return list, nil
}
