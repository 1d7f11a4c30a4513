package api

import (
	"net/http"
	"sync"
	"time"
)

// limits keep one caller from taking what all need.
type limits struct {
	rate  float64
	clock func() time.Time

	mu      sync.Mutex
	buckets map[string]*bucket // by key id: of events
	looks   map[string]*bucket // the same: of requests that read
}

const (
	smallBody  = 64 << 10 // what is not counted
	maxLarge   = 16       // larger bodies at once
	maxLargeOf = 4        // of one key
	burst      = 2        // seconds' worth of events at once
)

// bucket is how many events a key may send now.
type bucket struct {
	left float64
	at   time.Time
}

// looksASecond is how often a key may look: each look is itself recorded.
const looksASecond = 200

// take lets n events of a key pass, or says how long to wait.
func (l *limits) take(key string, n int) *Problem {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.begin()
	return l.from(l.buckets, key, l.rate, n)
}

// look lets one request that reads pass.
func (l *limits) look(key string) *Problem {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.begin()
	return l.from(l.looks, key, looksASecond, 1)
}

func (l *limits) begin() {
	if l.buckets == nil {
		l.buckets, l.looks = make(map[string]*bucket), make(map[string]*bucket)
	}
}

// maxBuckets is how many callers are counted apart; those beyond are counted as one.
const maxBuckets = 20_000

func (l *limits) from(buckets map[string]*bucket, key string, rate float64, n int) *Problem {
	now := l.clock()
	b := buckets[key]
	if b == nil && len(buckets) >= maxBuckets {
		for name, old := range buckets {
			if now.Sub(old.at) > time.Minute { // it owes nothing any more
				delete(buckets, name)
			}
		}
		if len(buckets) >= maxBuckets {
			key = ""
			b = buckets[key]
		}
	}
	if b == nil {
		b = &bucket{left: burst * rate, at: now}
		buckets[key] = b
	}
	if wait := b.take(now, rate, n); wait > 0 {
		return problem(http.StatusTooManyRequests, "rate", "this key asks for more than it may").after(wait)
	}
	return nil
}

// take takes n from a bucket that fills at a rate, or says how long to wait.
// Whoever has anything left may send one batch: the rest is owed.
func (b *bucket) take(now time.Time, rate float64, n int) (wait time.Duration) {
	b.left = min(burst*rate, b.left+now.Sub(b.at).Seconds()*rate)
	b.at = now
	if b.left <= 0 {
		return min(max(time.Second, time.Duration(-b.left/rate*float64(time.Second)).Round(time.Second)), longestRetry)
	}
	b.left -= float64(n)
	return 0
}

// longestRetry is the longest wait that is asked for, but for a day's quota.
const longestRetry = time.Hour
