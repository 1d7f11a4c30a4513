package ledger_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"testing"
	"time"

	"indelible"
	"indelible/internal/ledger"
	"indelible/internal/store/storetest"
)

// kinds counts the leaves of each kind in the published log.
func (w *world) kinds() map[indelible.Kind]int {
	w.t.Helper()
	r, err := ledger.NewReader(w.t.Context(), w.store, w.vkey)
	if err != nil {
		w.t.Fatal(err)
	}
	n := make(map[indelible.Kind]int)
	for e, err := range r.Entries(w.t.Context(), 0, r.Checkpoint().Size) {
		if err != nil {
			w.t.Fatal(err)
		}
		n[e.Leaf.Kind]++
	}
	return n
}

// TestWriterKeyOnce: a directory that takes over makes its key known once, not
// with every segment.
func TestWriterKeyOnce(t *testing.T) {
	t.Parallel()
	w, d := newWorld(t, newMemory(false))
	p := d.open().ready()
	p.commit(events("acme", 0, 3)...)
	p.publish().close()
	other := w.directory(2, d.fs, 2)
	for range 2 {
		p = other.open(takeOver).ready()
		p.commit(event("acme", 10))
		p.commit(event("acme", 11))
		p.publish().close()
	}
	if n := w.kinds()[indelible.KindWriterKey]; n != 1 {
		t.Errorf("%d writer-key leaves, want 1", n)
	}
	w.wantClean()
}

// TestAddSystem: a leaf that was asked for is in the log when the call
// returns; one the log would not accept is refused and changes nothing.
func TestAddSystem(t *testing.T) {
	t.Parallel()
	w, d := newWorld(t, newMemory(false))
	p := d.open().ready()
	if err := p.ledger.AddSystem(p.context(), indelible.KindEvent, struct{}{}); err == nil {
		t.Error("an event leaf was taken as a system leaf")
	}
	wrong, err := indelible.Rotate(keys[5], keys[6], w.origin, w.logID)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.ledger.AddSystem(p.context(), indelible.KindLogKey, wrong); err == nil {
		t.Error("a rotation of another key was taken")
	}
	seen := indelible.Interference{Object: "wal/1", Version: "v"}
	if err := p.ledger.AddSystem(p.context(), indelible.KindInterference, seen); err != nil {
		t.Fatal(err)
	}
	p.publish()
	if n := w.kinds()[indelible.KindInterference]; n != 1 {
		t.Errorf("%d leaves of interference, want 1", n)
	}
	if n := w.kinds()[indelible.KindLogKey]; n != 0 {
		t.Errorf("%d rotations that were refused", n)
	}
	w.wantClean()
}

// TestAddSystemAway: who waits for a leaf while the store is away can give up.
func TestAddSystemAway(t *testing.T) {
	t.Parallel()
	st := storetest.NewFaulty(newMemory(false))
	_, d := newWorld(t, st)
	p := d.open().ready()
	st.SetDown(true)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- p.ledger.AddSystem(ctx, indelible.KindInterference, indelible.Interference{Object: "x"})
	}()
	for p.ledger.Status().StoreErr == nil {
		if err := p.ledger.Err(); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want context.Canceled", err)
	}
}

// TestRotation: after a log-key leaf checkpoints are signed by both keys, then
// by the new one alone; a key the log does not know yet signs nothing.
func TestRotation(t *testing.T) {
	t.Parallel()
	w, d := newWorld(t, newMemory(false))
	both := func(c *ledger.Config) { c.LogKeys = []ed25519.PrivateKey{keys[0], keys[5]} }
	newKey, err := indelible.FormatVerifierKey(w.origin, publicKey(keys[5]))
	if err != nil {
		t.Fatal(err)
	}
	p := d.open(both).ready()
	p.commit(events("acme", 0, 300)...)
	p.publish()
	if p.ledger.SignedBy(publicKey(keys[5])) {
		t.Error("a key the log does not know has signed")
	}
	r, err := indelible.Rotate(keys[0], keys[5], w.origin, w.logID)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.ledger.AddSystem(p.context(), indelible.KindLogKey, r); err != nil {
		t.Fatal(err)
	}
	p.publish()
	if !p.ledger.SignedBy(publicKey(keys[5])) || !p.ledger.SignedBy(publicKey(keys[0])) {
		t.Error("while a rotation overlaps both keys sign")
	}
	p.close()
	w.wantClean()
	with := func(vkey string) func(*ledger.VerifyOptions) {
		return func(o *ledger.VerifyOptions) { o.VerifierKey, o.OwnKey = vkey, false }
	}
	want(t, w.verify(with(newKey)), ledger.ResultOK)

	// The old key alone goes no further.
	old, err := d.tryOpen()
	if err != nil {
		t.Fatal(err)
	}
	if err := old.ledger.Ready(old.context()); !errors.Is(err, ledger.ErrRotated) {
		t.Errorf("with the old key alone: %v, want ErrRotated", err)
	}
	old.close()

	p = d.open(func(c *ledger.Config) { c.LogKeys = []ed25519.PrivateKey{keys[5]} }).ready()
	p.commit(event("acme", 400))
	p.publish().close()
	w.vkey, w.logKey = newKey, keys[5]
	w.wantClean()
	vkey, err := indelible.FormatVerifierKey(w.origin, publicKey(keys[0]))
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := w.tryVerify(w.store, with(vkey)); got.Result != ledger.ResultWrongKey {
		t.Errorf("with the old key after the overlap: %s", got.Result)
	}
}

// TestConfirmClock: a log whose last commit is far ahead of the clock goes on
// when the clock is confirmed, from the present, with a leaf that says so.
func TestConfirmClock(t *testing.T) {
	t.Parallel()
	w, d := newWorld(t, newMemory(false))
	p := d.open().ready()
	w.clock.advance(1000 * time.Hour)
	p.commit(event("acme", 0))
	p.publish().close()
	w.clock.advance(-1000 * time.Hour)

	p = d.open().ready()
	if _, err := p.tryCommit(event("acme", 1)); !errors.Is(err, ledger.ErrClock) {
		t.Errorf("commit with the clock behind: %v, want ErrClock", err)
	}
	p.close()
	p = d.open(func(c *ledger.Config) { c.ConfirmClock = true }).ready()
	p.publish() // also brings in what was journalled
	p.close()
	if n := w.kinds()[indelible.KindClock]; n != 1 {
		t.Errorf("%d clock leaves, want 1", n)
	}
	p = d.open().ready() // from now on without a word
	p.commit(event("acme", 2))
	p.publish().close()
	w.wantClean()
	w.wantRecorded(events("acme", 0, 3))
}

// TestConfirmSkew: a store whose clock is off stops commits until somebody
// accepts it, and stays accepted as it is.
func TestConfirmSkew(t *testing.T) {
	t.Parallel()
	st := storetest.NewFaulty(newMemory(false))
	w, d := newWorld(t, st)
	st.SetSkew(20 * time.Minute)
	refused := func(n int) {
		t.Helper()
		p := d.open().ready()
		if _, err := p.tryCommit(event("acme", n)); !errors.Is(err, ledger.ErrClock) {
			t.Errorf("commit with the store's clock off: %v, want ErrClock", err)
		}
		p.close()
	}
	accepted := func(n int, change ...func(*ledger.Config)) {
		t.Helper()
		p := d.open(change...).ready()
		p.commit(event("acme", n))
		p.publish().close()
	}
	confirm := func(c *ledger.Config) { c.ConfirmClock = true }
	refused(0)
	accepted(0, confirm)
	accepted(1)
	st.SetSkew(22 * time.Minute)
	accepted(2)
	st.SetSkew(0)
	refused(3) // it is not what was confirmed any more
	accepted(3, confirm)
	st.SetSkew(20 * time.Minute)
	refused(4)
	st.SetSkew(0)
	accepted(4)
	w.wantClean()
	w.wantRecorded(events("acme", 0, 5))
}
