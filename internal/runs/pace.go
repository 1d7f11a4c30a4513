package runs

import (
	"context"
	"sync"
	"time"
)

// Pace holds rows back so that they come no faster than a rate, over all who
// share it. A nil Pace does not.
type Pace struct {
	mu   sync.Mutex
	each time.Duration
	next time.Time // when the next row may come
}

// NewPace makes a pace of so many rows a second; 0 is no limit.
func NewPace(rate int) *Pace {
	if rate <= 0 {
		return nil
	}
	return &Pace{each: time.Second / time.Duration(rate)}
}

// burst is how far ahead of its pace a reader may be: a timer for each row would
// cost more than the row.
const burst = 20 * time.Millisecond

// Wait returns when a row may come.
func (p *Pace) Wait(ctx context.Context) error {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	now := time.Now()
	if p.next.Before(now) {
		p.next = now
	}
	p.next = p.next.Add(p.each)
	ahead := p.next.Sub(now)
	p.mu.Unlock()
	if ahead < burst {
		return nil
	}
	timer := time.NewTimer(ahead)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
