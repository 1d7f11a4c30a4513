package main

import (
	"strings"
	"testing"

	"indelible"
	"indelible/internal/ledger"
	"indelible/internal/recorder"
)

// TestExpiredEntry: of an event that expired the leaf is shown, and when it went.
func TestExpiredEntry(t *testing.T) {
	t.Parallel()
	leaf := indelible.Leaf{Kind: indelible.KindEvent, Segment: 3, TenantNo: 1, TenantSeq: 4}
	found := &ledger.Entry{Index: 7, Leaf: leaf, Encoded: leaf.AppendTo(nil), Expired: &ledger.Expiry{Index: 20, At: 1767225600000}}
	e, event, err := newEntry(found, 30, recorder.Plain)
	if err != nil || event == nil {
		t.Fatalf("%v, %v", event, err)
	}
	columns(event) // what tail prints
	line, err := e.line()
	if err != nil || !strings.Contains(string(line), `"missing":"expired on 2026-01-01 under the retention policy; leaf 20 says so"`) {
		t.Errorf("%s, %v", line, err)
	}
}
