package api

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"indelible/internal/ledger"
)

// Metrics counts what a server does, in the text format of Prometheus. There is
// nothing of a tenant or an event in it.
type Metrics struct {
	events, refusedKeys, deniedRequests, glass atomic.Uint64

	mu       sync.Mutex
	requests map[string]*requestCount // by route and code
}

type requestCount struct {
	n       uint64
	seconds float64
	below   [len(bounds)]uint64
}

var bounds = [...]float64{0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10}

func newMetrics() *Metrics { return &Metrics{requests: make(map[string]*requestCount)} }

func (m *Metrics) recorded(n int) { m.events.Add(uint64(n)) }
func (m *Metrics) refused()       { m.refusedKeys.Add(1) }
func (m *Metrics) denied()        { m.deniedRequests.Add(1) }
func (m *Metrics) brokeGlass()    { m.glass.Add(1) }

// routeOf is the pattern a request was answered by.
func routeOf(r *http.Request) string {
	if _, path, ok := strings.Cut(r.Pattern, " "); ok {
		return path
	}
	return "none"
}

func (m *Metrics) request(route string, code int, took time.Duration) {
	key := fmt.Sprintf(`route=%q,code="%d"`, route, code)
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.requests[key]
	if c == nil {
		c = new(requestCount)
		m.requests[key] = c
	}
	c.n++
	c.seconds += took.Seconds()
	for i, b := range bounds {
		if took.Seconds() <= b {
			c.below[i]++
		}
	}
}

// Gauge is a measure that is taken outside the server.
type Gauge struct {
	Name, Help string
	Value      float64
}

// WriteMetrics writes what there is to count.
func (s *Server) WriteMetrics(w io.Writer) {
	m, st := s.metrics, s.cfg.Ledger.Status()
	up := func(ok bool) int {
		if ok {
			return 1
		}
		return 0
	}
	for _, v := range []struct {
		name, kind, help string
		value            any
	}{
		{"indelible_events_recorded_total", "counter", "Events taken over HTTP, repeats included.", m.events.Load()},
		{"indelible_keys_refused_total", "counter", "Requests with a key that is not valid.", m.refusedKeys.Load()},
		{"indelible_requests_denied_total", "counter", "Requests that a role or tenant does not allow.", m.deniedRequests.Load()},
		{"indelible_break_glass_requests_total", "counter", "Requests with a break-glass key: each is worth a call.", m.glass.Load()},
		{"indelible_tree_size", "gauge", "Leaves committed to the store.", st.Size},
		{"indelible_tree_published", "gauge", "Leaves under the published checkpoint.", st.Published},
		{"indelible_index_leaves", "gauge", "Leaves the search index has seen.", s.view.now().indexed},
		{"indelible_journal_pending_bytes", "gauge", "Bytes in the journal that are not in the store.", st.Pending},
		{"indelible_store_up", "gauge", "1 while the store answers.", up(st.StoreErr == nil)},
		{"indelible_fenced", "gauge", "1 when another writer has this log.", up(errors.Is(s.cfg.Ledger.Err(), ledger.ErrOtherWriter))},
		{"indelible_ready", "gauge", "1 while events are taken.", up(s.cfg.Ledger.Err() == nil)},
	} {
		fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n%s %v\n", v.name, v.help, v.name, v.kind, v.name, v.value)
	}
	if s.cfg.Gauges != nil {
		for _, g := range s.cfg.Gauges() {
			fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s gauge\n%s %s\n", g.Name, g.Help, g.Name, g.Name, strconv.FormatFloat(g.Value, 'f', -1, 64))
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	name := "indelible_http_request_seconds"
	fmt.Fprintf(w, "# HELP %s Requests by route and status.\n# TYPE %s histogram\n", name, name)
	keys := make([]string, 0, len(m.requests))
	for key := range m.requests {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		c := m.requests[key]
		for i, b := range bounds {
			fmt.Fprintf(w, "%s_bucket{%s,le=\"%g\"} %d\n", name, key, b, c.below[i])
		}
		fmt.Fprintf(w, "%s_bucket{%s,le=\"+Inf\"} %d\n%s_sum{%s} %g\n%s_count{%s} %d\n", name, key, c.n, name, key, c.seconds, name, key, c.n)
	}
}
