package client

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// spool keeps events on the disk until they are sent: files of lines, named by
// rising numbers. The newest may be written to; older ones are sent and removed.
type spool struct {
	dir string

	mu      sync.Mutex
	current *os.File
	size    int64
	number  uint64   // of the current file, or of the last there was
	sealed  []string // files that are not written to any more, oldest first
}

const (
	spoolSuffix   = ".jsonl"
	maxSpoolFile  = 1 << 20
	maxSpoolBytes = 16 << 20 // of a file as read: one write goes beyond maxSpoolFile
)

// openSpool opens the directory and counts the events left in it.
func openSpool(dir string) (*spool, int, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, 0, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, 0, err
	}
	s := &spool{dir: dir}
	left := 0
	for _, e := range entries { // by name, which is by number
		digits, ok := strings.CutSuffix(e.Name(), spoolSuffix)
		n, err := strconv.ParseUint(digits, 10, 64)
		if !ok || err != nil || len(digits) != 20 {
			continue
		}
		lines, err := s.read(e.Name())
		if err != nil {
			return nil, 0, err
		}
		left += len(lines)
		s.number = max(s.number, n)
		s.sealed = append(s.sealed, e.Name())
	}
	slices.Sort(s.sealed)
	return s, left, nil
}

// add writes events and returns when they are on the disk.
func (s *spool) add(items []item) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil {
		f, err := os.OpenFile(filepath.Join(s.dir, fmt.Sprintf("%020d%s", s.number+1, spoolSuffix)), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		if err := syncDir(s.dir); err != nil {
			return errors.Join(err, f.Close())
		}
		s.current, s.size = f, 0
		s.number++
	}
	var b []byte
	for _, it := range items {
		b = append(b, it.line...)
	}
	n, err := s.current.Write(b)
	if err == nil {
		err = s.current.Sync()
	}
	if s.size += int64(n); err != nil {
		return err // nothing more is written behind what may be half a line
	}
	if s.size >= maxSpoolFile {
		return s.seal()
	}
	return nil
}

// seal ends the current file.
func (s *spool) seal() error {
	if s.current == nil {
		return nil
	}
	name := filepath.Base(s.current.Name())
	err := s.current.Close()
	s.current = nil
	s.sealed = append(s.sealed, name)
	return err
}

// next is the oldest file with what is in it; none if nothing waits.
func (s *spool) next() (batch, error) {
	s.mu.Lock()
	if len(s.sealed) == 0 {
		if err := s.seal(); err != nil {
			s.mu.Unlock()
			return batch{}, err
		}
	}
	if len(s.sealed) == 0 {
		s.mu.Unlock()
		return batch{}, nil
	}
	name := s.sealed[0]
	s.mu.Unlock()
	lines, err := s.read(name)
	return batch{lines, name}, err
}

// read reads the whole lines of a file. What follows the last of them was cut
// short by a crash, and nobody was told that it was taken.
func (s *spool) read(name string) ([][]byte, error) {
	path := filepath.Join(s.dir, name)
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxSpoolBytes {
		return nil, fmt.Errorf("%s is larger than a spool's file can be", path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var lines [][]byte
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			break
		}
		if len(bytes.TrimSpace(b[:i])) > 0 {
			lines = append(lines, b[:i+1])
		}
		b = b[i+1:]
	}
	return lines, nil
}

// remove forgets a file whose events were answered for.
func (s *spool) remove(name string) error {
	s.mu.Lock()
	s.sealed = slices.DeleteFunc(s.sealed, func(n string) bool { return n == name })
	s.mu.Unlock()
	if err := os.Remove(filepath.Join(s.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (s *spool) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seal()
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
