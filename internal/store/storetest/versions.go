package storetest

import (
	"testing"
	"time"

	"indelible/internal/store"
)

func testVersions(t *testing.T, s store.Store) {
	create(t, s, "checkpoint", "one")
	create(t, s, "checkpoint-", "neighbour")
	create(t, s, "checkpoints/1", "neighbour")
	create(t, s, "checkpoint0", "neighbour")

	before := versions(t, s, "checkpoint")
	if len(before) != 1 || !before[0].Newest || before[0].DeleteMarker || before[0].Size != 3 {
		t.Fatalf("versions %+v, want the one of 3 bytes", before)
	}
	if err := s.Replace(t.Context(), "checkpoint", []byte("second"), read(t, s, "checkpoint").ETag); err != nil {
		t.Fatal(err)
	}
	after := versions(t, s, "checkpoint")
	if id := before[0].ID; id == "" || id == "null" { // no versions, as of a bucket where they are off
		if len(after) != 1 || after[0].Size != 6 {
			t.Errorf("versions %+v, want the one of 6 bytes", after)
		}
	} else {
		if len(after) != 2 || after[0].Size != 3 || after[0].Newest || after[1].Size != 6 || !after[1].Newest {
			t.Fatalf("versions %+v, want 3 bytes, then 6", after)
		}
		for i, want := range []string{"one", "second"} {
			obj, err := s.Read(t.Context(), "checkpoint", store.ReadOptions{Version: after[i].ID})
			if err != nil || string(obj.Data) != want || obj.Version != after[i].ID {
				t.Errorf("version %d holds %q, %v, want %q", i, obj.Data, err, want)
			}
		}
	}
	for _, name := range []string{"missing", "check", "checkpoints", "checkpoint/x"} {
		if got := versions(t, s, name); len(got) != 0 {
			t.Errorf("versions of %s: %+v, want none", name, got)
		}
	}
}

func versions(t *testing.T, s store.Store, name string) []store.Version {
	t.Helper()
	got, err := s.Versions(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func testRemove(t *testing.T, s store.Store) {
	create(t, s, "a/b", "1")
	create(t, s, "a/bc", "2")
	for _, name := range []string{"a", "a/x", "a/b/c", "b"} {
		if err := s.Remove(t.Context(), name); err != nil {
			t.Errorf("remove %s, which is not there: %v", name, err)
		}
	}
	wantNames(t, s, "", "", []string{"a/b", "a/bc"})
	for range 2 {
		if err := s.Remove(t.Context(), "a/b"); err != nil {
			t.Fatal(err)
		}
		_, err := s.Read(t.Context(), "a/b", store.ReadOptions{})
		wantIs(t, "read what was removed", err, store.ErrNotExist)
		wantNames(t, s, "", "", []string{"a/bc"})
		if got := versions(t, s, "a/b"); len(got) != 0 {
			t.Errorf("versions %+v left over", got)
		}
	}
	create(t, s, "a/b", "new")
	wantContent(t, s, "a/b", "new")
}

// testLock: where a driver can lock, the lock holds; where it cannot, the
// object is written all the same and says so.
func testLock(t *testing.T, s store.Store) {
	until := time.Now().Add(time.Hour)
	if err := s.Create(t.Context(), "locked", []byte("1"), until); err != nil {
		t.Fatal(err)
	}
	create(t, s, "open", "2")
	if obj := read(t, s, "open"); !obj.LockedUntil.IsZero() || obj.LockMode != "" {
		t.Errorf("an object created without a lock is locked: %s until %v", obj.LockMode, obj.LockedUntil)
	}
	obj := read(t, s, "locked")
	if l, ok := s.(interface{ LockMode() string }); ok && l.LockMode() != obj.LockMode {
		t.Errorf("locked in mode %q, want %q", obj.LockMode, l.LockMode())
	}
	if obj.LockedUntil.IsZero() {
		if obj.LockMode != "" {
			t.Errorf("lock mode %s without a time", obj.LockMode)
		}
		return
	}
	if obj.LockMode != "COMPLIANCE" && obj.LockMode != "GOVERNANCE" {
		t.Errorf("lock mode %q", obj.LockMode)
	}
	if d := obj.LockedUntil.Sub(until); d < 0 || d > time.Second {
		t.Errorf("locked until %v, want %v or at most a second more", obj.LockedUntil, until)
	}
	wantIs(t, "remove a locked object", s.Remove(t.Context(), "locked"), store.ErrDenied)
	wantContent(t, s, "locked", "1")
	// A lock in the past is none.
	if err := s.Create(t.Context(), "past", []byte("3"), time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(t.Context(), "past"); err != nil {
		t.Error(err)
	}
}

// testHold: what is held cannot be removed until the hold is taken off.
func testHold(t *testing.T, s store.Store) {
	h, ok := s.(store.Holder)
	if !ok {
		return // a directory keeps nothing from its owner
	}
	create(t, s, "held", "1")
	if l, ok := s.(interface{ LockMode() string }); ok && l.LockMode() == "" {
		wantIs(t, "hold without locks", h.Hold(t.Context(), "held", true), store.ErrDenied)
		return
	}
	for range 2 { // holding it again changes nothing
		if err := h.Hold(t.Context(), "held", true); err != nil {
			t.Fatal(err)
		}
	}
	wantIs(t, "remove a held object", s.Remove(t.Context(), "held"), store.ErrDenied)
	wantContent(t, s, "held", "1")
	for range 2 {
		if err := h.Hold(t.Context(), "held", false); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Remove(t.Context(), "held"); err != nil {
		t.Error(err)
	}
	wantIs(t, "hold what is not there", h.Hold(t.Context(), "held", true), store.ErrNotExist)
}
