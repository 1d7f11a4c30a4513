package disk

import (
	"os"

	"golang.org/x/sys/unix"
)

// SyncAll syncs the whole file system that holds a directory: one wait instead
// of one for each file.
func (osFS) SyncAll(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return os.NewSyscallError("syncfs", unix.Syncfs(int(d.Fd())))
}
