package jobs

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/riverqueue/river"

	"indelible/internal/jobs/schedule"
)

// planCache is what a process remembers of the schedules, as long as nobody
// changes them.
type planCache struct {
	version int64
	list    []planned
	next    time.Time // when the first is due; zero: nothing is
	now     time.Time // when it was looked at last
	turn    int64     // of the gate, then
}

type planned struct {
	*State
	times *schedule.Times
}

// planAtOnce is how many runs are planned in one transaction.
const planAtOnce = 500

// plan plans what is due. Any number of processes may do it at the same time:
// the gate lets one through, and the others then find it done.
func (q *Queue) plan(ctx context.Context) error {
	now := q.now()
	var version, turn int64
	if err := q.db.QueryRowContext(ctx, `SELECT plan, turn FROM indelible_gate`).Scan(&version, &turn); err != nil {
		return err
	}
	if turn != q.plans.turn {
		q.plans.turn = turn
		q.wake.changed() // by another process, if not by this one
	}
	back := now.Before(q.plans.now) // the clock was put back
	q.plans.now = now
	if version == q.plans.version && q.plans.list != nil && !back && (q.plans.next.IsZero() || now.Before(q.plans.next)) {
		return nil
	}
	for {
		var n int
		err := q.change(ctx, func(tx *sql.Tx) error {
			if err := q.readPlans(ctx, tx); err != nil {
				return err
			}
			var err error
			n, err = q.planDue(ctx, tx, now)
			return err
		})
		if err != nil {
			q.plans = planCache{}
			return fmt.Errorf("plan: %w", err)
		}
		if n < planAtOnce {
			return nil
		}
	}
}

// nextPlan is how long the planner waits: until something is due, and no longer
// than changes by others may go unseen.
func (q *Queue) nextPlan() time.Duration {
	pause := q.Pace.Tick
	if next := q.plans.next; !next.IsZero() {
		if until := next.Sub(q.Clock()); until > 0 {
			pause = min(pause, until)
		}
	}
	return pause
}

// readPlans reads the schedules, unless they are what they were.
func (q *Queue) readPlans(ctx context.Context, tx *sql.Tx) error {
	c := &q.plans
	var version int64
	if err := tx.QueryRowContext(ctx, `SELECT plan FROM indelible_gate`).Scan(&version); err != nil {
		return err
	}
	if c.list != nil && version == c.version {
		return nil
	}
	states, err := readSchedules(ctx, tx)
	if err != nil {
		return err
	}
	c.version, c.list = version, make([]planned, 0, len(states))
	for _, s := range states {
		times, err := schedule.Parse(s.When, s.Zone)
		if err != nil {
			return fmt.Errorf("schedule %s: %w", s.Name, err)
		}
		c.list = append(c.list, planned{s, times})
	}
	return nil
}

// planDue plans at most planAtOnce runs, and says how many there were.
func (q *Queue) planDue(ctx context.Context, tx *sql.Tx, now time.Time) (int, error) {
	var jobs []river.InsertManyParams
	var runs []string
	changed := false
	next := time.Time{}
	for _, s := range q.plans.list {
		if s.Paused {
			continue
		}
		due := Due{Until: s.planned}
		if len(runs) < planAtOnce {
			due = Plan(now, s.times, s.Missed, s.planned)
		}
		if !due.Until.Equal(s.planned) {
			if err := q.planned(ctx, tx, s.State, due); err != nil {
				return 0, fmt.Errorf("schedule %s: %w", s.Name, err)
			}
			changed = true
		}
		if !due.At.IsZero() {
			id, err := q.insertRun(ctx, tx, &s.Schedule, due.At, "schedule")
			if err != nil {
				return 0, fmt.Errorf("schedule %s: %w", s.Name, err)
			}
			if id != "" {
				runs, jobs = append(runs, id), append(jobs, river.InsertManyParams{Args: attemptArgs{id}, InsertOpts: &river.InsertOpts{Queue: q.queueOf(s.Run)}})
			}
		}
		if at := s.times.Next(s.planned); !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	q.plans.next = next
	if !changed {
		return 0, nil
	}
	if err := replan(ctx, tx); err != nil {
		return 0, err
	}
	q.plans.version++
	if len(runs) == 0 {
		return 0, nil
	}
	inserted, err := q.river.InsertManyTx(ctx, tx, jobs)
	if err != nil {
		return 0, err
	}
	for i, job := range inserted {
		if _, err := tx.ExecContext(ctx, `UPDATE indelible_run SET river = $2 WHERE id = $1`, runs[i], job.Job.ID); err != nil {
			return 0, err
		}
	}
	return len(runs), nil
}

// planned notes how far a schedule is planned, and tells what was missed.
func (q *Queue) planned(ctx context.Context, tx *sql.Tx, s *State, due Due) error {
	s.planned = due.Until
	if _, err := tx.ExecContext(ctx, `UPDATE indelible_schedule SET planned = $2, missed = missed + $3 WHERE name = $1`, s.Name, s.planned.UnixMilli(), due.Missed); err != nil {
		return err
	}
	if due.Missed == 0 {
		return nil
	}
	q.Log.Error("a schedule did not run", "schedule", s.Name, "missed", due.Missed, "first", due.First)
	details := map[string]any{"missed": due.Missed, "first": due.First.Format(time.RFC3339), "policy": s.Missed}
	return q.say(ctx, tx, "schedule.missed", "schedule", s.Name, "failure", details, due.First.Format(time.RFC3339))
}

// insertRun makes the row of a run; it returns no id if there is one already.
func (q *Queue) insertRun(ctx context.Context, tx *sql.Tx, s *Schedule, at time.Time, cause string) (string, error) {
	// What cannot be run any more becomes a run that fails, for all to see.
	tenant := ""
	if kind, err := q.Kinds.find(s.Run); err == nil {
		tenant, _ = kind.Check(s.With)
	}
	id := runID(s.Name, at)
	done, err := tx.ExecContext(ctx, `INSERT INTO indelible_run
		(id, schedule, planned, kind, tenant, args, cause, state, attempt, fence, beat, worker, due, started, finished, done, total, result, error, cancel, river)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0, 0, '', $9, 0, 0, 0, 0, '', '', 0, 0) ON CONFLICT DO NOTHING`,
		id, s.Name, at.UnixMilli(), s.Run, tenant, string(s.With), cause, StateWaiting, q.now().UnixMilli())
	if err != nil {
		return "", err
	}
	if n, err := done.RowsAffected(); err != nil || n == 0 {
		return "", err
	}
	return id, nil
}
