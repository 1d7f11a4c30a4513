package disk

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
)

// ReadFile reads a whole file of at most limit bytes.
func ReadFile(fsys FS, name string, limit int64) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size > limit {
		return nil, fmt.Errorf("%s: %d bytes, more than the %d allowed", name, size, limit)
	}
	data := make([]byte, size)
	if _, err := f.ReadAt(data, 0); err != nil && err != io.EOF {
		return nil, err
	}
	return data, nil
}

// WriteFile replaces the file name with data: after a crash either the old or
// the new content is there, never a part.
func WriteFile(fsys FS, name string, data []byte) error {
	return viaTemp(fsys, name, data, fsys.Rename)
}

// CreateFile writes data under a name that must be free. A crash leaves the
// name free or the whole file, never a part: the file is filled under another
// name first and then linked. It fails with fs.ErrExist if the name is taken.
func CreateFile(fsys FS, name string, data []byte) error {
	return viaTemp(fsys, name, data, func(tmp, name string) error {
		if err := fsys.Link(tmp, name); err != nil {
			return err
		}
		return fsys.Remove(tmp)
	})
}

// TempPrefix begins the names of unfinished files. They mean nothing and can be removed.
const TempPrefix = ".tmp-"

func viaTemp(fsys FS, name string, data []byte, place func(tmp, name string) error) (err error) {
	dir := filepath.Dir(name)
	tmp := filepath.Join(dir, tempName())
	f, err := fsys.Create(tmp)
	if errors.Is(err, fs.ErrNotExist) {
		if err := fsys.MkdirAll(dir); err != nil {
			return err
		}
		f, err = fsys.Create(tmp)
	}
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			fsys.Remove(tmp)
		}
	}()
	if err = WriteAll(f, data); err != nil {
		f.Close()
		return err
	}
	if err = f.Sync(); err != nil {
		f.Close()
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	if err = place(tmp, name); err != nil {
		return err
	}
	return fsys.SyncDir(dir)
}

// A largeWriter has a cheaper way to append much at once to a file.
type largeWriter interface {
	WriteLarge(b []byte) error
}

// large is from which size on that way is the cheaper one.
const large = 256 << 10

// WriteAll appends to a file. Who writes it in pieces takes the cheaper way if
// each but the last is a megabyte, or several.
func WriteAll(f File, data []byte) error {
	if w, ok := f.(largeWriter); ok && len(data) >= large {
		return w.WriteLarge(data)
	}
	_, err := f.Write(data)
	return err
}

func tempName() string {
	var b [8]byte
	rand.Read(b[:])
	return TempPrefix + hex.EncodeToString(b[:])
}
