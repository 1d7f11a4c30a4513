package api

import (
	"net/http"
	"sync"
	"time"

	"indelible"
)

// TenantLimit is what a tenant may send; zero is no limit.
type TenantLimit struct {
	Events float64 // a second
	Bytes  int64   // a day, in UTC, as JSON
}

// quotas keep one tenant from taking what all need, whoever sends for it.
type quotas struct {
	of    func(tenant string) TenantLimit // nil: no tenant has a limit
	clock func() time.Time

	mu   sync.Mutex
	used map[string]*usage
}

type usage struct {
	bucket
	day   int64 // since 1970
	bytes int64 // on that day
}

// maxUsages is how many tenants are counted apart. Those beyond are counted as
// one, until others have sent nothing for a while.
const maxUsages = 10_000

// take lets n events of a tenant pass, or says how long to wait.
func (q *quotas) take(tenant string, n, bytes int) *Problem {
	if q.of == nil {
		return nil
	}
	limit := q.of(tenant)
	if limit == (TenantLimit{}) {
		return nil
	}
	now := q.clock()
	day := now.Unix() / 86400
	q.mu.Lock()
	defer q.mu.Unlock()
	u := q.usage(tenant, limit, now, day)
	if u.day != day {
		u.day, u.bytes = day, 0
	}
	if limit.Bytes > 0 && u.bytes >= limit.Bytes {
		return problem(http.StatusTooManyRequests, "quota", "the tenant's bytes of the day are used up; the day ends at midnight UTC").after(time.Unix((day+1)*86400, 0).Sub(now))
	}
	if limit.Events > 0 {
		if wait := u.take(now, limit.Events, n); wait > 0 {
			return problem(http.StatusTooManyRequests, "rate", "this tenant sends more than it may").after(wait)
		}
	}
	u.bytes += int64(bytes)
	return nil
}

// usage is what a tenant has used.
func (q *quotas) usage(tenant string, limit TenantLimit, now time.Time, day int64) *usage {
	if u := q.used[tenant]; u != nil {
		return u
	}
	if q.used == nil {
		q.used = make(map[string]*usage)
	}
	if len(q.used) >= maxUsages {
		for name, u := range q.used {
			// Who owes nothing is as one who was never seen.
			if (u.bytes == 0 || u.day != day) && now.Sub(u.at) > time.Minute {
				delete(q.used, name)
			}
		}
		if len(q.used) >= maxUsages {
			tenant = ""
		}
	}
	u := q.used[tenant]
	if u == nil {
		u = &usage{bucket: bucket{left: burst * limit.Events, at: now}, day: day}
		q.used[tenant] = u
	}
	return u
}

// within takes from lines what their tenants may not send now.
func (q *quotas) within(events []*indelible.Event, texts [][]byte) (refused map[string]*Problem) {
	if q.of == nil {
		return nil
	}
	n, bytes := make(map[string]int), make(map[string]int)
	for i, e := range events {
		n[e.TenantID]++
		bytes[e.TenantID] += len(texts[i])
	}
	refused = make(map[string]*Problem)
	for tenant := range n {
		if p := q.take(tenant, n[tenant], bytes[tenant]); p != nil {
			refused[tenant] = p
		}
	}
	return refused
}
