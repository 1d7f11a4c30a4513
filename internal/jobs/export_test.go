package jobs

import "time"

// Quick makes everything go quickly that takes its time otherwise.
func (c Config) Quick() Config {
	c.pace = pace{
		tick: 10 * time.Millisecond, beat: 50 * time.Millisecond, expiry: 400 * time.Millisecond, look: 20 * time.Millisecond, poll: 10 * time.Millisecond,
		back: func(int) time.Duration { return 0 },
	}
	return c
}

// Backoff is how long a run waits after an attempt that failed.
var Backoff = backoff

// Frozen renews no lease, as a process does that was stopped.
func (c Config) Frozen() Config {
	c.pace.beat = time.Hour
	return c
}

// Patient takes nobody's lease, however busy the machine is.
func (c Config) Patient() Config {
	c.pace.expiry = time.Hour
	return c
}
