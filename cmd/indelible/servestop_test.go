package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"indelible"
)

// TestServeStop: a signal while events come loses none that was acknowledged, and
// cuts off no answer that had begun.
func TestServeStop(t *testing.T) {
	t.Parallel()
	m := newMachine(t, nil)
	m.run("init").want(exitOK)
	key := strings.TrimSpace(m.run("keys", "api", "add", "--name", "app", "--role", "writer", "--tenant", "acme").want(exitOK).out)
	s := m.serve("--verify-every", "0")
	var next, taken atomic.Int64
	var acknowledged sync.Map
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			ack := []string{"", "?ack=journal"}[worker%2]
			for {
				n := int(next.Add(1))
				r, err := http.NewRequestWithContext(t.Context(), "POST", s.url+"/v1/events"+ack, strings.NewReader(awayEvent(n)))
				if err != nil {
					t.Error(err)
					return
				}
				r.Header.Set("Authorization", "Bearer "+key)
				r.Header.Set("Content-Type", "application/json")
				resp, err := http.DefaultClient.Do(r)
				if err != nil {
					return // it listens no more
				}
				var receipt indelible.Receipt
				err = json.NewDecoder(resp.Body).Decode(&receipt)
				resp.Body.Close()
				switch {
				case err != nil:
					t.Errorf("half an answer: %v", err)
				case resp.StatusCode == 201 || resp.StatusCode == 202:
					acknowledged.Store(receipt.ID, true)
					taken.Add(1)
				case resp.StatusCode != 503:
					t.Errorf("status %d", resp.StatusCode)
				}
			}
		})
	}
	s.until("events are on their way", func() bool { return taken.Load() > 100 })
	s.stop().want(exitOK)
	wg.Wait()
	found := make(map[string]int)
	for line := range strings.Lines(m.run("search", "--json", "--order", "log", "--limit", "1000000").want(exitOK).out) {
		var shown struct{ Event indelible.Event }
		if err := json.Unmarshal([]byte(line), &shown); err != nil {
			t.Fatal(err)
		}
		found[shown.Event.ID]++
	}
	acknowledged.Range(func(id, _ any) bool {
		if found[id.(string)] != 1 {
			t.Errorf("event %s was acknowledged and is %d times in the log", id, found[id.(string)])
		}
		return true
	})
	if report := m.verify(exitOK); report.Pending != 0 || report.Events < uint64(taken.Load()) {
		t.Errorf("%d events, %d pending, of %d acknowledged", report.Events, report.Pending, taken.Load())
	}
}
