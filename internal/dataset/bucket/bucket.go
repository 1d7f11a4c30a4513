// Package bucket is a prefix in an S3 bucket as the place of a dataset. Large
// files are uploaded in parts; a file appears when its upload is complete, if
// the name is still free.
package bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"indelible/internal/dataset"
	"indelible/internal/store"
	"indelible/internal/store/s3"
)

// Bucket is a prefix in a bucket.
type Bucket struct{ s *s3.Store }

var _ dataset.Place = Bucket{}

// New is the prefix a store was opened for.
func New(s *s3.Store) Bucket { return Bucket{s} }

// explain gives an error of the store the words of a Place.
func explain(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrExist):
		return fmt.Errorf("%w: %w", dataset.ErrExist, err)
	case errors.Is(err, store.ErrNotExist):
		return fmt.Errorf("%w: %w", dataset.ErrNotExist, err)
	case errors.Is(err, store.ErrUnavailable):
		return fmt.Errorf("%w: %w", dataset.ErrAway, err)
	}
	return err
}

type file struct{ u *s3.Upload }

// Create implements dataset.Place.
func (b Bucket) Create(ctx context.Context, name string, replace bool) (dataset.File, error) {
	u, err := b.s.Upload(ctx, name, replace)
	if err != nil {
		return nil, explain(err)
	}
	return file{u}, nil
}

func (f file) Write(p []byte) (int, error) {
	n, err := f.u.Write(p)
	return n, explain(err)
}

func (f file) Commit(context.Context) error { return explain(f.u.Complete()) }
func (f file) Abort()                       { f.u.Abort() }

// Open implements dataset.Place.
func (b Bucket) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	if err := store.CheckName(name); err != nil {
		return nil, err
	}
	r := &reading{ctx: ctx, s: b.s, name: name}
	return r, r.fill()
}

// readSize is how many bytes are read at once.
const readSize = 4 << 20

// reading reads an object in ranges, all of one version.
type reading struct {
	ctx     context.Context
	s       *s3.Store
	name    string
	version string
	etag    string
	size    int64
	at      int64 // of the end of what was read
	data    []byte
	buf     []byte
}

func (r *reading) fill() error {
	o, err := r.s.Read(r.ctx, r.name, store.ReadOptions{Offset: r.at, Length: readSize, Version: r.version, Buffer: r.buf})
	if err != nil {
		return explain(err)
	}
	if r.etag == "" {
		r.size, r.version, r.etag = o.Size, o.Version, o.ETag
	} else if o.Size != r.size || o.ETag != r.etag {
		return fmt.Errorf("%s was replaced while it was read", r.name)
	}
	r.data, r.buf = o.Data, o.Data
	r.at += int64(len(o.Data))
	return nil
}

func (r *reading) Read(p []byte) (int, error) {
	if len(r.data) == 0 {
		if r.at >= r.size {
			return 0, io.EOF
		}
		if err := r.fill(); err != nil {
			return 0, err
		}
		if len(r.data) == 0 {
			return 0, io.ErrUnexpectedEOF
		}
	}
	n := copy(p, r.data)
	r.data = r.data[n:]
	return n, nil
}

// Seek implements io.Seeker, for those who read a part.
func (r *reading) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.at - int64(len(r.data))
	case io.SeekEnd:
		offset += r.size
	}
	if offset < 0 || offset > r.size {
		return 0, fmt.Errorf("%s has no byte %d", r.name, offset)
	}
	if begin := r.at - int64(len(r.buf)); offset >= begin && offset <= r.at {
		r.data = r.buf[offset-begin:]
	} else {
		r.data, r.buf, r.at = nil, r.buf[:0], offset
	}
	return offset, nil
}

func (r *reading) Close() error { return nil }

// List implements dataset.Place.
func (b Bucket) List(ctx context.Context, prefix string) (names []string, err error) {
	for name, err := range b.s.List(ctx, prefix, "") {
		if err != nil {
			return nil, explain(err)
		}
		names = append(names, name)
	}
	return names, nil
}

// Remove implements dataset.Place.
func (b Bucket) Remove(ctx context.Context, name string) error {
	return explain(b.s.Delete(ctx, name))
}

// Sweep implements dataset.Place.
func (b Bucket) Sweep(ctx context.Context, name string) error {
	return explain(b.s.AbortUploads(ctx, strings.TrimSuffix(name, "/")))
}

// Lock implements dataset.Place. A bucket has no locks: of two exports at once
// the one that is second to create its manifest loses.
func (b Bucket) Lock(string) (func(), error) { return func() {}, nil }
