// Package disktest is a disk in memory whose power a test can cut. It counts
// every sync, so a test can walk through all of them and crash or fail at each.
package disktest

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"

	"indelible/internal/disk"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Mem is a disk.FS in memory. What was not synced is lost in a Crash: file
// content by File.Sync, names in a directory by SyncDir.
type Mem struct {
	mem   *vfs.MemFS
	names sync.Mutex // Create looks and makes; no other name may come between.

	mu         sync.Mutex
	syncs      int
	before     Hook
	after      Hook
	writeErr   error
	writeSpace int64
}

// A Hook is told of the n-th sync (from 1) and the name of the file or
// directory; its error is what the caller of the sync gets. It may call Crash.
type Hook func(n int, name string) error

// New returns an empty disk.
func New() *Mem { return &Mem{mem: vfs.NewCrashableMem()} }

// Crash returns the disk as a power cut at this moment would leave it, without
// hooks. What was synced is there; of the rest each 4 KiB block and each name
// survives or not as rng says, with an own probability every time. A nil rng
// keeps nothing unsynced. The receiver goes on as if nothing had happened.
func (m *Mem) Crash(rng *rand.Rand) *Mem {
	cfg := vfs.CrashCloneCfg{RNG: rng}
	if rng != nil {
		cfg.UnsyncedDataPercent = rng.IntN(101)
	}
	return &Mem{mem: m.mem.CrashClone(cfg)}
}

// OnSync calls hook before every Sync and SyncDir. When it returns an error the
// sync does not happen.
func (m *Mem) OnSync(hook Hook) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.before = hook
}

// AfterSync calls hook after every successful Sync and SyncDir. When it returns
// an error the caller sees a failure although all is durable.
func (m *Mem) AfterSync(hook Hook) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.after = hook
}

// FailWrites lets space more bytes be written. The write that needs more is cut
// short and gets err (syscall.ENOSPC is a full disk), and so does every later
// one. A nil err ends it.
func (m *Mem) FailWrites(space int64, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.writeSpace, m.writeErr = space, err
}

// Syncs returns the number of syncs so far.
func (m *Mem) Syncs() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.syncs
}

// Overwrite puts a durable file with this content under name, for tests that
// flip bits or cut files short. Who has the old one open keeps the old one.
func (m *Mem) Overwrite(name string, data []byte) error {
	f, err := m.mem.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(bytes.Clone(data)); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return m.syncNames(path.Dir(name))
}

func (m *Mem) Create(name string) (disk.File, error) {
	m.names.Lock()
	defer m.names.Unlock()
	if _, err := m.mem.Stat(name); err == nil {
		return nil, &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
	}
	f, err := m.mem.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, err
	}
	return &file{File: f, mem: m, name: name}, nil
}

func (m *Mem) Open(name string) (disk.File, error) {
	f, err := m.mem.Open(name)
	if err != nil {
		return nil, err
	}
	return &file{File: f, mem: m, name: name}, nil
}

func (m *Mem) OpenOver(name string) (disk.File, error) {
	m.names.Lock()
	defer m.names.Unlock()
	// The memory file system would make a file that is not there.
	if _, err := m.mem.Stat(name); err != nil {
		return nil, err
	}
	f, err := m.mem.OpenReadWrite(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, err
	}
	return &file{File: f, mem: m, name: name}, nil
}

func (m *Mem) Link(oldname, newname string) error {
	m.names.Lock()
	defer m.names.Unlock()
	return m.mem.Link(oldname, newname)
}

func (m *Mem) Rename(oldname, newname string) error {
	m.names.Lock()
	defer m.names.Unlock()
	// The memory file system would lose the old name before it looks for it.
	if _, err := m.mem.Stat(oldname); err != nil {
		return err
	}
	return m.mem.Rename(oldname, newname)
}

func (m *Mem) Remove(name string) error {
	m.names.Lock()
	defer m.names.Unlock()
	if err := m.mem.Remove(name); err != nil {
		return &fs.PathError{Op: "remove", Path: name, Err: err}
	}
	return nil
}

func (m *Mem) MkdirAll(name string) error {
	name = path.Clean(name)
	if info, err := m.mem.Stat(name); err == nil {
		if info.IsDir() {
			return nil
		}
		return fmt.Errorf("mkdir %s: a file is in the way", name)
	}
	parent := path.Dir(name)
	if parent != name {
		if err := m.MkdirAll(parent); err != nil {
			return err
		}
	}
	if err := m.mem.MkdirAll(name, 0o700); err != nil {
		return err
	}
	return m.SyncDir(parent)
}

func (m *Mem) List(dir string) ([]fs.DirEntry, error) {
	names, err := m.mem.List(dir)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(names, strings.Compare)
	entries := make([]fs.DirEntry, 0, len(names))
	for _, name := range names {
		info, err := m.mem.Stat(path.Join(dir, name))
		if err != nil {
			continue // Removed since it was listed.
		}
		entries = append(entries, fs.FileInfoToDirEntry(info))
	}
	return entries, nil
}

func (m *Mem) SyncDir(dir string) error {
	return m.sync(dir, func() error { return m.syncNames(dir) })
}

func (m *Mem) syncNames(dir string) error {
	d, err := m.mem.OpenDir(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// sync counts a sync and asks the hooks, outside the lock so that they may use the disk.
func (m *Mem) sync(name string, do func() error) error {
	m.mu.Lock()
	m.syncs++
	n, before, after := m.syncs, m.before, m.after
	m.mu.Unlock()
	if before != nil {
		if err := before(n, name); err != nil {
			return &fs.PathError{Op: "sync", Path: name, Err: err}
		}
	}
	if err := do(); err != nil {
		return err
	}
	if after != nil {
		if err := after(n, name); err != nil {
			return &fs.PathError{Op: "sync", Path: name, Err: err}
		}
	}
	return nil
}
