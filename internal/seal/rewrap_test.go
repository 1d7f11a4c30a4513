package seal

import (
	"context"
	"errors"
	"testing"
)

// failingRoot is a root key whose n-th call fails, and all after it.
type failingRoot struct {
	*memoryRoot
	left int // calls until then; negative: all succeed
}

var errPower = errors.New("the power went")

func (r *failingRoot) step() error {
	switch {
	case r.left < 0:
		return nil
	case r.left == 0:
		return errPower
	}
	r.left--
	return nil
}

func (r *failingRoot) Wrap(ctx context.Context, key []byte, kc Context) ([]byte, error) {
	if err := r.step(); err != nil {
		return nil, err
	}
	return r.memoryRoot.Wrap(ctx, key, kc)
}

func (r *failingRoot) Unwrap(ctx context.Context, wrapped []byte, kc Context) ([]byte, error) {
	if err := r.step(); err != nil {
		return nil, err
	}
	return r.memoryRoot.Unwrap(ctx, wrapped, kc)
}

func (r *failingRoot) Rotate(ctx context.Context) error {
	if err := r.step(); err != nil {
		return err
	}
	return r.memoryRoot.Rotate(ctx)
}

// TestRotateInterrupted ends a rotation at each of its steps. Every key opens
// what it did, in this process and the next, and rotating again completes it.
func TestRotateInterrupted(t *testing.T) {
	t.Parallel()
	steps := 0
	for at, done := 0, false; !done; at++ {
		root := &failingRoot{&memoryRoot{}, -1}
		s := newKeyStore(t, root.memoryRoot)
		s.Close()
		s.opt.Root = root
		s.open()
		s.ready()
		maria, jan := s.subject(acme, "maria"), s.subject(bolt, "jan")
		root.left = at
		_, err := s.Rotate(t.Context())
		if done = err == nil; !done && !errors.Is(err, errPower) {
			t.Fatal(err)
		}
		root.left = -1
		check := func(when string) {
			t.Helper()
			for name, d := range map[string]*DataKey{"maria": maria, "jan": jan} {
				if got, _, err := s.Key(t.Context(), d.ID); err != nil || got.Key != d.Key {
					t.Errorf("ended at step %d, %s: the key of %s: %v", at, when, name, err)
				}
			}
		}
		check("the same process")
		s.again()
		s.ready()
		check("the next process")
		if n, err := s.Rotate(t.Context()); err != nil || n != 2 {
			t.Errorf("ended at step %d, again: %d tenants, %v", at, n, err)
		}
		check("rotated again")
		steps = at
		s.Close()
	}
	if want := 1 + 2*2; steps != want {
		t.Errorf("a rotation of two tenants has %d steps, want %d: its own, and unwrapping and wrapping each", steps, want)
	}
}
