package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"indelible/internal/datadir"
	"indelible/internal/history"
	"indelible/internal/jobs"
	"indelible/internal/search"
)

// keyAgeWith are the options of the reminder.
type keyAgeWith struct {
	Max datadir.Duration `json:"max"` // 365d
}

func readKeyAge(with json.RawMessage) (o keyAgeWith, err error) {
	o.Max = datadir.Duration(365 * 24 * time.Hour)
	if err := options(with, &o); err != nil {
		return o, err
	}
	if o.Max <= 0 {
		return o, errors.New("max: give an age such as 365d")
	}
	return o, nil
}

func checkKeyAge(with json.RawMessage) (string, error) {
	_, err := readKeyAge(with)
	return "", err
}

// keyAges is what a run of the reminder tells.
type keyAges struct {
	Old []oldKey `json:"old"` // older than the options allow
}

type oldKey struct {
	Kind    string    `json:"kind"`
	ID      string    `json:"id"`
	Created time.Time `json:"created"`
	Days    int       `json:"days"`
}

// rotatedWith are the keys that grow old, and the command that makes new ones.
var rotatedWith = map[string]string{datadir.LogKey: "indelible keys rotate-signer", datadir.RootKey: "indelible keys rotate"}

// runKeyAge reminds of keys that are old: those that can be rotated. Not of one
// that only signs beside its successor.
func (a *app) runKeyAge(ctx context.Context, t *jobs.Turn) (any, error) {
	o, err := readKeyAge(t.With)
	if err != nil {
		return nil, jobs.Final(err)
	}
	c, err := datadir.LoadConfig(a.dir)
	if err != nil {
		return nil, err
	}
	infos, err := datadir.ListKeys(a.dir)
	if err != nil {
		return nil, err
	}
	root, err := (&datadir.Directory{Path: a.dir, Config: c}).DescribeRoot(ctx, a.env) // the store is not needed
	if err != nil {
		return nil, fmt.Errorf("the root key cannot be asked for its age: %w", err)
	}
	if root != nil {
		infos = append(infos, *root)
	}
	out := &keyAges{Old: []oldKey{}}
	for _, k := range infos {
		age := t.Planned.Sub(k.Created)
		if rotatedWith[k.Kind] == "" || k.Created.IsZero() || !k.Until.IsZero() || age < time.Duration(o.Max) {
			continue
		}
		out.Old = append(out.Old, oldKey{k.Kind, k.ID, k.Created, int(age / (24 * time.Hour))})
	}
	if len(out.Old) > 0 {
		k := out.Old[0]
		return out, jobs.Final(fmt.Errorf("the %s is %d days old: `%s` makes a new one", k.Kind, k.Days, rotatedWith[k.Kind]))
	}
	return out, nil
}

// indexChecked is what a check of the search index tells.
type indexChecked struct {
	Leaves  uint64   `json:"leaves"`  // the index has seen
	Checked int      `json:"checked"` // events looked for
	Missing []uint64 `json:"missing"` // their places, where the index does not have them
}

// indexSample is how many events are looked for, spread over the log.
const indexSample = 1000

// runCheckIndex reads events of the log and looks for each in the index.
func (a *app) runCheckIndex(ctx context.Context, t *jobs.Turn) (_ any, err error) {
	own, end := a.apart()
	defer func() { err = errors.Join(err, end()) }()
	r, err := own.openForReading(ctx)
	if err != nil {
		return nil, err
	}
	ix, err := own.openIndex(ctx, r)
	if err != nil {
		return nil, err
	}
	defer ix.Close()
	log := &history.Log{Reader: r.Reader, Sealer: r.sealer}
	out := &indexChecked{Missing: []uint64{}}
	if out.Leaves, err = search.CatchUp(ctx, ix, log, func(done, total uint64) {}); err != nil {
		return nil, err
	}
	step := max(out.Leaves/indexSample, 1)
	// Each run looks at other places.
	for at := uint64(t.Planned.Unix()/60) % step; at < out.Leaves; at += step {
		for row, err := range log.Events(ctx, at, min(at+1, out.Leaves)) {
			if err != nil {
				return nil, err
			}
			e := row.Event
			q := &search.Query{Where: map[string]string{"tenant_id": e.TenantID, "event_type": e.EventType}, Since: e.Timestamp, Until: e.Timestamp.Add(time.Millisecond), End: out.Leaves, From: row.Index, Limit: search.MaxLimit, LogOrder: true}
			places, err := ix.Find(ctx, q)
			if err != nil {
				return nil, err
			}
			if !slices.Contains(places, row.Index) {
				out.Missing = append(out.Missing, row.Index)
			}
			out.Checked++
		}
		t.Progress(int64(at), int64(out.Leaves))
	}
	if len(out.Missing) > 0 {
		return out, jobs.Final(fmt.Errorf("the index does not have %d of %d events: make it again with `indelible search rebuild`", len(out.Missing), out.Checked))
	}
	return out, nil
}
