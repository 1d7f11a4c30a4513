// Package sealtest judges root-key drivers: one suite for all of them, and
// servers that speak as AWS KMS and Vault do.
package sealtest

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"

	"indelible/internal/seal"
)

// Driver makes what a suite needs of a driver.
type Driver struct {
	// New makes a root key. reopen opens the same one again, as another process would.
	New func(t *testing.T) (w seal.KeyWrapper, reopen func() (seal.KeyWrapper, error))
}

var context1 = seal.Context{{Name: "log", Value: "example.com/log"}, {Name: "tenant", Value: "000102"}}

// Test runs the suite.
func Test(t *testing.T, d Driver) {
	tests := []struct {
		name string
		run  func(*testing.T, Driver)
	}{
		{"RoundTrip", roundTrip}, {"Refuses", refuses}, {"OtherKey", otherKey}, {"Rotate", rotate},
		{"Destroy", destroy}, {"Describe", describe}, {"AtOnce", atOnce}, {"Cancelled", cancelled},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, d)
		})
	}
}

func wrapped(t *testing.T, w seal.KeyWrapper, key []byte, kc seal.Context) []byte {
	t.Helper()
	b, err := w.Wrap(t.Context(), key, kc)
	if err != nil {
		t.Fatalf("wrap: %v", err)
	}
	if len(b) > seal.MaxWrapped {
		t.Fatalf("a wrapped key of %d bytes, more than %d", len(b), seal.MaxWrapped)
	}
	return b
}

func roundTrip(t *testing.T, d Driver) {
	w, reopen := d.New(t)
	for _, n := range []int{1, 16, 32, seal.MaxKey} {
		key := bytes.Repeat([]byte{byte(n), 7}, n)[:n]
		a, b := wrapped(t, w, key, context1), wrapped(t, w, key, context1)
		if bytes.Equal(a, b) {
			t.Errorf("%d bytes: the same key was wrapped the same way twice", n)
		}
		if n >= 16 && bytes.Contains(a, key) {
			t.Errorf("%d bytes: the wrapping holds the key", n)
		}
		again, err := reopen()
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range []seal.KeyWrapper{w, again} {
			if got, err := w.Unwrap(t.Context(), a, context1); err != nil || !bytes.Equal(got, key) {
				t.Errorf("%d bytes: unwrapped to %x, %v", n, got, err)
			}
		}
	}
	for _, n := range []int{0, seal.MaxKey + 1} {
		if _, err := w.Wrap(t.Context(), make([]byte, n), context1); err == nil {
			t.Errorf("a key of %d bytes was wrapped", n)
		}
	}
}

// mustRefuse demands that no key comes out and that the cause is told.
func mustRefuse(t *testing.T, what string, w seal.KeyWrapper, b []byte, kc seal.Context) {
	t.Helper()
	got, err := w.Unwrap(t.Context(), b, kc)
	if got != nil || !errors.Is(err, seal.ErrDenied) && !errors.Is(err, seal.ErrUnknownKey) {
		t.Errorf("%s: got %x, %v; want ErrDenied or ErrUnknownKey", what, got, err)
	}
}

func refuses(t *testing.T, d Driver) {
	w, _ := d.New(t)
	good := wrapped(t, w, bytes.Repeat([]byte{9}, 32), context1)
	mustRefuse(t, "no context", w, good, nil)
	mustRefuse(t, "another value", w, good, seal.Context{context1[0], {Name: "tenant", Value: "000103"}})
	mustRefuse(t, "another name", w, good, seal.Context{context1[0], {Name: "purpose", Value: "000102"}})
	mustRefuse(t, "one value less", w, good, context1[:1])
	mustRefuse(t, "nothing", w, nil, context1)
	mustRefuse(t, "rubbish", w, []byte("rubbish"), context1)
	mustRefuse(t, "too long", w, make([]byte, seal.MaxWrapped+1), context1)
	for i := range good {
		changed := bytes.Clone(good)
		changed[i] ^= 1
		got, err := w.Unwrap(t.Context(), changed, context1)
		if err == nil || got != nil {
			t.Errorf("unwrapped with byte %d of %d changed", i, len(good))
		}
	}
	mustRefuse(t, "cut short", w, good[:len(good)-1], context1)
}

func otherKey(t *testing.T, d Driver) {
	a, _ := d.New(t)
	b, _ := d.New(t)
	mustRefuse(t, "another root key", b, wrapped(t, a, bytes.Repeat([]byte{5}, 32), context1), context1)
}

func rotate(t *testing.T, d Driver) {
	w, reopen := d.New(t)
	key := bytes.Repeat([]byte{3}, 32)
	old := wrapped(t, w, key, context1)
	before, err := w.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Rotate(t.Context()); err != nil {
		t.Fatalf("rotate: %v", err)
	}
	after, err := w.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if after.Key != before.Key || before.Version > 0 && after.Version != before.Version+1 {
		t.Errorf("rotated from %+v to %+v", before, after)
	}
	fresh := wrapped(t, w, key, context1)
	again, err := reopen()
	if err != nil {
		t.Fatal(err)
	}
	for what, b := range map[string][]byte{"before": old, "after": fresh} {
		for _, w := range []seal.KeyWrapper{w, again} {
			if got, err := w.Unwrap(t.Context(), b, context1); err != nil || !bytes.Equal(got, key) {
				t.Errorf("wrapped %s the rotation: %x, %v", what, got, err)
			}
		}
	}
}

func destroy(t *testing.T, d Driver) {
	w, reopen := d.New(t)
	b := wrapped(t, w, bytes.Repeat([]byte{3}, 32), context1)
	for range 2 {
		if err := w.Destroy(t.Context()); err != nil {
			t.Fatalf("destroy: %v", err)
		}
	}
	is := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, seal.ErrDestroyed) && !errors.Is(err, seal.ErrUnknownKey) {
			t.Errorf("%s a destroyed key: %v", what, err)
		}
	}
	check := func(w seal.KeyWrapper) {
		t.Helper()
		got, err := w.Unwrap(t.Context(), b, context1)
		if is("unwrap with", err); got != nil {
			t.Errorf("a destroyed key unwraps")
		}
		_, err = w.Wrap(t.Context(), make([]byte, 32), context1)
		is("wrap with", err)
		is("rotate", w.Rotate(t.Context()))
		if desc, err := w.Describe(t.Context()); err != nil {
			is("describe", err)
		} else if !desc.Destroyed {
			t.Errorf("a destroyed key is described as %+v", desc)
		}
	}
	check(w)
	again, err := reopen()
	if err != nil {
		is("open", err)
		return
	}
	check(again)
}

func describe(t *testing.T, d Driver) {
	w, _ := d.New(t)
	desc, err := w.Describe(t.Context())
	if err != nil || desc.Driver == "" || desc.Key == "" || desc.Destroyed {
		t.Errorf("described as %+v, %v", desc, err)
	}
}

func atOnce(t *testing.T, d Driver) {
	w, _ := d.New(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			key := bytes.Repeat([]byte{byte(i)}, 32)
			b, err := w.Wrap(t.Context(), key, context1)
			if err != nil {
				t.Errorf("wrap: %v", err)
				return
			}
			if i == 4 {
				if err := w.Rotate(t.Context()); err != nil {
					t.Errorf("rotate: %v", err)
				}
			}
			if got, err := w.Unwrap(t.Context(), b, context1); err != nil || !bytes.Equal(got, key) {
				t.Errorf("unwrap: %x, %v", got, err)
			}
		})
	}
	wg.Wait()
}

// cancelled: a driver that asks a service stops asking; one that does not may answer.
func cancelled(t *testing.T, d Driver) {
	w, _ := d.New(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if b, err := w.Wrap(ctx, make([]byte, 32), context1); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %x, %v", b, err)
	}
}
