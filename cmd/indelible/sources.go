package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"indelible/internal/datadir"
	"indelible/internal/store"
)

// source is one input: a file, an object or standard input.
type source struct {
	name string
	open func(context.Context) (io.ReadCloser, error)
}

// sources finds the inputs named on the command line: files, folders (every
// file below them, in order of name), s3://bucket/prefix, or - for standard input.
func (a *app) sources(ctx context.Context, args []string) ([]source, error) {
	if len(args) == 0 {
		args = []string{"-"}
	}
	var all []source
	for _, arg := range args {
		switch {
		case arg == "-":
			all = append(all, source{"-", func(context.Context) (io.ReadCloser, error) { return io.NopCloser(a.stdin), nil }})
		case strings.HasPrefix(arg, "s3://"):
			found, err := a.objects(ctx, arg)
			if err != nil {
				return nil, err
			}
			all = append(all, found...)
		default:
			found, skipped, err := files(arg)
			if err != nil {
				return nil, err
			}
			if skipped > 0 {
				fmt.Fprintf(a.stderr, "%s: %d files passed over, by their names no logs\n", arg, skipped)
			}
			all = append(all, found...)
		}
	}
	return all, nil
}

// files finds the file of that name, or the logs below a folder; other files
// in the folder are counted.
func files(path string) (found []source, skipped int, err error) {
	err = filepath.WalkDir(path, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return usagef("name files, folders, s3://bucket/prefix, or - for standard input", "%s", err)
		}
		if e.Type().IsRegular() && name != path && !isLog(name) {
			skipped++
			return nil
		}
		if e.Type().IsRegular() || name == path && !e.IsDir() {
			found = append(found, source{name, func(context.Context) (io.ReadCloser, error) { return os.Open(name) }})
		}
		return nil
	})
	return found, skipped, err
}

// isLog reports whether a file in a folder is one by its name: a README beside
// the logs is no input that has to be refused.
func isLog(name string) bool {
	switch filepath.Ext(strings.TrimSuffix(name, ".gz")) {
	case ".json", ".jsonl", ".ndjson", ".log":
		return true
	}
	return false
}

// maxSourceObject bounds an object read as input; the former logger wrote one
// event an object.
const maxSourceObject = 256 << 20

func (a *app) objects(ctx context.Context, address string) ([]source, error) {
	bucketAndPrefix := strings.TrimPrefix(address, "s3://")
	bucket, prefix, _ := strings.Cut(bucketAndPrefix, "/")
	st, err := datadir.OpenBucket(ctx, bucket, prefix, a.env)
	if err != nil {
		return nil, err
	}
	var found []source
	for name, err := range st.List(ctx, "", "") {
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", address, err)
		}
		found = append(found, source{"s3://" + bucket + "/" + prefix + "/" + name, func(ctx context.Context) (io.ReadCloser, error) {
			o, err := st.Read(ctx, name, store.ReadOptions{Length: maxSourceObject})
			if err != nil {
				return nil, err
			}
			if o.Size > maxSourceObject {
				return nil, fmt.Errorf("%s: %d bytes, limit %d", name, o.Size, maxSourceObject)
			}
			return io.NopCloser(bytes.NewReader(o.Data)), nil
		}})
	}
	return found, nil
}
