// Package folder is a local folder as the place of a dataset. Files have mode
// 0600, folders 0700. A file is written under another name first, synced, and
// then linked or renamed.
package folder

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"indelible/internal/dataset"
	"indelible/internal/disk"
)

// Folder is a local folder.
type Folder struct {
	root string
	fs   disk.FS
}

var _ dataset.Place = (*Folder)(nil)

// New is the folder root, which need not exist before the first file.
func New(root string) *Folder { return On(disk.OS, root) }

// On is New on another file system.
func On(fsys disk.FS, root string) *Folder { return &Folder{root, fsys} }

func (f *Folder) path(name string) string { return filepath.Join(f.root, filepath.FromSlash(name)) }

// tempMark stands in the names of unfinished files: .NAME.unfinished-RANDOM.
const tempMark = ".unfinished-"

type file struct {
	folder    *Folder
	name, tmp string
	replace   bool
	f         disk.File
	done      bool
	piece     []byte     // is filled
	spare     []byte     // is being written, or was
	written   chan error // says that it was; nil: it was
	err       error
}

// Create implements dataset.Place.
func (f *Folder) Create(_ context.Context, name string, replace bool) (dataset.File, error) {
	if !dataset.CheckName(name) {
		return nil, fmt.Errorf("%q is not a name of a file", name)
	}
	var random [8]byte
	rand.Read(random[:])
	dir, base := filepath.Split(f.path(name))
	w := &file{folder: f, name: f.path(name), replace: replace}
	w.tmp = filepath.Join(dir, "."+base+tempMark+hex.EncodeToString(random[:]))
	var err error
	w.f, err = f.fs.Create(w.tmp)
	if errors.Is(err, fs.ErrNotExist) {
		if err = f.fs.MkdirAll(filepath.Clean(dir)); err == nil {
			w.f, err = f.fs.Create(w.tmp)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", w.name, cause(err))
	}
	return w, nil
}

// pieceSize is what is written at once: much, so that it goes past the page
// cache, where it would cost more processor time than making the lines, and take
// the place of what the database has there.
const pieceSize = 1 << 20

// Write implements io.Writer.
func (w *file) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		take := min(pieceSize-len(w.piece), len(p))
		w.piece, p = append(w.piece, p[:take]...), p[take:]
		if len(w.piece) == pieceSize {
			if err := w.flush(); err != nil {
				return n - len(p), err
			}
		}
	}
	return n, nil
}

// flush has the piece written while the next one is filled.
func (w *file) flush() error {
	if err := w.wait(); err != nil {
		return err
	}
	piece := w.piece
	w.piece, w.spare = w.spare[:0], piece
	w.written = make(chan error, 1)
	go func() { w.written <- disk.WriteAll(w.f, piece) }()
	return nil
}

// wait waits for the piece that is being written, if there is one. After an
// error nothing is written any more.
func (w *file) wait() error {
	if w.written != nil {
		w.err = w.failed(<-w.written)
		w.written = nil
	}
	return w.err
}

func (w *file) failed(err error) error {
	if err != nil {
		return fmt.Errorf("write %s: %w", w.name, cause(err))
	}
	return nil
}

// Commit implements dataset.File.
func (w *file) Commit(context.Context) error {
	defer w.Abort()
	if err := w.wait(); err != nil {
		return err
	}
	if err := w.failed(disk.WriteAll(w.f, w.piece)); err != nil {
		return err
	}
	if err := w.f.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", w.name, cause(err))
	}
	fsys := w.folder.fs
	var err error
	if w.replace {
		err = fsys.Rename(w.tmp, w.name)
	} else {
		err = fsys.Link(w.tmp, w.name)
	}
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s %w", w.name, dataset.ErrExist)
	}
	if err != nil {
		return fmt.Errorf("place %s: %w", w.name, cause(err))
	}
	if err := fsys.SyncDir(filepath.Dir(w.name)); err != nil {
		return fmt.Errorf("sync the folder of %s: %w", w.name, cause(err))
	}
	return nil
}

// Abort implements dataset.File.
func (w *file) Abort() {
	if w.done {
		return
	}
	w.done = true
	w.wait() // there is nothing left that its error could change
	w.f.Close()
	w.folder.fs.Remove(w.tmp)
}

// Open implements dataset.Place.
func (f *Folder) Open(_ context.Context, name string) (io.ReadCloser, error) {
	if !dataset.CheckName(name) {
		return nil, fmt.Errorf("%q is not a name of a file", name)
	}
	r, err := f.fs.Open(f.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s %w", f.path(name), dataset.ErrNotExist)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", f.path(name), cause(err))
	}
	size, err := r.Size()
	if err != nil {
		r.Close()
		return nil, fmt.Errorf("open %s: %w", f.path(name), cause(err))
	}
	return &reading{io.NewSectionReader(r, 0, size), r}, nil
}

type reading struct {
	*io.SectionReader
	io.Closer
}

// List implements dataset.Place. Unfinished files have no names yet.
func (f *Folder) List(_ context.Context, prefix string) ([]string, error) {
	var names []string
	err := f.walk(prefix, func(name string, unfinished bool) error {
		if !unfinished && dataset.CheckName(name) && strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
		return nil
	})
	slices.Sort(names)
	return names, err
}

// Sweep implements dataset.Place.
func (f *Folder) Sweep(_ context.Context, name string) error {
	return f.walk(name, func(found string, unfinished bool) error {
		dir, base := splitSlash(found)
		target, _, _ := strings.Cut(dir+strings.TrimPrefix(base, "."), tempMark)
		if !unfinished || target != name && !strings.HasPrefix(target, name+"/") {
			return nil
		}
		return f.fs.Remove(f.path(found))
	})
}

func splitSlash(name string) (dir, base string) {
	i := strings.LastIndexByte(name, '/') + 1
	return name[:i], name[i:]
}

// walk calls each with the files below the folder that prefix ends in.
func (f *Folder) walk(prefix string, each func(name string, unfinished bool) error) error {
	dir, _ := splitSlash(prefix)
	return f.walkDir(strings.TrimSuffix(dir, "/"), each)
}

func (f *Folder) walkDir(dir string, each func(name string, unfinished bool) error) error {
	entries, err := f.fs.List(f.path(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list %s: %w", f.path(dir), cause(err))
	}
	for _, e := range entries {
		name := e.Name()
		if dir != "" {
			name = dir + "/" + name
		}
		switch {
		case e.IsDir():
			err = f.walkDir(name, each)
		case e.Type().IsRegular():
			err = each(name, strings.HasPrefix(e.Name(), ".") && strings.Contains(e.Name(), tempMark))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Remove implements dataset.Place. Folders left empty go with the file, up to
// the place itself.
func (f *Folder) Remove(_ context.Context, name string) error {
	if !dataset.CheckName(name) {
		return fmt.Errorf("%q is not a name of a file", name)
	}
	err := f.fs.Remove(f.path(name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove %s: %w", f.path(name), cause(err))
	}
	for dir, _ := splitSlash(name); dir != ""; dir, _ = splitSlash(strings.TrimSuffix(dir, "/")) {
		if f.fs.Remove(f.path(strings.TrimSuffix(dir, "/"))) != nil {
			break // not empty, as a rule
		}
	}
	return nil
}

// Lock implements dataset.Place.
func (f *Folder) Lock(name string) (func(), error) {
	if err := os.MkdirAll(f.root, 0o700); err != nil {
		return nil, fmt.Errorf("make %s: %w", f.root, cause(err))
	}
	return lockFile(f.path("." + name + ".lock"))
}

// cause is an error without the path in it, which the caller names.
func cause(err error) error {
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path):
		return path.Err
	case errors.As(err, &link):
		return link.Err
	}
	return err
}
