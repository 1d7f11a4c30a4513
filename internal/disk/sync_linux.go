package disk

import (
	"os"

	"golang.org/x/sys/unix"
)

// Sync leaves out the file's times. Where bytes were written over others it
// then need not wait for the file system's own journal, and with it for all
// that other files have in there.
func (f osFile) Sync() error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		switch err {
		case nil:
			return nil
		case unix.EINTR:
		default:
			return &os.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
		}
	}
}
