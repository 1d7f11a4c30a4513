// Package keyfile keeps the root key in a file: for one machine, without a key
// service. Whoever reads the file reads what it wraps, so it is 0600 and can be
// encrypted with a passphrase.
package keyfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"indelible/internal/disk"
	"indelible/internal/seal"
)

// File is a root key in a file. It implements seal.KeyWrapper.
type File struct {
	path       string
	passphrase []byte // nil: the file is in clear

	mu   sync.RWMutex
	keys contents
}

var _ seal.KeyWrapper = (*File)(nil)

// Create draws a root key and writes its file, which must not exist. With a
// passphrase the file is an age file of that passphrase.
func Create(path string, passphrase []byte) (*File, error) {
	if _, err := disk.ReadFile(disk.OS, path, 1); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", path, fs.ErrExist)
	}
	f := &File{path: path, passphrase: passphrase, keys: newContents(time.Now())}
	return f, f.write(f.keys)
}

// Open reads the root key from its file. passphrase is asked for where the
// file is encrypted, and may be nil. A file others can read is refused.
func Open(path string, passphrase func() ([]byte, error)) (*File, error) {
	f := &File{path: path}
	if err := disk.CheckPrivate(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	b, err := disk.ReadFile(disk.OS, path, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s does not exist", seal.ErrUnknownKey, path)
	}
	if err != nil {
		return nil, err
	}
	if isEncrypted(b) {
		if passphrase == nil {
			return nil, fmt.Errorf("%w: %s is encrypted with a passphrase, and there is none", seal.ErrDenied, path)
		}
		if f.passphrase, err = passphrase(); err != nil {
			return nil, err
		}
		if b, err = decrypt(b, f.passphrase); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	if f.keys, err = parse(b); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// Wrap implements seal.KeyWrapper.
func (f *File) Wrap(_ context.Context, key []byte, kc seal.Context) ([]byte, error) {
	if len(key) == 0 || len(key) > seal.MaxKey {
		return nil, fmt.Errorf("wrap a key of %d bytes: want 1 to %d", len(key), seal.MaxKey)
	}
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.keys.Destroyed {
		return nil, f.destroyed()
	}
	newest := f.keys.Versions[len(f.keys.Versions)-1]
	return wrap(&newest, f.keys.ID, key, kc), nil
}

// Unwrap implements seal.KeyWrapper.
func (f *File) Unwrap(_ context.Context, wrapped []byte, kc seal.Context) ([]byte, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.keys.Destroyed {
		return nil, f.destroyed()
	}
	n, err := versionOf(wrapped)
	if err != nil {
		return nil, err
	}
	for i := range f.keys.Versions {
		if f.keys.Versions[i].Version == n {
			return unwrap(&f.keys.Versions[i], f.keys.ID, wrapped, kc)
		}
	}
	return nil, fmt.Errorf("%w: %s has no version %d", seal.ErrUnknownKey, f.path, n)
}

// Rotate implements seal.KeyWrapper.
func (f *File) Rotate(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.keys.Destroyed {
		return f.destroyed()
	}
	next := f.keys.rotated(time.Now())
	if err := f.write(next); err != nil {
		return err
	}
	f.keys = next
	return nil
}

// Destroy implements seal.KeyWrapper. It writes a file without key in place of
// the old one and zeros over the old one's bytes. What a file system, a disk or
// a backup has kept of them is beyond it.
func (f *File) Destroy(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.keys.Destroyed {
		return nil
	}
	gone := contents{Version: 1, Kind: kind, ID: f.keys.ID, Created: f.keys.Created, Destroyed: true}
	b, err := gone.encode()
	if err != nil {
		return err
	}
	if err := replaceAndErase(f.path, b); err != nil {
		return err
	}
	f.keys, f.passphrase = gone, nil
	return nil
}

// Describe implements seal.KeyWrapper.
func (f *File) Describe(context.Context) (seal.Description, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	d := seal.Description{Driver: "file", Key: f.keys.ID, Created: f.keys.Created, Destroyed: f.keys.Destroyed}
	if n := len(f.keys.Versions); n > 0 {
		d.Version, d.Created = int(f.keys.Versions[n-1].Version), f.keys.Versions[n-1].Created
	}
	return d, nil
}

func (f *File) destroyed() error { return fmt.Errorf("%w: %s", seal.ErrDestroyed, f.path) }

func (f *File) write(c contents) error {
	b, err := c.encode()
	if err == nil && f.passphrase != nil {
		b, err = encrypt(b, f.passphrase)
	}
	if err != nil {
		return err
	}
	return disk.WriteFile(disk.OS, f.path, b)
}
