package s3

import (
	"net/http"
	"sync"
	"time"
)

// clock remembers how far the store's clock is ahead of ours.
type clock struct {
	mu    sync.Mutex
	ahead time.Duration
	known bool
}

// observe compares a Date header with the middle of the time the request took.
// The header drops the fraction of the second: half of one, on average.
func (c *clock) observe(date string, sent, received time.Time) {
	stamp, err := http.ParseTime(date)
	if err != nil {
		return
	}
	ahead := stamp.Add(time.Second / 2).Sub(sent.Add(received.Sub(sent) / 2).Round(0))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead, c.known = ahead, true
}

func (c *clock) skew() (time.Duration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ahead, c.known
}
