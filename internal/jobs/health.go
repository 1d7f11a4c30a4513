package jobs

import (
	"context"
	"time"
)

// overdueAfter is how long after its time a run that nobody has begun is one
// somebody should know of.
const overdueAfter = 15 * time.Minute

// Health is what alerting needs to know.
type Health struct {
	Schedules  int             `json:"schedules"`
	Failed     int             `json:"failed"`     // schedules whose last run failed
	Overdue    int             `json:"overdue"`    // runs that should have begun a quarter of an hour ago
	Missed     int64           `json:"missed"`     // moments that passed without a run, ever
	Unrecorded int             `json:"unrecorded"` // events the ledger does not have yet
	Kinds      map[string]Last `json:"kinds"`      // the run of each kind that ended last
}

// Last is how the latest run of a kind ended.
type Last struct {
	State    string    `json:"state"`
	Finished time.Time `json:"finished"`
}

// Health looks at all schedules and runs.
func (q *Queue) Health(ctx context.Context) (*Health, error) {
	h := &Health{Kinds: make(map[string]Last)}
	err := q.db.QueryRowContext(ctx, `SELECT
		(SELECT count(*) FROM indelible_schedule), (SELECT coalesce(sum(missed), 0) FROM indelible_schedule), (SELECT count(*) FROM indelible_outbox),
		(SELECT count(*) FROM indelible_run WHERE finished = 0 AND state <> $1 AND due < $2)`,
		StateRunning, q.now().Add(-overdueAfter).UnixMilli()).Scan(&h.Schedules, &h.Missed, &h.Unrecorded, &h.Overdue)
	if err != nil {
		return nil, err
	}
	latest, err := q.Latest(ctx)
	if err != nil {
		return nil, err
	}
	for _, r := range latest {
		if r.State == StateFailed {
			h.Failed++
		}
		if was, ok := h.Kinds[r.Kind]; !ok || r.Finished.After(was.Finished) {
			h.Kinds[r.Kind] = Last{r.State, *r.Finished}
		}
	}
	return h, nil
}
