// Package disk is the small part of a file system that durability depends on.
// The journal, the directory store and the writer's state files are written
// against FS, so that a test can take the power away at any sync.
package disk

import (
	"io"
	"io/fs"
)

// FS is a file system. Names are slash-separated paths as the operating system
// takes them. Errors satisfy errors.Is with fs.ErrExist and fs.ErrNotExist.
type FS interface {
	// Create makes a new file for writing; it fails with fs.ErrExist if there is one.
	Create(name string) (File, error)
	// Open opens a file for reading.
	Open(name string) (File, error)
	// OpenOver opens a file there is for reading and for writing over what is
	// in it, from its beginning on. A crash before the next Sync leaves the old
	// bytes, the new ones, or some of each.
	OpenOver(name string) (File, error)
	// Link gives the file oldname a second name, failing with fs.ErrExist if newname is taken.
	Link(oldname, newname string) error
	// Rename moves oldname over newname.
	Rename(oldname, newname string) error
	Remove(name string) error
	// MkdirAll makes a directory and its parents with mode 0700 and makes them durable.
	MkdirAll(name string) error
	// List returns the names in a directory, sorted.
	List(dir string) ([]fs.DirEntry, error)
	// SyncDir makes the names in a directory durable.
	SyncDir(dir string) error
}

// File is an open file.
type File interface {
	io.Writer
	io.ReaderAt
	io.Closer
	// Sync makes what was written durable, and the size; other things the file
	// system knows about the file, such as its times, may be lost in a crash.
	// After an error the state of the file is unknown and it must not be
	// written again.
	Sync() error
	Size() (int64, error)
}
