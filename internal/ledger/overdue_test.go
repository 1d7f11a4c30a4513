package ledger_test

import (
	"errors"
	"testing"
	"time"

	"indelible/internal/ledger"
	"indelible/internal/store/storetest"
)

// TestOverdue: while the store is away for nearly as long as receipts promise,
// nothing more is promised, across restarts too; when it is back all goes on.
func TestOverdue(t *testing.T) {
	t.Parallel()
	faulty := storetest.NewFaulty(newMemory(false))
	w, d := newWorld(t, faulty)
	d.open().publish().close()
	faulty.SetDown(true)
	p := d.open()
	p.journal(event("acme", 1))
	w.clock.advance(22 * time.Hour)
	p.journal(event("acme", 2)) // there is still time
	p.close()
	w.clock.advance(90 * time.Minute)
	p = d.open()
	waitAway(t, p)
	if _, err := p.tryRecord(false, event("acme", 3)); !errors.Is(err, ledger.ErrOverdue) {
		t.Fatalf("a record after 23.5 h: %v, want ErrOverdue", err)
	}
	faulty.SetDown(false)
	p.publish()
	p.journal(event("acme", 3))
	p.publish().close()
	w.wantRecorded(events("acme", 1, 3))
	w.wantClean()
}

// waitAway waits until the process has noticed that the store is away.
func waitAway(t *testing.T, p *writer) {
	t.Helper()
	for ctx := p.context(); p.ledger.Status().StoreErr == nil; {
		select {
		case <-ctx.Done():
			t.Fatal("the store's absence goes unnoticed")
		case <-time.After(time.Millisecond):
		}
	}
}
