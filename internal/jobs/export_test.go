package jobs

import (
	"context"
	"time"
)

// Quick makes everything go quickly that takes its time otherwise.
func (c Config) Quick() Config {
	c.Pace = Pace{
		Tick: 10 * time.Millisecond, Beat: 50 * time.Millisecond, Expiry: 2 * time.Second, Look: 20 * time.Millisecond, Poll: 10 * time.Millisecond,
		Retry: func(int) time.Duration { return 0 },
	}
	return c
}

// MaxAttempts is how often a run is tried.
const MaxAttempts = maxAttempts

// Backoff is how long a run waits after an attempt that failed.
var Backoff = backoff

// Frozen renews no lease, as a process does that was stopped.
func (c Config) Frozen() Config {
	c.Pace.Beat = time.Hour
	return c
}

// Patient takes nobody's lease, however busy the machine is.
func (c Config) Patient() Config {
	c.Pace.Expiry = time.Hour
	return c
}

// PlanOnce plans what is due, as a working process does all the time.
func (q *Queue) PlanOnce(ctx context.Context) error { return q.plan(ctx) }

// PruneOnce deletes runs of long ago, as a working process does each hour.
func (q *Queue) PruneOnce(ctx context.Context) error { return q.prune(ctx) }
