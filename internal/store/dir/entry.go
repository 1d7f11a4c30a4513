package dir

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"indelible/internal/disk"
	"indelible/internal/store"
)

// lstater is a file system that tells what stands under a name without opening
// it. Opening alone would follow links and hang on a named pipe.
type lstater interface {
	Lstat(name string) (fs.FileInfo, error)
}

// kind is what stands under a path: its type, and when it was written if known.
type kind struct {
	mode     fs.FileMode
	modified time.Time
}

func (s *Store) lstat(path string) (kind, error) {
	if l, ok := s.fsys.(lstater); ok {
		info, err := l.Lstat(path)
		if err != nil {
			return kind{}, err
		}
		return kind{info.Mode().Type(), info.ModTime()}, nil
	}
	entries, err := s.fsys.List(filepath.Dir(path))
	if err != nil {
		return kind{}, err
	}
	for _, e := range entries {
		if e.Name() == filepath.Base(path) {
			return kind{mode: e.Type()}, nil
		}
	}
	return kind{}, fmt.Errorf("%s: %w", path, fs.ErrNotExist)
}

// find looks an object up: store.ErrNotExist unless a regular file stands under
// the name and real directories above it. List shows exactly these, and a link
// would let an object change by a change elsewhere.
func (s *Store) find(name string) (kind, error) {
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		ok, err := s.knownDir(name[:i])
		if err != nil {
			return kind{}, err
		}
		if !ok {
			return kind{}, store.ErrNotExist
		}
	}
	k, err := s.lstat(s.path(name))
	if err != nil {
		return kind{}, missing(err)
	}
	if k.mode != 0 {
		return kind{}, store.ErrNotExist
	}
	return k, nil
}

// knownDir is isDir, remembering for a moment what it found: who reads a whole
// log asks for the same few directories again and again.
func (s *Store) knownDir(name string) (bool, error) {
	now := time.Now()
	s.mu.Lock()
	seen, ok := s.real[name]
	s.mu.Unlock()
	if ok && now.Sub(seen) < time.Second {
		return true, nil
	}
	ok, err := s.isDir(name)
	if ok && err == nil {
		s.mu.Lock()
		if len(s.real) >= maxDurable {
			clear(s.real)
		}
		s.real[name] = now
		s.mu.Unlock()
	}
	return ok, err
}

// isDir reports whether real directories lead to and stand under a name.
func (s *Store) isDir(name string) (bool, error) {
	path := s.root
	for element := range strings.SplitSeq(name, "/") {
		path = filepath.Join(path, element)
		k, err := s.lstat(path)
		if err != nil {
			if err = missing(err); errors.Is(err, store.ErrNotExist) {
				return false, nil
			}
			return false, err
		}
		if k.mode != fs.ModeDir {
			return false, nil
		}
	}
	return true, nil
}

// missing tells absence, also of a directory above, from a disk in trouble.
func missing(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return store.ErrNotExist
	}
	return classify(err)
}

// maxDurable bounds the memory of the directories already seen to.
const maxDurable = 1 << 14

// prepare makes the directory of an object and sees to it, once per directory
// and process, that every name on the way survives a crash. Making it is not
// enough: whoever made it may have died, or be about to, before the sync.
func (s *Store) prepare(name string) error {
	target := filepath.Dir(s.path(name))
	s.mu.Lock()
	known := s.durable[target]
	s.mu.Unlock()
	if known {
		return nil
	}
	if err := s.fsys.MkdirAll(target); err != nil {
		return err
	}
	for dir := target; ; dir = filepath.Dir(dir) {
		if dir != s.root {
			if k, err := s.lstat(dir); err != nil {
				return err
			} else if k.mode != fs.ModeDir {
				return fmt.Errorf("%w: %s is no directory of its own; only the store as a whole may be a link", store.ErrDenied, dir)
			}
		}
		err := s.fsys.SyncDir(filepath.Dir(dir))
		if dir == s.root {
			// What holds the root may be closed to us. Then it was not us who
			// made the root, and MkdirAll would have failed.
			if err != nil && !errors.Is(err, fs.ErrPermission) {
				return err
			}
			break
		}
		if err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.durable) >= maxDurable {
		clear(s.durable)
	}
	s.durable[target] = true
	return nil
}

// forget is called when a directory thought durable turns out to be gone.
func (s *Store) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.durable)
}

func temporary(name string) bool { return strings.HasPrefix(name, disk.TempPrefix) }
