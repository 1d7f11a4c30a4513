package jobs_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"indelible/internal/jobs"
)

// TestPrune: runs that ended more than 90 days ago go, but for the last of each
// schedule with each outcome, and those that have not ended.
func TestPrune(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		c := newClock(t, "2026-01-01T12:00:00Z")
		fail := true
		q := openQueue(t, d, jobs.Config{Clock: c.Now, Kinds: jobs.Kinds{
			work("work", func(context.Context, *jobs.Turn) (any, error) {
				if fail {
					return nil, jobs.Final(errors.New("no"))
				}
				return nil, nil
			}),
		}})
		if err := q.Sync(t.Context(), []jobs.Schedule{daily("nightly")}); err != nil {
			t.Fatal(err)
		}
		stop := start(t, q)
		for _, day := range []string{"02", "03", "04"} {
			c.Set(at(t, "2026-01-"+day+"T02:00:01Z"))
			id, state := "nightly@2026-01-"+day+"T02:00:00Z", jobs.StateSucceeded
			if fail {
				state = jobs.StateFailed
			}
			untilState(t, q, id, state)
			fail = false
		}
		stop()
		ids := func() (list []string) {
			runs, err := q.Runs(t.Context(), jobs.Filter{})
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range runs {
				list = append(list, r.ID[len("nightly@2026-01-"):][:2])
			}
			return list
		}
		if err := q.Pause(t.Context(), "nightly", true); err != nil {
			t.Fatal(err)
		}
		c.Advance(89 * 24 * time.Hour)
		waits, err := q.RunNow(t.Context(), "nightly")
		if err != nil {
			t.Fatal(err)
		}
		if err := q.PruneOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := ids(); len(got) != 4 {
			t.Errorf("within 90 days: %v", got)
		}
		c.Advance(100 * 24 * time.Hour)
		if err := q.PruneOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := ids(); len(got) != 3 || got[1] != "04" || got[2] != "02" {
			t.Errorf("after that: %v", got)
		}
		runOf(t, q, waits.ID)
	})
}
