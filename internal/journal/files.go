package journal

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"indelible"
	"indelible/internal/disk"
)

const suffix = ".journal"

// file is a journal file. The journal's mu guards it, but for what only the
// writer touches.
type file struct {
	Info
	name string // path
	disk int64  // its size on disk, with what is free at its end

	w    disk.File      // of the live one, for the writer
	hash indelible.Hash // running hash, for the writer
}

// used is what counts against the limit.
func (f *file) used() int64 { return int64(f.Length + f.TornBytes) }

// end closes the live file.
func (f *file) end() error {
	if f.w == nil {
		return nil
	}
	err := f.w.Close()
	f.w, f.Live = nil, false
	return err
}

func fileName(counter uint64, id indelible.ID) string {
	return fmt.Sprintf("%08d-%s%s", counter, id, suffix)
}

func parseFileName(name string) (counter uint64, id indelible.ID, err error) {
	number, hex, _ := strings.Cut(strings.TrimSuffix(name, suffix), "-")
	counter, err = strconv.ParseUint(number, 10, 64)
	if err == nil {
		err = id.UnmarshalText([]byte(hex))
	}
	if err != nil || name != fileName(counter, id) {
		return 0, id, fmt.Errorf("%s is not named like a journal; move it elsewhere if it is a copy", name)
	}
	return counter, id, nil
}

// load scans the files in the directory.
func (j *Journal) load() error {
	entries, err := j.fsys.List(j.dir)
	if err != nil {
		return err
	}
	if err := j.loadSpares(entries); err != nil {
		return err
	}
	for _, e := range entries {
		name := path.Join(j.dir, e.Name())
		switch {
		case strings.HasPrefix(e.Name(), disk.TempPrefix):
			if err := j.fsys.Remove(name); err != nil {
				return err
			}
		case strings.HasSuffix(e.Name(), suffix):
			counter, id, err := parseFileName(e.Name())
			if err != nil {
				return err
			}
			if err := j.loadFile(name, counter, id); err != nil {
				return fmt.Errorf("%s: %w", e.Name(), err)
			}
		}
	}
	slices.SortStableFunc(j.files, func(a, b *file) int { return cmp.Compare(a.Counter, b.Counter) })
	return nil
}

func (j *Journal) loadFile(name string, counter uint64, id indelible.ID) error {
	if j.find(id) != nil {
		return errors.New("there are two files of this journal; move the copy elsewhere")
	}
	j.counter = max(j.counter, counter)
	s, size, err := scanName(j.fsys, name, id)
	if err != nil {
		return err
	}
	// The header is durable before the first group is written: a file with no
	// more than that was begun and never used.
	if size <= fileHeaderSize {
		return j.fsys.Remove(name)
	}
	if s.unused {
		return j.drop(name, int64(size))
	}
	f := &file{name: name, disk: int64(size), Info: Info{
		ID: id, Counter: counter, Directory: s.header.directory, OpeningSize: s.header.size, Created: s.header.created,
		First: fileHeaderSize, Length: s.length, TornBytes: s.torn, OldBytes: s.old, Damage: s.damage,
	}}
	if len(s.damage) > 0 && s.damage[0].Offset == 0 {
		f.First = 0 // so that a reader meets the damage
	}
	j.files = append(j.files, f)
	j.stored += f.used()
	return nil
}

func scanName(fsys disk.FS, name string, id indelible.ID) (s scan, size uint64, err error) {
	f, err := fsys.Open(name)
	if err != nil {
		return s, 0, err
	}
	defer f.Close()
	n, err := f.Size()
	if err != nil {
		return s, 0, err
	}
	s, err = scanFile(f, id, uint64(n), nil)
	return s, uint64(n), err
}

// find returns the file of a journal, or nil. The caller holds mu.
func (j *Journal) find(id indelible.ID) *file {
	for _, f := range j.files {
		if f.ID == id {
			return f
		}
	}
	return nil
}

// begin starts a new journal file. Only the writer calls it. The file and its
// name are durable before a group is written to it.
func (j *Journal) begin() (*file, error) {
	j.mu.Lock()
	j.counter++
	h := fileHeader{size: j.size, created: j.opts.Clock().UnixMilli(), directory: j.opts.Directory}
	f := &file{Info: Info{Counter: j.counter}}
	j.mu.Unlock()
	rand.Read(h.id[:])
	f.ID, f.Directory, f.OpeningSize, f.Created = h.id, h.directory, h.size, h.created
	f.First, f.Length, f.Live = fileHeaderSize, fileHeaderSize, true
	f.name = path.Join(j.dir, fileName(f.Counter, f.ID))

	header := h.encode()
	w, size, err := j.place(f.name, header)
	if err != nil {
		return nil, err
	}
	f.w, f.hash, f.disk = w, sha256.Sum256(header), size
	j.mu.Lock()
	j.files = append(j.files, f)
	j.stored += f.used()
	j.mu.Unlock()
	return f, nil
}

// Trim gives up a journal that is in the store entirely. The live one cannot be
// trimmed; see Retire.
func (j *Journal) Trim(id indelible.ID) error {
	j.mu.Lock()
	f := j.find(id)
	err := j.err
	if err == nil && f == nil {
		err = fs.ErrNotExist
	}
	if err == nil && f.Live {
		err = errors.New("it is being written")
	}
	j.mu.Unlock()
	if err != nil {
		return fmt.Errorf("trim journal %s: %w", id, err)
	}
	return j.remove(f)
}

// Retire ends the live journal and gives it up, if it ends at the committed
// offset and nothing is on its way to it; the next Append begins another. It
// reports whether it did.
func (j *Journal) Retire(id indelible.ID, committed uint64) (bool, error) {
	j.readMu.Lock()
	j.mu.Lock()
	f := j.find(id)
	ok := f != nil && f.Live && f.Length == committed && !j.writing && len(j.queue) == 0 && j.err == nil
	var err error
	if ok {
		err = f.end()
	}
	j.mu.Unlock()
	j.readMu.Unlock()
	if !ok || err != nil {
		return false, err
	}
	return true, j.remove(f)
}

// remove gives up a file that is not live. Should a crash bring it back, the
// segments in the store tell again that it was committed.
func (j *Journal) remove(f *file) error {
	j.readMu.Lock()
	defer j.readMu.Unlock()
	if j.reader.id == f.ID {
		j.reader.close()
	}
	if err := j.drop(f.name, f.disk); err != nil {
		return fmt.Errorf("trim journal %s: %w", f.ID, err)
	}
	j.mu.Lock()
	j.files = slices.DeleteFunc(j.files, func(g *file) bool { return g == f })
	j.stored -= f.used()
	j.mu.Unlock()
	return nil
}
