package seal

import (
	"errors"
	"path/filepath"
	"testing"

	"indelible"
)

func TestSuppress(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys.db")
	if err := Create(t.Context(), path, "log"); err != nil {
		t.Fatal(err)
	}
	k, err := Open(t.Context(), path, Options{Origin: "log"})
	if err != nil {
		t.Fatal(err)
	}
	acme, bolt := indelible.Ref{1}, indelible.Ref{2}
	want := func(k *Keys, ref indelible.Ref, n int) {
		t.Helper()
		if got, err := k.Suppressed(t.Context(), ref); err != nil || len(got) != n {
			t.Errorf("%d tokens, %v; want %d", len(got), err, n)
		}
	}
	want(k, acme, 0) // before there is a table
	for range 2 {
		if err := k.Suppress(t.Context(), acme, []string{"a", "b"}); err != nil {
			t.Fatal(err)
		}
	}
	want(k, acme, 2)
	want(k, bolt, 0)
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Open(t.Context(), path, Options{Origin: "log", ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	want(again, acme, 2)
}

// TestErasedSubjects: a store that is only read knows from the fences it is told
// whom it has not in its file, and one that knows no fences says nothing.
func TestErasedSubjects(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys.db")
	if err := Create(t.Context(), path, "log"); err != nil {
		t.Fatal(err)
	}
	acme, bolt := indelible.Ref{1}, indelible.Ref{2}
	fence := func(index uint64, subject byte) []Fenced {
		return []Fenced{{Index: index, Keys: []indelible.ID{}, Erased: &indelible.Erase{Tenant: acme, Subject: &indelible.Ref{subject}}}}
	}
	for _, c := range []struct {
		readOnly bool
		subject  byte
		want     int
	}{{false, 7, 1}, {true, 8, 2}, {false, 9, 2}} {
		k, err := Open(t.Context(), path, Options{Origin: "log", ReadOnly: c.readOnly})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := k.ErasedSubjects(acme); !errors.Is(err, ErrNotReady) {
			t.Errorf("before the fences are read: %v", err)
		}
		if err := k.ApplyFences(t.Context(), uint64(c.subject)+1, fence(uint64(c.subject), c.subject)); err != nil {
			t.Fatal(err)
		}
		got, err := k.ErasedSubjects(acme)
		if err != nil || len(got) != c.want || !got[indelible.Ref{7}] || !got[indelible.Ref{c.subject}] {
			t.Errorf("erased are %v, %v; want %d", got, err, c.want)
		}
		if got, err := k.ErasedSubjects(bolt); err != nil || len(got) != 0 {
			t.Errorf("of another tenant %v, %v", got, err)
		}
		if err := k.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
