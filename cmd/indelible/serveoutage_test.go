package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"indelible"
	"indelible/client"
	"indelible/internal/importer"
	"indelible/internal/store/s3/s3test"
)

// eventsToServe are real ones where there are, and made-up ones otherwise: enough
// of them that an outage falls into their sending.
func eventsToServe(t *testing.T) (events []*indelible.Event) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join("..", "..", "..", "shared", "data", "cloudtrail", "*_CloudTrail_*.json"))
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	add := func(e *indelible.Event) {
		if !seen[e.TenantID+e.ID] {
			seen[e.TenantID+e.ID] = true
			events = append(events, e)
		}
	}
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for rec, err := range importer.CloudTrail(f) {
			if err != nil || rec.Err != nil {
				t.Fatalf("%s: %v, %v", name, err, rec.Err)
			}
			add(rec.Event)
		}
	}
	for line := range strings.Lines(sampleLines(0, 1500)) {
		e, err := indelible.ParseEvent([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		add(e)
	}
	return events
}

// TestServeS3Outage: four clients send while the store goes away and comes back.
// Everything is in the log in the end, once, and so is every look at it.
func TestServeS3Outage(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	m := s3Machine(t, server, server.NewBucket(t, true))
	m.run("init").want(exitOK)
	writer := strings.TrimSpace(m.run("keys", "api", "add", "--name", "app", "--role", "writer", "--all-tenants").want(exitOK).out)
	reader := strings.TrimSpace(m.run("keys", "api", "add", "--name", "desk", "--role", "reader", "--all-tenants").want(exitOK).out)

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	ctx, end := context.WithCancel(t.Context())
	defer end()
	ended := make(chan output, 1)
	go func() { ended <- m.runReading(ctx, nil, "serve", "--listen", address, "--verify-every", "0") }()
	ask := func(path, key string) (status int, body string) {
		r, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if key != "" {
			r.Header.Set("Authorization", "Bearer "+key)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			return 0, err.Error()
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(b)
	}
	until := func(what string, ok func(status int, body string) bool) {
		t.Helper()
		for deadline := time.Now().Add(60 * time.Second); ; <-time.After(20 * time.Millisecond) {
			status, body := ask("/readyz", "")
			if ok(status, body) {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("not %s: %d %s", what, status, body)
			}
		}
	}
	until("ready", func(_ int, body string) bool { return strings.Contains(body, `"status":"ready"`) })

	events := eventsToServe(t)
	half := make(chan struct{})
	var wg, sent sync.WaitGroup
	sent.Add(4)
	for w := range 4 {
		wg.Go(func() {
			c, err := client.New(client.Config{URL: "http://" + address, Key: writer, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
				Refused: func(event []byte, why error) { t.Errorf("%.200s: %v", event, why) }})
			if err != nil {
				t.Error(err)
				sent.Done()
				return
			}
			for i := w; i < len(events); i += 4 {
				if i/4 == len(events)/8 {
					sent.Done()
					<-half
				}
				if err := c.Record(t.Context(), *events[i]); err != nil {
					t.Error(err)
				}
			}
			if err := c.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	sent.Wait()
	server.Stop()
	close(half)
	wg.Wait() // all are acknowledged, most of them from the journal
	until("degraded", func(status int, body string) bool {
		return status == http.StatusOK && strings.Contains(body, "degraded: journal only")
	})
	server.Start()
	until("ready again", func(_ int, body string) bool {
		return strings.Contains(body, `"status":"ready","pending_bytes":0`)
	})

	looks := 0
	for _, tenant := range []string{"tenant-1", "tenant-2"} {
		looks++
		if status, body := ask("/v1/events?limit=3&tenant_id="+tenant, reader); status != http.StatusOK {
			t.Errorf("a search: %d %s", status, body)
		}
	}
	end()
	(<-ended).want(exitOK)
	m.wantClean(len(events))
	var got []string
	for line := range strings.Lines(m.run("search", "--tenant-id", "_access", "--order", "log", "--json", "--user-id", "desk").want(exitOK).out) {
		var shown struct{ Event indelible.Event }
		if err := json.Unmarshal([]byte(line), &shown); err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(shown.Event.Action, " ", shown.Event.Outcome, " ", shown.Event.ResourceID))
	}
	if want := []string{"search intent tenant-1", "search success tenant-1", "search intent tenant-2", "search success tenant-2"}; strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("the access log says %q of %d looks", got, looks)
	}
}
