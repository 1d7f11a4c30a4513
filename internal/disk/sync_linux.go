package disk

import (
	"os"

	"golang.org/x/sys/unix"
)

// Flush begins to write a range out. It promises nothing, so it cannot fail.
func (f osFile) Flush(offset, length int64) {
	unix.SyncFileRange(int(f.Fd()), offset, length, unix.SYNC_FILE_RANGE_WRITE)
}

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
