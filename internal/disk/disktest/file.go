package disktest

import (
	"bytes"
	"io/fs"

	"github.com/cockroachdb/pebble/v2/vfs"
)

type file struct {
	vfs.File
	mem  *Mem
	name string
}

func (f *file) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (f *file) Sync() error { return f.mem.sync(f.name, f.File.Sync) }

func (f *file) Write(p []byte) (int, error) {
	granted, failure := f.mem.grant(len(p))
	// The copy: under the race detector the memory file system scrambles what
	// it was given, which an io.Writer must not do.
	n, err := f.File.Write(bytes.Clone(p[:granted]))
	if err == nil && failure != nil {
		err = &fs.PathError{Op: "write", Path: f.name, Err: failure}
	}
	return n, err
}

// grant says how many of n bytes may be written, and the error if that is not all.
func (m *Mem) grant(n int) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.writeErr == nil {
		return n, nil
	}
	if int64(n) <= m.writeSpace {
		m.writeSpace -= int64(n)
		return n, nil
	}
	granted := int(m.writeSpace)
	m.writeSpace = 0
	return granted, m.writeErr
}
