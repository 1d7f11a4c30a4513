package main

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"indelible"
	"indelible/internal/store/s3/s3test"
)

// feed is an input that a test writes while a command reads it.
type feed struct {
	*io.PipeReader
	w *io.PipeWriter
}

func newFeed() *feed {
	r, w := io.Pipe()
	return &feed{r, w}
}

func (f *feed) send(t *testing.T, lines string) {
	t.Helper()
	if _, err := io.WriteString(f.w, lines); err != nil {
		t.Error(err)
	}
}

// TestS3Outage: with the store away, in the middle of a run or from its
// beginning, events are acknowledged from the journal within a time that a
// caller can wait; when it is back everything goes there, in order and once.
func TestS3Outage(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	m := s3Machine(t, server, server.NewBucket(t, true))
	m.run("init").want(exitOK)
	m.runWith(sampleLines(0, 100), "append").want(exitOK)

	// In the middle of a run, with events that are there already among them.
	in := newFeed()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ended := make(chan output, 1)
	go func() { ended <- m.runReading(ctx, in, "append") }()
	in.send(t, sampleLines(0, 600)) // read, so the log was replayed
	server.Stop()
	begun := time.Now()
	in.send(t, sampleLines(50, 750))
	in.w.Close()
	o := (<-ended).want(exitOK, "the store does not answer", "in the journal only")
	if took := time.Since(begun); took > 15*time.Second {
		t.Errorf("append took %v without a store", took)
	}
	list := o.receipts()
	if got := durabilities(list); got[indelible.DurableJournal] == 0 || len(list) != 600+750 {
		t.Errorf("%d receipts: %v", len(list), got)
	}

	// From the beginning, with a tenant nobody has seen yet.
	begun = time.Now()
	o = m.runWith(sampleLines(790, 30)+strings.ReplaceAll(sampleLines(820, 5), `"tenant-`, `"new-`), "append").want(exitOK, "the store does not answer")
	if took := time.Since(begun); took > 15*time.Second {
		t.Errorf("append took %v without a store", took)
	}
	if got := durabilities(o.receipts()); got[indelible.DurableJournal] != 35 {
		t.Errorf("receipts: %v", got)
	}
	begun = time.Now()
	m.runWith(sampleLines(825, 5), "append", "--ack", "journal").want(exitOK)
	if took := time.Since(begun); took > 15*time.Second {
		t.Errorf("append took %v without a store", took)
	}

	server.Start()
	m.runWith(sampleLines(830, 1), "append").want(exitOK, "1 recorded")
	m.wantClean(831)
	m.wantNoSecret(server.SecretKey)
	m.wantInOrder(831)
}

// wantInOrder fails the test unless events 0 to n−1 are in the log in the
// order they were made, each tenant's once.
func (m *machine) wantInOrder(n int) {
	m.t.Helper()
	last := make(map[string]string)
	seen := 0
	for line := range strings.Lines(m.run("tail", "--json", "-n", "1000000").want(exitOK).out) {
		var shown struct{ Event indelible.Event }
		if err := json.Unmarshal([]byte(line), &shown); err != nil {
			m.t.Fatalf("%v in %q", err, line)
		}
		seen++
		tenant, id := shown.Event.TenantID, shown.Event.ID
		if id <= last[tenant] {
			m.t.Errorf("tenant %s: %q after %q", tenant, id, last[tenant])
		}
		last[tenant] = id
	}
	if seen != n {
		m.t.Errorf("tail shows %d events, want %d", seen, n)
	}
}
