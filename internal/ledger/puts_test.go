package ledger_test

import (
	"strings"
	"testing"

	"indelible/internal/store/storetest"
)

// TestPuts counts what a log costs in a store that charges for each write: one
// for a commit, and for a publish at most 5, 2 more for every 256 leaves and 3
// more for every 65,536; a checkpoint is kept once an hour, and when asked to flush.
func TestPuts(t *testing.T) {
	t.Parallel()
	st := storetest.NewFaulty(newMemory(true))
	w, d := newWorld(t, st)
	p := d.open().ready()
	p.publish()
	n := 0
	for _, batch := range []int{1, 1, 10, 200, 300, 1000, 70_000, 1} {
		size := p.ledger.Status().Size
		segments := p.ledger.Status().LastSegment
		st.Forget()
		for left := batch; left > 0; left -= 10_000 {
			some := min(left, 10_000)
			p.commit(events("acme", n, some)...)
			n += some
		}
		p.publish()
		commits := int(p.ledger.Status().LastSegment - segments)
		if got := st.Count(storetest.Create, "wal/*"); got != commits {
			t.Errorf("%d events: %d writes for %d commits", batch, got, commits)
		}
		grown := p.ledger.Status().Size
		publishes := st.Count(storetest.Replace, "checkpoint")
		limit := 5*publishes + 2*int(grown/256-size/256) + 3*int(grown/65536-size/65536)
		if got := count(st) - commits - st.Count(storetest.Create, "checkpoints/*"); got > limit || publishes == 0 {
			t.Errorf("%d events: %d writes for %d publishes, want at most %d", batch, got, publishes, limit)
		}
		for _, c := range st.Calls() {
			if strings.HasPrefix(c.Name, "wal/") && c.Op == storetest.Read {
				t.Errorf("a publish read %s", c.Name)
			}
		}
	}
	w.wantClean()
}

// count is how many writes reached the store.
func count(st *storetest.Faulty) int {
	return st.Count(storetest.Create, "") + st.Count(storetest.Replace, "")
}
