package disk

import (
	"errors"
	"unsafe"

	"golang.org/x/sys/unix"
)

// directAlign is what memory, offset and length of a direct write must be
// multiples of on any disk there is.
const directAlign = 4096

// WriteLarge appends to a file past the page cache: copying megabytes into it
// costs more processor time than all else that is done to them, and nobody
// reads them soon. What does not fill a block at the end goes the usual way; so
// does all if the file does not end with a block, or the file system knows no
// direct writes.
func (f osFile) WriteLarge(b []byte) error {
	n := len(b) &^ (directAlign - 1)
	if uintptr(unsafe.Pointer(unsafe.SliceData(b)))%directAlign != 0 || f.setDirect(true) != nil {
		n = 0
	}
	if n > 0 {
		done, err := f.Write(b[:n])
		if back := f.setDirect(false); back != nil {
			return back
		}
		if err != nil && !errors.Is(err, unix.EINVAL) {
			return err
		}
		n = done
	}
	_, err := f.Write(b[n:])
	return err
}

func (f osFile) setDirect(on bool) error {
	flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0)
	if err != nil {
		return err
	}
	if flags &^= unix.O_DIRECT; on {
		flags |= unix.O_DIRECT
	}
	_, err = unix.FcntlInt(f.Fd(), unix.F_SETFL, flags)
	return err
}
