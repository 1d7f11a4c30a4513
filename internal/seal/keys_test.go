package seal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"indelible"
)

// memoryRoot is a root key that can be away, refuse, and remember what it saw.
type memoryRoot struct {
	mu     sync.Mutex
	err    error
	calls  int
	seen   []Context
	secret map[string][]byte
}

func (r *memoryRoot) set(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
}

func (r *memoryRoot) Wrap(_ context.Context, key []byte, kc Context) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return nil, r.err
	}
	if r.secret == nil {
		r.secret = make(map[string][]byte)
	}
	r.seen = append(r.seen, kc)
	name := fmt.Sprintf("wrapping %d", len(r.secret))
	r.secret[name] = append(bytes.Clone(key), kc.Encoded()...)
	return []byte(name), nil
}

func (r *memoryRoot) Unwrap(_ context.Context, wrapped []byte, kc Context) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls++
	if r.err != nil {
		return nil, r.err
	}
	key, ok := bytes.CutSuffix(r.secret[string(wrapped)], kc.Encoded())
	if !ok {
		return nil, ErrUnknownKey
	}
	return bytes.Clone(key), nil
}

func (r *memoryRoot) Rotate(context.Context) error                  { return nil }
func (r *memoryRoot) Destroy(context.Context) error                 { return nil }
func (r *memoryRoot) Describe(context.Context) (Description, error) { return Description{}, nil }

// keyStore is a key store under test, with a clock that is set by hand.
type keyStore struct {
	*Keys
	t    *testing.T
	path string
	root *memoryRoot
	now  time.Time
	opt  Options
}

const testOrigin = "example.com/log"

func newKeyStore(t *testing.T, root *memoryRoot) *keyStore {
	t.Helper()
	s := &keyStore{t: t, path: filepath.Join(t.TempDir(), "keys.db"), root: root, now: time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)}
	if err := Create(t.Context(), s.path, testOrigin); err != nil {
		t.Fatal(err)
	}
	s.opt = Options{Origin: testOrigin, Root: root, Clock: func() time.Time { return s.now }}
	s.open()
	return s
}

func (s *keyStore) open() {
	s.t.Helper()
	k, err := Open(s.t.Context(), s.path, s.opt)
	if err != nil {
		s.t.Fatal(err)
	}
	s.Keys = k
	s.t.Cleanup(func() { k.Close() })
}

// again closes the store and opens it as the next process does.
func (s *keyStore) again() {
	s.t.Helper()
	if err := s.Close(); err != nil {
		s.t.Fatal(err)
	}
	s.open()
}

func (s *keyStore) ready() {
	s.t.Helper()
	if err := s.ApplyFences(s.t.Context(), 10, nil); err != nil {
		s.t.Fatal(err)
	}
}

var acme, bolt = indelible.Ref{1}, indelible.Ref{2}

func person(name string) Subject {
	return Subject{Name: name, Ref: func() indelible.Ref { return refOf(name) }}
}

func refOf(name string) (r indelible.Ref) {
	copy(r[:], name)
	return r
}

func (s *keyStore) subject(ref indelible.Ref, name string) *DataKey {
	s.t.Helper()
	d, err := s.SubjectKey(s.t.Context(), ref, person(name), "default")
	if err == nil {
		err = s.Durable(s.t.Context(), d.Made())
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}

func (s *keyStore) wantKey(d *DataKey) {
	s.t.Helper()
	got, _, err := s.Key(s.t.Context(), d.ID)
	if err != nil || got.Key != d.Key {
		s.t.Errorf("key %s: %v, the same: %v", d.ID, err, err == nil && got.Key == d.Key)
	}
}

func (s *keyStore) wantErased(d *DataKey) {
	s.t.Helper()
	if _, _, err := s.Key(s.t.Context(), d.ID); !errors.Is(err, ErrErased) || !errors.Is(err, indelible.ErrSealed) {
		s.t.Errorf("key %s: %v, want it erased", d.ID, err)
	}
}

func erasure(index uint64, name string, ids ...indelible.ID) []Fenced {
	ref := refOf(name)
	return []Fenced{{Index: index, At: time.Unix(1_800_000_000, 0), Keys: ids, Erased: &indelible.Erase{Tenant: acme, Subject: &ref}}}
}

// Keys are the same for as long as their month lasts, other for another person,
// tenant, class or month, and outlive the process.
func TestKeysOfSlots(t *testing.T) {
	t.Parallel()
	s := newKeyStore(t, &memoryRoot{})
	s.ready()
	maria := s.subject(acme, "maria")
	if again := s.subject(acme, "maria"); again.ID != maria.ID {
		t.Error("another key for the same person in the same month")
	}
	seen := map[indelible.ID]bool{maria.ID: true}
	for what, d := range map[string]*DataKey{"another person": s.subject(acme, "jan"), "another tenant": s.subject(bolt, "maria")} {
		if seen[d.ID] {
			t.Errorf("%s has the same key", what)
		}
		seen[d.ID] = true
	}
	s.again()
	s.ready()
	s.wantKey(maria)
	if again := s.subject(acme, "maria"); again.ID != maria.ID {
		t.Error("another key after a restart")
	}
	s.now = s.now.AddDate(0, 1, 0)
	if next := s.subject(acme, "maria"); seen[next.ID] {
		t.Error("the same key in the next month")
	}
}

// A key that is not durable is found again by everybody who seals, and by
// nobody else before it is.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	s := newKeyStore(t, &memoryRoot{})
	s.ready()
	ids := make([][]indelible.ID, 8)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			for n := range 200 {
				d, err := s.SubjectKey(t.Context(), acme, person(fmt.Sprint("user ", n)), "default")
				if err == nil && n%7 == i%7 {
					err = s.Durable(t.Context(), d.Made())
				}
				if err != nil {
					t.Error(err)
					return
				}
				ids[i] = append(ids[i], d.ID)
			}
		})
	}
	wg.Wait()
	s.again()
	s.ready()
	for n := range 200 {
		want := s.subject(acme, fmt.Sprint("user ", n)).ID
		for i := range ids {
			if ids[i][n] != want {
				t.Fatalf("caller %d sealed for user %d with a key that is not in the store", i, n)
			}
		}
	}
}

// While the root key is away, keys that are here go on, for a time. A refusal
// counts at once.
func TestRootKeyAway(t *testing.T) {
	t.Parallel()
	root := &memoryRoot{}
	s := newKeyStore(t, root)
	s.ready()
	maria := s.subject(acme, "maria")
	root.set(fmt.Errorf("timeout: %w", ErrUnavailable))
	s.now = s.now.Add(DefaultOffline - time.Second)
	s.wantKey(maria)
	s.subject(acme, "jan")
	if _, err := s.SubjectKey(t.Context(), bolt, person("maria"), "default"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("a new tenant without the root key: %v", err)
	}
	s.now = s.now.Add(time.Second)
	if _, err := s.SubjectKey(t.Context(), acme, person("maria"), "default"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("sealing after %s without the root key: %v", DefaultOffline, err)
	}
	var waits *KeyError
	if _, _, err := s.Key(t.Context(), maria.ID); !errors.As(err, &waits) || !errors.Is(err, ErrUnavailable) {
		t.Errorf("opening after %s without the root key: %v", DefaultOffline, err)
	}
	root.set(nil)
	s.wantKey(maria)
	root.set(ErrDenied)
	s.now = s.now.Add(DefaultOffline)
	if _, _, err := s.Key(t.Context(), maria.ID); !errors.Is(err, ErrDenied) {
		t.Errorf("opening though the root key refuses: %v", err)
	}
}

// Another root key makes no tenant's key in a store that has some: those would
// be lost when the right one is back.
func TestAnotherRootKey(t *testing.T) {
	t.Parallel()
	right := &memoryRoot{}
	s := newKeyStore(t, right)
	s.subject(acme, "maria")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s.opt.Root = &memoryRoot{}
	s.open()
	if _, err := s.SubjectKey(t.Context(), bolt, person("jan"), "default"); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("a new tenant under another root key: %v", err)
	}
	s.opt.Root = right
	s.again()
	s.subject(bolt, "jan")
	s.subject(acme, "maria")
}

// What the root key is told names nobody.
func TestWrapContext(t *testing.T) {
	t.Parallel()
	root := &memoryRoot{}
	s := newKeyStore(t, root)
	s.subject(acme, "maria")
	if len(root.seen) != 1 || len(root.seen[0]) != 3 || root.seen[0][0].Value != testOrigin || root.seen[0][1].Value != acme.String() {
		t.Errorf("the root key was told %v", root.seen)
	}
}

// A purpose key is the same until it is rotated, and differs by tenant and purpose.
func TestPurposeKeys(t *testing.T) {
	t.Parallel()
	s := newKeyStore(t, &memoryRoot{})
	get := func(ref indelible.Ref, purpose string) [32]byte {
		t.Helper()
		d, err := s.PurposeKey(t.Context(), ref, purpose)
		if err != nil {
			t.Fatal(err)
		}
		return d.Key
	}
	first := get(acme, "pseudonyms")
	if first == get(bolt, "pseudonyms") || first == get(acme, "other") || first != get(acme, "pseudonyms") {
		t.Error("purpose keys are not one for each tenant and purpose")
	}
	s.again()
	if first != get(acme, "pseudonyms") {
		t.Error("another purpose key after a restart")
	}
	next, err := s.RotatePurpose(t.Context(), acme, "pseudonyms")
	if err != nil || next.Key == first || get(acme, "pseudonyms") != next.Key {
		t.Errorf("rotated: %v", err)
	}
	s.again()
	if get(acme, "pseudonyms") != next.Key {
		t.Error("the rotation did not last")
	}
	for ref, want := range map[indelible.Ref]int{acme: 1, bolt: 0, {99}: 0} {
		if former, err := s.FormerPurposeKeys(t.Context(), ref, "pseudonyms"); err != nil || len(former) != want || want == 1 && [32]byte(former[0]) != first {
			t.Errorf("%d keys of before, want %d: %v", len(former), want, err)
		}
	}
}

// Rotation wraps tenants' keys anew and changes no data key; one that was cut
// short is done again.
func TestRotate(t *testing.T) {
	t.Parallel()
	root := &memoryRoot{}
	s := newKeyStore(t, root)
	s.ready()
	maria, jan := s.subject(acme, "maria"), s.subject(bolt, "jan")
	before := len(root.seen)
	root.set(ErrUnavailable)
	if _, err := s.Rotate(t.Context()); !errors.Is(err, ErrUnavailable) {
		t.Errorf("rotated without the root key: %v", err)
	}
	root.set(nil)
	s.wantKey(maria)
	if n, err := s.Rotate(t.Context()); err != nil || n != 2 || len(root.seen) != before+2 {
		t.Errorf("rotated %d, %v", n, err)
	}
	s.wantKey(maria)
	s.again()
	s.ready()
	s.wantKey(maria)
	s.wantKey(jan)
}

// The list counts keys and shows none.
func TestList(t *testing.T) {
	t.Parallel()
	s := newKeyStore(t, &memoryRoot{})
	s.ready()
	maria := s.subject(acme, "maria")
	s.subject(acme, "jan")
	if err := s.ApplyFences(t.Context(), 21, erasure(20, "maria", maria.ID)); err != nil {
		t.Fatal(err)
	}
	list, err := s.List(t.Context())
	if err != nil || len(list) != 2 || list[0].Kind != "tenant key" || list[1].Kind != "subject key" || list[1].Live != 1 || list[1].Gone != 1 || list[1].Period != 202611 {
		t.Errorf("%+v, %v", list, err)
	}
}

// Two processes make keys at once: one seals, one needs a key for another
// purpose. Neither is in the other's way, and both lists are whole.
func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	root := &memoryRoot{}
	s := newKeyStore(t, root)
	s.ready()
	other, err := Open(t.Context(), s.path, s.opt)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	maria := s.subject(acme, "maria")
	theirs, err := other.PurposeKey(t.Context(), acme, "pseudonyms")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.PurposeKey(t.Context(), bolt, "pseudonyms"); err != nil {
		t.Fatal(err)
	}
	jan := s.subject(bolt, "jan")
	ours, err := s.PurposeKey(t.Context(), acme, "pseudonyms")
	if err != nil || ours.Key != theirs.Key {
		t.Errorf("another purpose key: %v", err)
	}
	// Both need the same new keys at the same time.
	for i := range 20 {
		purpose := fmt.Sprint("purpose ", i)
		var made [2]*DataKey
		var wg sync.WaitGroup
		for n, store := range []*Keys{s.Keys, other} {
			wg.Go(func() {
				var err error
				if made[n], err = store.PurposeKey(t.Context(), acme, purpose); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if made[0] == nil || made[1] == nil || made[0].Key != made[1].Key {
			t.Fatalf("%s: two keys", purpose)
		}
	}
	s.wantKey(maria)
	s.wantKey(jan)
}
