package seal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"testing"

	"indelible"
)

// What is destroyed is gone from the file, from memory, and does not come back:
// not by a restart, not for a new event, not by a copy from before.
func TestErase(t *testing.T) {
	t.Parallel()
	s := newKeyStore(t, &memoryRoot{})
	s.ready()
	maria, jan := s.subject(acme, "maria"), s.subject(acme, "jan")
	s.again()
	before, err := Snapshot(t.Context(), s.path)
	if err != nil {
		t.Fatal(err)
	}
	var wrapped []byte
	if err := s.db.QueryRow(`SELECT wrapped FROM keys WHERE id = ?`, maria.ID[:]).Scan(&wrapped); err != nil {
		t.Fatal(err)
	}
	s.ready()
	s.wantKey(maria)
	ids, err := s.ErasableSubject(t.Context(), acme, "maria")
	if err != nil || len(ids) != 1 || ids[0] != maria.ID {
		t.Fatalf("keys to erase: %v, %v", ids, err)
	}
	fences := erasure(20, "maria", ids...)
	for range 2 { // a crash in between means doing it again
		if err := s.ApplyFences(t.Context(), 21, fences); err != nil {
			t.Fatal(err)
		}
		s.wantErased(maria)
		s.wantKey(jan)
	}
	for _, name := range []string{s.path, s.path + "-wal"} {
		if b, err := os.ReadFile(name); err == nil && bytes.Contains(b, wrapped) {
			t.Errorf("%s still holds the wrapped key", name)
		}
	}
	if d := s.subject(acme, "maria"); d.ID != (indelible.ID{}) {
		t.Error("a person who was erased got a key again")
	}
	if d := s.subject(bolt, "maria"); d.ID == (indelible.ID{}) {
		t.Error("a person of the same name in another tenant is erased, too")
	}
	s.again()
	if s.FencedTo() != 21 {
		t.Errorf("fences applied to %d, want 21", s.FencedTo())
	}
	s.ready()
	s.wantErased(maria)
	if d := s.subject(acme, "maria"); d.ID != (indelible.ID{}) {
		t.Error("a person who was erased got a key again, after a restart")
	}

	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.path, before, 0o600); err != nil {
		t.Fatal(err)
	}
	s.open()
	if _, _, err := s.Key(t.Context(), maria.ID); !errors.Is(err, ErrNotReady) {
		t.Errorf("a restored store opens before the log was read: %v", err)
	}
	if s.FencedTo() > 20 {
		t.Fatalf("the copy says fences were applied to %d", s.FencedTo())
	}
	if err := s.ApplyFences(t.Context(), 21, fences); err != nil {
		t.Fatal(err)
	}
	s.wantErased(maria)
	s.wantKey(jan)
	if d := s.subject(acme, "maria"); d.ID != (indelible.ID{}) {
		t.Error("a person who was erased got a key again, after a restore")
	}
}

// A store from before a person's first key knows nothing of the person; the
// fence does.
func TestRestoredFromBeforeTheKey(t *testing.T) {
	t.Parallel()
	s := newKeyStore(t, &memoryRoot{})
	s.subject(acme, "jan")
	if err := s.ApplyFences(t.Context(), 21, erasure(20, "maria", indelible.ID{9})); err != nil {
		t.Fatal(err)
	}
	s.wantErased(&DataKey{ID: indelible.ID{9}})
	for range 2 {
		if d := s.subject(acme, "maria"); d.ID != (indelible.ID{}) {
			t.Error("a person who was erased got a key")
		}
		s.again()
		s.ready()
	}
}

// A reader beside the writer keeps to the fences it has read.
func TestReader(t *testing.T) {
	t.Parallel()
	s := newKeyStore(t, &memoryRoot{})
	s.ready()
	maria := s.subject(acme, "maria")
	opt := s.opt
	opt.ReadOnly = true
	r, err := Open(t.Context(), s.path, opt)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.SubjectKey(t.Context(), acme, person("new"), "default"); err == nil {
		t.Error("a reader made a key")
	}
	if err := r.ApplyFences(t.Context(), 10, nil); err != nil {
		t.Fatal(err)
	}
	if d, _, err := r.Key(t.Context(), maria.ID); err != nil || d.Key != maria.Key {
		t.Errorf("a reader does not get the key: %v", err)
	}
	if err := r.ApplyFences(t.Context(), 21, erasure(20, "maria", maria.ID)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.Key(t.Context(), maria.ID); !errors.Is(err, ErrErased) {
		t.Errorf("a reader that has read the fence opens with its key: %v", err)
	}
}

// A tenant goes with one key, and gets another if it comes back.
func TestEraseTenant(t *testing.T) {
	t.Parallel()
	s := newKeyStore(t, &memoryRoot{})
	s.ready()
	maria, other := s.subject(acme, "maria"), s.subject(bolt, "maria")
	ids, err := s.ErasableTenant(t.Context(), acme)
	if err != nil || len(ids) != 1 {
		t.Fatalf("keys to erase: %v, %v", ids, err)
	}
	if err := s.ApplyFences(t.Context(), 21, []Fenced{{Index: 20, At: s.now, Keys: ids, Erased: &indelible.Erase{Tenant: acme}}}); err != nil {
		t.Fatal(err)
	}
	s.wantErased(maria)
	s.wantKey(other)
	back := s.subject(acme, "maria")
	if back.ID == maria.ID || back.ID == (indelible.ID{}) {
		t.Error("a tenant that comes back has no keys of its own")
	}
	s.again()
	s.ready()
	s.wantErased(maria)
	s.wantKey(back)
}

// The keys of a class and a month expire, and nothing else.
func TestExpire(t *testing.T) {
	t.Parallel()
	s := newKeyStore(t, &memoryRoot{})
	s.ready()
	november := s.subject(acme, "maria")
	names, err := s.NamesKey(t.Context(), acme)
	if err != nil {
		t.Fatal(err)
	}
	s.now = s.now.AddDate(0, 1, 0)
	december := s.subject(acme, "maria")
	if p, err := s.Periods(t.Context(), "default"); err != nil || fmt.Sprint(p) != "[202611 202612]" {
		t.Errorf("periods %v, %v", p, err)
	}
	ids, err := s.Expirable(t.Context(), "default", 202611)
	if err != nil || len(ids) != 1 {
		t.Fatalf("keys to expire: %v, %v", ids, err)
	}
	if err := s.ApplyFences(t.Context(), 21, []Fenced{{Index: 20, At: s.now, Keys: ids}}); err != nil {
		t.Fatal(err)
	}
	s.wantErased(november)
	s.wantKey(december)
	s.wantKey(names)
	if d := s.subject(acme, "maria"); d.ID != december.ID {
		t.Error("a person whose old keys expired does not go on with the new one")
	}
}
