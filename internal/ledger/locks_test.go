package ledger_test

import (
	"strings"
	"testing"
	"time"

	"indelible/internal/ledger"
)

// TestLocks: a ledger that locks what it writes says where a lock is missing;
// what is replaced or superseded has none and needs none.
func TestLocks(t *testing.T) {
	t.Parallel()
	mem := newMemory(false)
	w, d := newWorld(t, mem)
	locking := func(c *ledger.Config) { c.Retention = 24 * time.Hour }
	p := d.open(locking).ready()
	p.commit(events("acme", 0, 300)...)
	p.publish()
	p.close()
	demand := func(o *ledger.VerifyOptions) { o.Locked = true }

	// Create, which made segment 0, was not told to lock it.
	r := w.verify(demand)
	want(t, r, ledger.ResultOK)
	if len(r.Problems) != 1 || r.Problems[0].Object != ledger.SegmentName(0) || !strings.Contains(r.Problems[0].What, "not locked, and 0 more") {
		t.Errorf("problems %+v, want the missing lock of segment 0 alone", r.Problems)
	}
	if r := w.verify(); len(r.Problems) != 0 {
		t.Errorf("problems %+v where no locks are expected", r.Problems)
	}
}
