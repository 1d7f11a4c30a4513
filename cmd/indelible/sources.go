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
			found, err := files(arg)
			if err != nil {
				return nil, err
			}
			all = append(all, found...)
		}
	}
	return all, nil
}

func files(path string) ([]source, error) {
	var found []source
	err := filepath.WalkDir(path, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return usagef("name files, folders, s3://bucket/prefix, or - for standard input", "%s", err)
		}
		if e.Type().IsRegular() || name == path && !e.IsDir() {
			found = append(found, source{name, func(context.Context) (io.ReadCloser, error) { return os.Open(name) }})
		}
		return nil
	})
	return found, err
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
