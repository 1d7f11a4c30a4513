package ledger_test

import (
	"crypto/ed25519"
	"testing"

	"indelible"
	"indelible/internal/disk/disktest"
	"indelible/internal/ledger"
)

// TestOtherLogKey: the log itself names another key than the one its
// checkpoints are signed with, without a rotation that both signed.
func TestOtherLogKey(t *testing.T) {
	t.Parallel()
	mem := newMemory(false)
	w := &world{t: t, store: mem, clock: newClock(), origin: "indelible.invalid/test", logKey: keys[5]}
	d := w.directory(1, disktest.New(), 1)
	if err := ledger.Create(t.Context(), d.config()); err != nil {
		t.Fatal(err)
	}
	cfg := d.config()
	cfg.LogKeys = []ed25519.PrivateKey{keys[0]}
	forger, err := ledger.NewForger(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := forger.Begin().Heads(nil).Put(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w.vkey, err = indelible.FormatVerifierKey(w.origin, publicKey(keys[0])); err != nil {
		t.Fatal(err)
	}
	r := w.verify()
	if r.Result == ledger.ResultOK {
		t.Errorf("the log names another key than the one it is verified with\n%s", describe(r))
	}
}
