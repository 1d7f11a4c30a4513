// Package dir keeps a ledger in a directory. What a write promises survives the
// loss of power; nothing protects it from somebody who may write to the
// directory, so there are no locks, and no versions.
package dir

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"indelible/internal/disk"
	"indelible/internal/store"
)

// Store is the directory driver. Its ETags are the SHA-256 of the content in
// lowercase hex.
type Store struct {
	fsys disk.FS
	root string

	replace *sync.Mutex // one for all Stores of this root in the process

	mu      sync.Mutex
	durable map[string]bool      // directories known to survive a crash
	real    map[string]time.Time // directories seen to be no links, and when
}

var _ store.Store = (*Store)(nil)

// replacing holds one mutex for every root, so that two Stores opened on one
// directory cannot both compare before either writes.
var replacing sync.Map

// Open returns the store in the directory root, which is made by the first
// write if it is not there yet.
func Open(fsys disk.FS, root string) (*Store, error) {
	if root == "" {
		return nil, errors.New("open directory store: no directory named")
	}
	root = filepath.Clean(root)
	mu, _ := replacing.LoadOrStore(root, new(sync.Mutex))
	s := &Store{fsys: fsys, root: root, replace: mu.(*sync.Mutex), durable: make(map[string]bool), real: make(map[string]time.Time)}
	if _, err := fsys.List(root); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open directory store: %w", classify(err))
	}
	return s, nil
}

// path is where the object lies. The name was checked, so it stays below root.
func (s *Store) path(name string) string { return filepath.Join(s.root, filepath.FromSlash(name)) }

// classify gives an error of the file system the class the contract asks for.
// What is not known to be final counts as unavailable: after a failed sync
// nobody knows what is on the disk.
func classify(err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%w: no room left, free some space: %w", store.ErrUnavailable, err)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%w: %w", store.ErrDenied, err)
	case errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%w: a file stands where a directory is needed: %w", store.ErrDenied, err)
	case errors.Is(err, store.ErrDenied), errors.Is(err, store.ErrUnavailable):
		return err
	}
	return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
}
