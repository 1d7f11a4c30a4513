package seal

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"indelible"
)

func readmission(index uint64, name string) []Fenced {
	ref := refOf(name)
	return []Fenced{{Index: index, Readmitted: &indelible.Erase{Tenant: acme, Subject: &ref}}}
}

func (s *keyStore) apply(size uint64, fences ...[]Fenced) {
	s.t.Helper()
	var all []Fenced
	for _, f := range fences {
		all = append(all, f...)
	}
	if err := s.ApplyFences(s.t.Context(), size, all); err != nil {
		s.t.Fatal(err)
	}
}

// A person who was readmitted has keys again; what was erased stays erased, and
// the old fence, seen once more, takes nothing. A second erasure does.
func TestReadmit(t *testing.T) {
	t.Parallel()
	s := newKeyStore(t, &memoryRoot{})
	s.ready()
	first, jan := s.subject(acme, "maria"), s.subject(acme, "jan")
	s.again()
	before, err := Snapshot(t.Context(), s.path)
	if err != nil {
		t.Fatal(err)
	}
	fence := erasure(20, "maria", first.ID)
	s.apply(21, fence)
	if d := s.subject(acme, "maria"); d.ID != (indelible.ID{}) || !s.Barred(acme, refOf("maria")) {
		t.Fatal("she was not erased")
	}
	back := readmission(30, "maria")
	s.apply(31, back)
	second := s.subject(acme, "maria")
	if second.ID == first.ID || second.ID == (indelible.ID{}) || s.Barred(acme, refOf("maria")) {
		t.Fatalf("readmitted, she has key %s", second.ID)
	}
	for range 2 {
		s.apply(40, fence, back)
		s.wantErased(first)
		s.wantKey(second)
		s.wantKey(jan)
		if d := s.subject(acme, "maria"); d.ID != second.ID {
			t.Errorf("her key is %s, was %s", d.ID, second.ID)
		}
		s.again()
		s.ready()
	}
	if who, err := s.ErasedSubjects(acme); err != nil || len(who) != 1 {
		t.Errorf("data sets leave out %d persons, %v", len(who), err)
	}

	again := erasure(50, "maria", second.ID)
	s.apply(51, again)
	s.wantErased(second)
	if d := s.subject(acme, "maria"); d.ID != (indelible.ID{}) {
		t.Error("erased a second time, she gets a key")
	}

	// A store from before all that arrives at the same, whatever it is told at once.
	for what, c := range map[string]struct {
		fences [][]Fenced
		barred bool
	}{
		"readmitted":   {[][]Fenced{fence, back}, false},
		"erased again": {[][]Fenced{fence, back, again}, true},
	} {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(s.path, before, 0o600); err != nil {
			t.Fatal(err)
		}
		s.open()
		s.apply(60, c.fences...)
		s.wantErased(first)
		if d := s.subject(acme, "maria"); (d.ID == indelible.ID{}) != c.barred {
			t.Errorf("%s: restored, she has key %s", what, d.ID)
		}
	}
}

// Two processes know different sizes of the log: how far fences were applied
// never goes back, or a fence would be applied to keys made after it.
func TestFencedToStays(t *testing.T) {
	t.Parallel()
	s := newKeyStore(t, &memoryRoot{})
	other, err := Open(t.Context(), s.path, s.opt)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.ApplyFences(t.Context(), 15, nil); err != nil {
		t.Fatal(err)
	}
	s.apply(21, erasure(20, "maria", indelible.ID{9}))
	s.apply(31, readmission(30, "maria"))
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	s.again()
	if s.FencedTo() != 31 {
		t.Errorf("fences are applied up to %d, were up to 31", s.FencedTo())
	}
}

// A process that dies, or is kept from it by a reader, after it destroyed a key
// and before it cleared SQLite's log of changes leaves that to the next.
func TestCutShortBeforeClearing(t *testing.T) {
	t.Parallel()
	s := newKeyStore(t, &memoryRoot{})
	s.ready()
	maria := s.subject(acme, "maria")
	var wrapped []byte
	if err := s.db.QueryRow(`SELECT wrapped FROM keys WHERE id = ?`, maria.ID[:]).Scan(&wrapped); err != nil {
		t.Fatal(err)
	}
	// The writer does not wait for a reader that holds what was there before.
	s.db.SetMaxOpenConns(1)
	if _, err := s.db.Exec(`PRAGMA busy_timeout = 1`); err != nil {
		t.Fatal(err)
	}
	reader, err := openDB(t.Context(), s.path, true)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	tx, err := reader.BeginTx(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if err := tx.QueryRow(`SELECT count(*) FROM keys`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	fence := erasure(20, "maria", maria.ID)
	if err := s.ApplyFences(t.Context(), 21, fence); !errors.Is(err, ErrBusy) {
		t.Fatalf("with a reader at it: %v", err)
	}
	holds := func(dir string) (found bool) {
		for _, name := range []string{"keys.db", "keys.db-wal"} {
			b, err := os.ReadFile(filepath.Join(dir, name))
			found = found || err == nil && bytes.Contains(b, wrapped)
		}
		return found
	}
	if !holds(filepath.Dir(s.path)) {
		t.Fatal("nothing was left to clear: the test tests nothing")
	}
	// What the power's going leaves on the disk, and who comes next.
	dir := t.TempDir()
	for _, name := range []string{"keys.db", "keys.db-wal"} {
		b, err := os.ReadFile(filepath.Join(filepath.Dir(s.path), name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	next, err := Open(t.Context(), filepath.Join(dir, "keys.db"), s.opt)
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	if holds(dir) {
		t.Error("the next process left what was destroyed in the log of changes")
	}
	// The same process tries again.
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := s.ApplyFences(t.Context(), 21, fence); err != nil {
		t.Fatal(err)
	}
	if holds(filepath.Dir(s.path)) {
		t.Error("what was destroyed is still in the log of changes")
	}
}
