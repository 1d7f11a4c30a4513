package dir

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"indelible/internal/disk"
	"indelible/internal/store"
)

// Create implements store.Store. A directory cannot lock, so until is ignored.
func (s *Store) Create(ctx context.Context, name string, data []byte, _ time.Time) error {
	if err := s.create(ctx, name, data); err != nil {
		return fmt.Errorf("create %s: %w", name, err)
	}
	return nil
}

func (s *Store) create(ctx context.Context, name string, data []byte) error {
	if err := begin(ctx, name, data); err != nil {
		return err
	}
	err := s.write(name, data, disk.CreateFile)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	if k, err := s.lstat(s.path(name)); err == nil && k.mode != 0 {
		return fmt.Errorf("%w: what stands there is no regular file", store.ErrDenied)
	}
	// Whoever wrote it may have died before syncing the name. The caller may
	// find its own bytes there and call them durable, so make them so.
	if err := s.fsys.SyncDir(filepath.Dir(s.path(name))); err != nil {
		return classify(err)
	}
	return store.ErrExist
}

// Replace implements store.Store. It compares and writes under a lock of this
// process only; the writer's lock on the data directory keeps others away.
func (s *Store) Replace(ctx context.Context, name string, data []byte, etag string) error {
	if err := s.compareAndWrite(ctx, name, data, etag); err != nil {
		return fmt.Errorf("replace %s: %w", name, err)
	}
	return nil
}

func (s *Store) compareAndWrite(ctx context.Context, name string, data []byte, etag string) error {
	if err := begin(ctx, name, data); err != nil {
		return err
	}
	s.replace.Lock()
	defer s.replace.Unlock()
	if etag == "" {
		err := s.create(ctx, name, data)
		if errors.Is(err, store.ErrExist) {
			return store.ErrChanged
		}
		return err
	}
	obj, err := s.read(name, store.ReadOptions{})
	if errors.Is(err, store.ErrNotExist) || errors.Is(err, store.ErrTooLarge) {
		return store.ErrChanged
	}
	if err != nil {
		return err
	}
	if obj.ETag != etag {
		return store.ErrChanged
	}
	return s.write(name, data, disk.WriteFile)
}

// Remove implements store.Store.
func (s *Store) Remove(ctx context.Context, name string) error {
	if err := begin(ctx, name, nil); err != nil {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	if err := s.remove(name); err != nil && !errors.Is(err, store.ErrNotExist) {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	return nil
}

func (s *Store) remove(name string) error {
	if _, err := s.find(name); err != nil {
		return err
	}
	if err := s.fsys.Remove(s.path(name)); err != nil {
		return missing(err)
	}
	if err := s.fsys.SyncDir(filepath.Dir(s.path(name))); err != nil {
		return classify(err)
	}
	return nil
}

// write puts the whole object down by one of the disk's atomic writes. fs.ErrExist
// passes unchanged; every other error has its class.
func (s *Store) write(name string, data []byte, put func(disk.FS, string, []byte) error) error {
	if err := s.prepare(name); err != nil {
		return classify(err)
	}
	err := put(s.fsys, s.path(name), data)
	switch {
	case err == nil, errors.Is(err, fs.ErrExist):
		return err
	case errors.Is(err, fs.ErrNotExist):
		s.forget()
	}
	return classify(err)
}

func begin(ctx context.Context, name string, data []byte) error {
	if err := store.CheckName(name); err != nil {
		return err
	}
	if err := store.CheckSize(name, data); err != nil {
		return err
	}
	return context.Cause(ctx)
}

func etagOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
