package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"indelible/internal/store/s3/s3test"
)

func awayEvent(n int) string {
	return fmt.Sprintf(`{"id":%q,"timestamp":"2024-10-25T14:03:11Z","event_type":"e","user_id":"u","tenant_id":"acme","resource_type":"r","resource_id":"%d","action":"a","outcome":"success"}`, killedID(n), n)
}

// metrics are what /metrics shows.
func (s *serving) metrics() string {
	s.t.Helper()
	resp, err := http.Get(s.said("metrics").Address)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return string(b)
}

// TestServeStoreAway: a server begins while the store is away, takes events into
// the journal, says so, and brings them into the store when it is back.
func TestServeStoreAway(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	m := s3Machine(t, server, server.NewBucket(t, true))
	m.run("init").want(exitOK)
	writer := strings.TrimSpace(m.run("keys", "api", "add", "--name", "app", "--role", "writer", "--all-tenants").want(exitOK).out)
	auditor := strings.TrimSpace(m.run("keys", "api", "add", "--name", "desk", "--role", "auditor", "--all-tenants").want(exitOK).out)
	server.Stop()
	s := m.serve("--verify-every", "0", "--metrics", "127.0.0.1:0")
	s.until("degraded", func() bool {
		resp, body := s.ask("GET", "/readyz", "", "")
		return resp.StatusCode == 200 && strings.Contains(body, `"status":"degraded: journal only"`)
	})
	for n := range 20 {
		if resp, body := s.ask("POST", "/v1/events?ack=journal", writer, awayEvent(n)); resp.StatusCode != 202 || !strings.Contains(body, `"durability":"journal"`) {
			t.Fatalf("%s %s", resp.Status, body)
		}
	}
	for path, status := range map[string]int{
		"/v1/events": 503, "/v1/events/" + killedID(1): 503, "/v1/events/" + killedID(1) + "/evidence": 503, "/v1/receipts/" + killedID(1): 503,
		"/v1/tenants/acme/completeness": 503, "/v1/access?tenant_id=acme": 503, "/log/checkpoint": 503, "/healthz": 200,
	} {
		resp, body := s.ask("GET", path, auditor, "")
		if resp.StatusCode != status || status == 503 && (!strings.Contains(body, `"code":"store_unavailable"`) || resp.Header.Get("Retry-After") == "") {
			t.Errorf("%s: %s %s", path, resp.Status, body)
		}
	}
	if text := s.metrics(); !strings.Contains(text, "\nindelible_store_up 0\n") || strings.Contains(text, "\nindelible_journal_pending_bytes 0\n") {
		t.Errorf("metrics\n%s", text)
	}
	// Begun again it still has what it took.
	s.stop().want(exitOK)
	s = m.serve("--verify-every", "0", "--metrics", "127.0.0.1:0")
	if resp, body := s.ask("POST", "/v1/events", writer, awayEvent(20)); resp.StatusCode != 202 {
		t.Fatalf("%s %s", resp.Status, body)
	}
	server.Start()
	s.until("ready, and everything in the store", func() bool {
		_, body := s.ask("GET", "/readyz", "", "")
		return strings.Contains(body, `"status":"ready","pending_bytes":0`)
	})
	s.until("all are found", func() bool {
		resp, body := s.ask("GET", "/v1/events?limit=100", auditor, "")
		var page struct{ Events []json.RawMessage }
		return resp.StatusCode == 200 && json.Unmarshal([]byte(body), &page) == nil && len(page.Events) == 21
	})
	s.stop().want(exitOK)
	m.wantClean(21)
}

// TestServeFenced: a server whose log another writer has stays up, takes nothing
// and says why.
func TestServeFenced(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	m := s3Machine(t, server, server.NewBucket(t, true))
	m.run("init").want(exitOK)
	writer := strings.TrimSpace(m.run("keys", "api", "add", "--name", "app", "--role", "writer", "--all-tenants").want(exitOK).out)
	m.runWith(awayEvent(0)+"\n", "append", "-q").want(exitOK) // so that the other has the tenant's key
	other := m.copy()
	s := m.serve("--verify-every", "0", "--metrics", "127.0.0.1:0")
	if resp, body := s.ask("POST", "/v1/events", writer, awayEvent(1)); resp.StatusCode != 201 {
		t.Fatalf("%s %s", resp.Status, body)
	}
	if text := s.metrics(); !strings.Contains(text, "\nindelible_fenced 0\n") {
		t.Errorf("metrics\n%s", text)
	}
	s.until("the other has the log", func() bool {
		// On a busy machine the store can seem away, and the journal takes the event.
		o := other.runWith(awayEvent(2)+"\n", "append", "--take-over").want(exitOK)
		return !strings.Contains(o.err, "journal")
	})
	s.ask("POST", "/v1/events", writer, awayEvent(3)) // whose commit meets the other's
	s.said("another writer has this log; nothing is taken here any more")
	for path, status := range map[string]int{"/healthz": 200, "/readyz": 503, "/v1/events/" + killedID(1): 503} {
		if resp, body := s.ask("GET", path, writer, ""); resp.StatusCode != status && path[1] != 'v' || path[1] == 'v' && resp.StatusCode < 400 {
			t.Errorf("%s: %s %s", path, resp.Status, body)
		}
	}
	if resp, body := s.ask("POST", "/v1/events", writer, awayEvent(4)); resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("an event: %s %s", resp.Status, body)
	}
	if text := s.metrics(); !strings.Contains(text, "\nindelible_fenced 1\n") || !strings.Contains(text, "\nindelible_ready 0\n") {
		t.Errorf("metrics\n%s", text)
	}
	s.stop().want(exitOtherWriter)
}
