package ledger_test

import (
	"testing"

	"indelible"
)

// TestRoad: what is recorded is in the log, once and in order, across publishes
// and restarts, and the log verifies.
func TestRoad(t *testing.T) {
	t.Parallel()
	w, d := newPlainWorld(t, newMemory(false))
	var all []*indelible.Event
	n := 0
	for range 3 {
		p := d.open().ready()
		for range 4 {
			list := append(events("acme", n, 20), events("bolt", n, 15)...)
			n += 20
			p.commit(list...)
			all = append(all, list...)
		}
		p.publish()
		if err := p.close(); err != nil {
			t.Fatal(err)
		}
		w.wantClean()
	}
	w.wantRecorded(all)
	if r := w.verify(); r.Events != uint64(len(all)) || r.Tenants != 2 {
		t.Errorf("%d events of %d tenants, want %d of 2", r.Events, r.Tenants, len(all))
	}
}
