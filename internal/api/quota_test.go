package api_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"indelible/internal/api"
)

// lines are events of a tenant, one a line, with numbers from first on.
func lines(first, n int, tenant string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(event(first+i, tenant) + "\n")
	}
	return b.String()
}

// TestTenantLimits: what one tenant may send is counted over all its keys, and
// takes nothing from another.
func TestTenantLimits(t *testing.T) {
	t.Parallel()
	noon := time.Date(2099, 1, 2, 12, 0, 0, 0, time.UTC)
	var now atomic.Int64
	size := int64(len(event(1, "acme")))
	w := start(t, func(c *api.Config) {
		c.Clock = func() time.Time { return noon.Add(time.Duration(now.Load())) }
		c.TenantLimit = func(tenant string) api.TenantLimit {
			switch tenant {
			case "acme":
				return api.TenantLimit{Events: 100}
			case "globex":
				return api.TenantLimit{Bytes: 10 * size}
			}
			return api.TenantLimit{}
		}
	})
	send := func(who, body string) *answer {
		return w.do(who, "POST", "/v1/events?ack=journal", body, "Content-Type", "application/x-ndjson")
	}
	if a := send("writer", lines(1, 250, "acme")); a.status != 200 || strings.Contains(string(a.body), `"problem"`) {
		t.Fatalf("status %d: %.300s", a.status, a.body)
	}
	// More than it may: whoever sends for it, one event or several.
	for _, who := range []string{"writer", "writer of all"} {
		if a := w.do(who, "POST", "/v1/events", event(900, "acme")); a.status != 429 || a.code() != "rate" || a.header.Get("Retry-After") != "1" {
			t.Errorf("%s: status %d, %s, %v", who, a.status, a.body, a.header)
		}
		if a := send(who, lines(900, 3, "acme")); a.status != 429 || a.header.Get("Retry-After") != "1" {
			t.Errorf("%s, lines: status %d, %s, %v", who, a.status, a.body, a.header)
		}
	}
	// Others notice nothing, in the same request neither.
	if a := w.do("writer of globex", "POST", "/v1/events", event(1, "globex")); a.status != http.StatusCreated {
		t.Errorf("another tenant: status %d, %s", a.status, a.body)
	}
	a := send("writer of all", event(901, "acme")+"\n"+event(2, "globex")+"\n"+event(1, "third")+"\n")
	if got := strings.Count(string(a.body), `"code":"rate"`); a.status != 200 || got != 1 || strings.Count(string(a.body), `"receipt"`) != 2 || a.header.Get("Retry-After") == "" {
		t.Errorf("a tenant of three that may not: status %d, %s, %v", a.status, a.body, a.header)
	}
	now.Store(int64(time.Second))
	if a := w.do("writer", "POST", "/v1/events", event(900, "acme")); a.status != http.StatusCreated {
		t.Errorf("after a second: status %d, %s", a.status, a.body)
	}

	// The day's bytes are used up, and there are new ones the next day.
	if a := send("writer of globex", lines(10, 12, "globex")); a.status != 200 || strings.Contains(string(a.body), `"problem"`) {
		t.Fatalf("status %d: %.300s", a.status, a.body)
	}
	a = w.do("writer of all", "POST", "/v1/events", event(40, "globex"))
	wait, err := strconv.Atoi(a.header.Get("Retry-After"))
	if a.status != 429 || a.code() != "quota" || err != nil || wait != 12*3600-1 {
		t.Errorf("status %d, %s, %v", a.status, a.body, a.header)
	}
	if a := w.do("writer", "POST", "/v1/events", event(902, "acme")); a.status != http.StatusCreated {
		t.Errorf("another tenant: status %d, %s", a.status, a.body)
	}
	now.Store(int64(12 * time.Hour))
	if a := w.do("writer of globex", "POST", "/v1/events", event(40, "globex")); a.status != http.StatusCreated {
		t.Errorf("the next day: status %d, %s", a.status, a.body)
	}
}

// TestManyTenants: what is counted of tenants has a bound, and names that are made
// up buy no more room.
func TestManyTenants(t *testing.T) {
	t.Parallel()
	var now atomic.Int64
	begun := time.Now()
	w := start(t, func(c *api.Config) {
		c.Clock = func() time.Time { return begun.Add(time.Duration(now.Load())) }
		c.Rate = 1e9
		c.TenantLimit = func(string) api.TenantLimit { return api.TenantLimit{Events: 1} }
	})
	refused := 0
	for round := range 3 {
		var b strings.Builder
		for i := range 5000 {
			b.WriteString(event(i, fmt.Sprint("tenant ", round, " ", i)) + "\n")
		}
		if n := w.server.Quotas(b.String()); n > 0 {
			refused += n
		}
	}
	if refused < 4000 {
		t.Errorf("of 15,000 tenants %d were refused", refused)
	}
	now.Store(int64(2 * time.Minute))
	if n := w.server.Quotas(event(1, "one more") + "\n"); n != 0 {
		t.Error("who owes nothing takes room for ever")
	}
}

// TestNothingTaken: lines none of which can be recorded for now are one answer
// that says when to come back.
func TestNothingTaken(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	if err := w.ledger.Close(); err != nil {
		t.Fatal(err)
	}
	a := w.do("writer", "POST", "/v1/events", lines(1, 3, "acme"), "Content-Type", "application/x-ndjson")
	if a.status != 503 || a.code() != "busy" || a.header.Get("Retry-After") == "" {
		t.Errorf("status %d, %s, %v", a.status, a.body, a.header)
	}
}
