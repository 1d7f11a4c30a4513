package sample

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"testing"
	"time"

	"indelible"
)

func TestEventsAreValid(t *testing.T) {
	t.Parallel()
	const n = 20_000
	documentation := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")}
	ids, tenants, outcomes, types := map[string]bool{}, map[string]int{}, map[string]int{}, map[string]int{}
	var last time.Time
	size, seen := 0, 0
	hours := [24]int{}
	for e := range Events(1, n) {
		seen++
		details := bytes.Clone(e.Details)
		if err := e.Validate(); err != nil {
			t.Fatalf("%+v: %v", e, err)
		}
		if !bytes.Equal(details, e.Details) {
			t.Fatalf("%s is not canonical", details)
		}
		if _, err := indelible.ParseEvent(e.AppendJSON(nil)); err != nil {
			t.Fatal(err)
		}
		if e.Timestamp.Before(last) {
			t.Fatalf("%s comes after %s", e.Timestamp, last)
		}
		last = e.Timestamp
		if ip, err := netip.ParseAddr(e.SourceIP); err != nil || !documentation[0].Contains(ip) && !documentation[1].Contains(ip) {
			t.Fatalf("source_ip %s", e.SourceIP)
		}
		ids[e.ID] = true
		tenants[e.TenantID]++
		outcomes[e.Outcome]++
		types[e.EventType]++
		hours[e.Timestamp.Hour()]++
		size += len(e.Details)
	}
	if seen != n || len(ids) != n || len(tenants) < 3 || len(types) != 5 || len(outcomes) != 2 {
		t.Errorf("%d events, %d ids, tenants %v, types %v, outcomes %v", seen, len(ids), tenants, types, outcomes)
	}
	if days := last.Sub(Start).Hours() / 24; days < 3 || days > 60 {
		t.Errorf("they take %.1f days", days)
	}
	if hours[10] < 3*hours[23] {
		t.Errorf("no daily rhythm: %v", hours)
	}
	if average := size / n; average < 150 || average > 280 {
		t.Errorf("details have %d bytes", average)
	}
	if failed := outcomes["failure"]; failed < n/50 || failed > n/5 {
		t.Errorf("%d failures", failed)
	}
}

func digest(seed uint64, n int) string {
	h := sha256.New()
	for e := range Events(seed, n) {
		h.Write(e.AppendCanonical(nil))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// The events of a seed are for ever the same: examples and tests count on it.
func TestEventsAreDeterministic(t *testing.T) {
	t.Parallel()
	if got, want := digest(42, 1000), "1bc601c5c2ec512edf2ec477dfd3bef7e083b8196cc26a911b1dcfdeec11c6bd"; got != want {
		t.Errorf("seed 42 gives %s, want %s", got, want)
	}
	if digest(1, 100) == digest(2, 100) {
		t.Error("two seeds, the same events")
	}
	for range Events(1, 10) {
		break
	}
	for range Events(1, 0) {
		t.Error("an event more than asked for")
	}
}

func BenchmarkEvents(b *testing.B) {
	b.ReportAllocs()
	for range Events(1, b.N) {
	}
}
