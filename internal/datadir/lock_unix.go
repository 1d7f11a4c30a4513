//go:build unix

package datadir

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// ErrLocked: another process is this directory's writer.
var ErrLocked = errors.New("another process is writing to this data directory")

// Lock is the right to write: at most one process holds it. It ends with the process.
type Lock struct{ f *os.File }

// TryLock takes the lock or returns ErrLocked.
func TryLock(dir string) (*Lock, error) {
	f, err := os.OpenFile(filepath.Join(dir, "writer.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, ErrLocked
		}
		return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return &Lock{f}, nil
}

// WaitLock takes the lock, waiting for it at most as long as ctx allows.
func WaitLock(ctx context.Context, dir string) (*Lock, error) {
	for {
		l, err := TryLock(dir)
		if !errors.Is(err, ErrLocked) {
			return l, err
		}
		select {
		case <-ctx.Done():
			return nil, ErrLocked
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Release gives the lock up.
func (l *Lock) Release() error { return l.f.Close() }
