//go:build unix

package folder

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"indelible/internal/dataset"
)

// lockFile takes the lock of a file, which is removed with it. Whoever opened
// the file before it was removed finds that it is no longer the one by its name.
func lockFile(name string) (func(), error) {
	for {
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, fmt.Errorf("lock %s: %w", name, cause(err))
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			f.Close()
			if errors.Is(err, syscall.EWOULDBLOCK) {
				return nil, dataset.ErrBusy
			}
			return nil, fmt.Errorf("lock %s: %w", name, err)
		}
		held, err1 := f.Stat()
		named, err2 := os.Stat(name)
		if err1 == nil && err2 == nil && os.SameFile(held, named) {
			return func() { os.Remove(name); f.Close() }, nil
		}
		f.Close()
	}
}
