package ledger_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"indelible/internal/store"
	"indelible/internal/store/storetest"
)

// memory is a store in memory whose content a test can change behind
// everybody's back. With versions it keeps them, as a versioned bucket does.
type memory struct {
	versioned bool
	max       int // bytes a read may return at once; 0: store.MaxObject

	mu      sync.RWMutex
	objects map[string][]version // oldest first
	count   int
}

type version struct {
	id     string
	data   []byte
	marker bool
	locked time.Time
}

func newMemory(versioned bool) *memory {
	return &memory{versioned: versioned, objects: make(map[string][]version)}
}

func TestMemoryStore(t *testing.T) {
	t.Parallel()
	for _, versioned := range []bool{false, true} {
		t.Run(fmt.Sprintf("versioned=%v", versioned), func(t *testing.T) {
			t.Parallel()
			storetest.Run(t, func(*testing.T) store.Store { return newMemory(versioned) })
		})
	}
}

// clone copies the store; contents are shared and never changed in place.
func (m *memory) clone() *memory {
	m.mu.RLock()
	defer m.mu.RUnlock()
	c := newMemory(m.versioned)
	c.count, c.max = m.count, m.max
	for name, versions := range m.objects {
		c.objects[name] = slices.Clone(versions)
	}
	return c
}

// names lists all objects, also below delete markers.
func (m *memory) names() []string {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return slices.Sorted(maps.Keys(m.objects))
}

// get returns the newest content of an object, or nil.
func (m *memory) get(name string) []byte {
	m.mu.RLock()
	defer m.mu.RUnlock()
	v := m.newest(name)
	if v == nil {
		return nil
	}
	return v.data
}

// set changes an object in place, as who owns the disk can; nil takes it away
// with all its versions.
func (m *memory) set(name string, data []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.objects, name)
	if data != nil {
		m.put(name, version{data: data})
	}
}

// overlay puts a version, or with nil a delete marker, on top of an object.
func (m *memory) overlay(name string, data []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.put(name, version{data: data, marker: data == nil})
}

func (m *memory) newest(name string) *version {
	versions := m.objects[name]
	if n := len(versions); n > 0 && !versions[n-1].marker {
		return &versions[n-1]
	}
	return nil
}

func (m *memory) put(name string, v version) {
	m.count++
	if !m.versioned {
		m.objects[name] = []version{v}
		return
	}
	v.id = fmt.Sprintf("v%06d", m.count)
	m.objects[name] = append(m.objects[name], v)
}

func begin(ctx context.Context, name string, data []byte) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if err := store.CheckName(name); err != nil {
		return err
	}
	return store.CheckSize(name, data)
}

func (m *memory) Create(ctx context.Context, name string, data []byte, until time.Time) error {
	if err := begin(ctx, name, data); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.newest(name) != nil {
		return fmt.Errorf("create %s: %w", name, store.ErrExist)
	}
	m.put(name, version{data: bytes.Clone(data), locked: until})
	return nil
}

func (m *memory) Replace(ctx context.Context, name string, data []byte, etag string) error {
	if err := begin(ctx, name, data); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	there := ""
	if v := m.newest(name); v != nil {
		there = etagOf(v)
	}
	if there != etag {
		return fmt.Errorf("replace %s: %w", name, store.ErrChanged)
	}
	m.put(name, version{data: bytes.Clone(data)})
	return nil
}

func etagOf(v *version) string {
	sum := sha256.Sum256(v.data)
	return hex.EncodeToString(sum[:])
}

func (m *memory) Read(ctx context.Context, name string, opt store.ReadOptions) (store.Object, error) {
	if err := begin(ctx, name, nil); err != nil {
		return store.Object{}, err
	}
	if err := store.CheckRange(name, opt); err != nil {
		return store.Object{}, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	v := m.newest(name)
	if opt.Version != "" {
		i := slices.IndexFunc(m.objects[name], func(v version) bool { return v.id == opt.Version && !v.marker })
		if v = nil; i >= 0 {
			v = &m.objects[name][i]
		}
	}
	if v == nil {
		return store.Object{}, fmt.Errorf("read %s: %w", name, store.ErrNotExist)
	}
	size := int64(len(v.data))
	first := min(opt.Offset, size)
	last := size
	if opt.Length > 0 {
		last = min(size, first+opt.Length)
	}
	if m.max > 0 && last-first > int64(m.max) {
		return store.Object{}, fmt.Errorf("read %s: %w", name, store.ErrTooLarge)
	}
	return store.Object{Data: bytes.Clone(v.data[first:last]), Size: size, ETag: etagOf(v), Version: v.id, LockedUntil: v.locked, LockMode: lockMode(v.locked)}, nil
}

func (m *memory) List(ctx context.Context, prefix, after string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for _, name := range m.names() {
			if !strings.HasPrefix(name, prefix) || name <= after {
				continue
			}
			if err := context.Cause(ctx); err != nil {
				yield("", err)
				return
			}
			m.mu.RLock()
			there := m.newest(name) != nil
			m.mu.RUnlock()
			if there && !yield(name, nil) {
				return
			}
		}
	}
}

func (m *memory) Versions(ctx context.Context, name string) ([]store.Version, error) {
	if err := begin(ctx, name, nil); err != nil {
		return nil, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	var versions []store.Version
	for i, v := range m.objects[name] {
		versions = append(versions, store.Version{
			ID: v.id, Size: int64(len(v.data)), DeleteMarker: v.marker, Newest: i == len(m.objects[name])-1,
		})
	}
	return versions, nil
}

// ListVersions lists all versions of many objects.
func (m *memory) ListVersions(ctx context.Context, prefix string) iter.Seq2[store.NamedVersion, error] {
	return func(yield func(store.NamedVersion, error) bool) {
		for _, name := range m.names() {
			if !strings.HasPrefix(name, prefix) {
				continue
			}
			versions, err := m.Versions(ctx, name)
			if err != nil {
				yield(store.NamedVersion{}, err)
				return
			}
			for _, v := range versions {
				if !yield(store.NamedVersion{Name: name, Version: v}, nil) {
					return
				}
			}
		}
	}
}

// Remove deletes the newest version.
func (m *memory) Remove(ctx context.Context, name string) error {
	if err := begin(ctx, name, nil); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if v := m.newest(name); v != nil && v.locked.After(time.Now()) {
		return fmt.Errorf("remove %s: %w: it is locked", name, store.ErrDenied)
	}
	if versions := m.objects[name]; len(versions) > 1 {
		m.objects[name] = versions[:len(versions)-1]
		return nil
	}
	delete(m.objects, name)
	return nil
}

func lockMode(until time.Time) string {
	if until.IsZero() {
		return ""
	}
	return "GOVERNANCE"
}
