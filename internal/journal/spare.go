package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"indelible/internal/disk"
)

// A journal file that is no longer needed is kept as a spare, and the next
// journal is written over it. To make bytes durable that replace others the
// file system has only these bytes to write; where a file grows it has its own
// books to write as well, and waits for all that other files have in them.
const (
	sparePrefix = "spare-"
	maxSpares   = 2
)

func parseSpareName(name string) (n uint64, ok bool) {
	digits, ok := strings.CutPrefix(name, sparePrefix)
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, ok && err == nil && name == sparePrefix+strconv.FormatUint(n, 10)
}

// loadSpares finds the spares that earlier processes left. They are used only
// once it is certain that the names they had as journals are gone.
func (j *Journal) loadSpares(entries []fs.DirEntry) error {
	for _, e := range entries {
		n, ok := parseSpareName(e.Name())
		if !ok || !e.Type().IsRegular() {
			continue
		}
		j.nspares = max(j.nspares, n)
		name := path.Join(j.dir, e.Name())
		info, err := e.Info()
		if err != nil {
			return err
		}
		if len(j.spares) < maxSpares && j.worthKeeping(info.Size()) {
			j.spares = append(j.spares, name)
		} else if err := j.fsys.Remove(name); err != nil {
			return err
		}
	}
	if len(j.spares) == 0 {
		return nil
	}
	return j.fsys.SyncDir(j.dir)
}

// worthKeeping is whether a file is large enough to gain from, and not larger
// than the files that are written now.
func (j *Journal) worthKeeping(size int64) bool {
	return size >= j.opts.FileBytes/8 && size < j.opts.FileBytes+groupHeaderSize+maxBody
}

// drop makes a spare of a file that holds nothing anybody needs, or deletes it
// if there are enough. It can be called again after an error.
func (j *Journal) drop(name string, size int64) error {
	j.mu.Lock()
	spare := ""
	if j.worthKeeping(size) && len(j.spares)+j.idle(name) < maxSpares {
		// Never a name that was used before: the writer may be at work on it.
		j.nspares++
		spare = path.Join(j.dir, fmt.Sprint(sparePrefix, j.nspares))
	}
	j.mu.Unlock()
	var err error
	if spare != "" {
		err = j.fsys.Rename(name, spare)
	} else {
		err = j.fsys.Remove(name)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := j.fsys.SyncDir(j.dir); err != nil {
		return err
	}
	if err == nil && spare != "" {
		j.mu.Lock()
		j.spares = append(j.spares, spare)
		j.mu.Unlock()
	}
	return nil
}

// idle counts the other files that hold as much free room as a spare and will
// not use it, because the process that wrote them is gone. The caller holds mu.
func (j *Journal) idle(but string) int {
	n := 0
	for _, f := range j.files {
		if !f.Live && f.name != but && f.disk-f.used() >= j.opts.FileBytes/8 {
			n++
		}
	}
	return n
}

// place puts a header at the beginning of a spare, or of a new file if there is
// none, gives it its name, and makes both durable. It returns the file, open
// for what follows the header, and its size. A spare bears the header before it
// bears the name: no journal is ever found under the name of another.
func (j *Journal) place(name string, header []byte) (w disk.File, size int64, err error) {
	w, spare, err := j.openSpare()
	if err != nil {
		return nil, 0, err
	}
	if w == nil {
		if w, err = j.fsys.Create(name); err != nil {
			return nil, 0, err
		}
	}
	if _, err = w.Write(header); err == nil {
		err = w.Sync()
	}
	if err == nil && spare != "" {
		err = j.fsys.Rename(spare, name)
	}
	if err == nil {
		err = j.fsys.SyncDir(j.dir)
	}
	if err == nil {
		size, err = w.Size()
	}
	if err != nil {
		w.Close()
		return nil, 0, err
	}
	return w, size, nil
}

// openSpare takes a spare for writing over it, or nil if there is none.
func (j *Journal) openSpare() (disk.File, string, error) {
	for {
		j.mu.Lock()
		if len(j.spares) == 0 {
			j.mu.Unlock()
			return nil, "", nil
		}
		spare := j.spares[0]
		j.spares = slices.Delete(j.spares, 0, 1)
		j.mu.Unlock()
		w, err := j.fsys.OpenOver(spare)
		if !errors.Is(err, fs.ErrNotExist) { // somebody may have cleaned up
			return w, spare, err
		}
	}
}
