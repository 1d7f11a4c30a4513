//go:build !race

package indelible

import "testing"

// The road of an event allocates the event, its strings and its details. Not with the race
// detector: it makes pools forget.
func TestAllocations(t *testing.T) {
	data := []byte(benchEvent)
	got := testing.AllocsPerRun(200, func() {
		e, err := ParseEvent(data)
		if err != nil {
			t.Fatal(err)
		}
		e.AuditHash()
	})
	if got > 3 {
		t.Errorf("%.1f allocations", got)
	}
}
