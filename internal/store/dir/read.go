package dir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"indelible/internal/disk"
	"indelible/internal/store"
)

// Read implements store.Store. Only a read of the whole object has an ETag: it
// is the hash of everything.
func (s *Store) Read(ctx context.Context, name string, opt store.ReadOptions) (store.Object, error) {
	if err := begin(ctx, name, nil); err != nil {
		return store.Object{}, fmt.Errorf("read %s: %w", name, err)
	}
	if err := store.CheckRange(name, opt); err != nil {
		return store.Object{}, err
	}
	obj, err := s.read(name, opt)
	if err != nil {
		return store.Object{}, fmt.Errorf("read %s: %w", name, err)
	}
	return obj, nil
}

func (s *Store) read(name string, opt store.ReadOptions) (store.Object, error) {
	if opt.Version != "" {
		return store.Object{}, fmt.Errorf("%w: a directory keeps no versions", store.ErrNotExist)
	}
	if _, err := s.find(name); err != nil {
		return store.Object{}, err
	}
	f, err := s.fsys.Open(s.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return store.Object{}, store.ErrNotExist
	}
	if err != nil {
		return store.Object{}, classify(err)
	}
	defer f.Close()
	return readRange(f, opt)
}

func readRange(f disk.File, opt store.ReadOptions) (store.Object, error) {
	size, err := f.Size()
	if err != nil {
		return store.Object{}, classify(err)
	}
	first := min(opt.Offset, size)
	length := size - first
	if opt.Length > 0 {
		length = min(opt.Length, length)
	}
	if length > store.MaxObject {
		return store.Object{}, fmt.Errorf("%w: %d bytes, more than %d", store.ErrTooLarge, length, store.MaxObject)
	}
	var data []byte
	if length <= int64(cap(opt.Buffer)) {
		data = opt.Buffer[:length]
	} else {
		data = make([]byte, length)
	}
	n, err := f.ReadAt(data, first)
	if n < len(data) {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF // somebody cut it while we read
		}
		return store.Object{}, classify(err)
	}
	obj := store.Object{Data: data, Size: size}
	if length == size && !opt.NoETag {
		obj.ETag = etagOf(data)
	}
	return obj, nil
}

// Versions implements store.Store: the one object, or none.
func (s *Store) Versions(ctx context.Context, name string) ([]store.Version, error) {
	if err := begin(ctx, name, nil); err != nil {
		return nil, fmt.Errorf("versions of %s: %w", name, err)
	}
	k, err := s.find(name)
	if errors.Is(err, store.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("versions of %s: %w", name, err)
	}
	f, err := s.fsys.Open(s.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("versions of %s: %w", name, classify(err))
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, fmt.Errorf("versions of %s: %w", name, classify(err))
	}
	return []store.Version{{Modified: k.modified, Size: size, Newest: true}}, nil
}
