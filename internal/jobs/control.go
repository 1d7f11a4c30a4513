package jobs

import (
	"context"
	"database/sql"
	"fmt"
)

// RunNow has a schedule's work done now, besides what is planned.
func (q *Queue) RunNow(ctx context.Context, name string) (r *Run, err error) {
	err = q.change(ctx, func(tx *sql.Tx) error {
		s, err := getSchedule(ctx, tx, name)
		if err != nil {
			return err
		}
		id, err := q.insertRun(ctx, tx, &s.Schedule, q.now(), "manual")
		if err != nil {
			return err
		}
		if id == "" {
			return fmt.Errorf("%w: schedule %s runs at this very moment", ErrState, name)
		}
		if err := q.enqueue(ctx, tx, id, s.Run, 0); err != nil {
			return err
		}
		if r, err = getRun(ctx, tx, id); err != nil {
			return err
		}
		return q.ofRun(ctx, tx, "job.ordered", "success", r, nil)
	})
	return r, err
}

// Cancel cancels a run. One that goes on is told with the next beat of its
// lease, and says itself when it has ended.
func (q *Queue) Cancel(ctx context.Context, id string) (r *Run, err error) {
	err = q.change(ctx, func(tx *sql.Tx) error {
		was, err := getRun(ctx, tx, id)
		if err != nil {
			return err
		}
		if was.finished() {
			return fmt.Errorf("%w: run %s has ended: %s", ErrState, id, was.State)
		}
		state, finished, what := was.State, int64(0), "job.cancel"
		if state != StateRunning {
			state, finished, what = StateCancelled, q.now().UnixMilli(), "job.cancelled"
		}
		if _, err := tx.ExecContext(ctx, `UPDATE indelible_run SET cancel = 1, state = $2, finished = $3 WHERE id = $1`, id, state, finished); err != nil {
			return err
		}
		if r, err = getRun(ctx, tx, id); err != nil {
			return err
		}
		if was.cancel {
			return nil
		}
		return q.ofRun(ctx, tx, what, "success", r, nil)
	})
	return r, err
}

// Retry has a run that failed or was cancelled done again.
func (q *Queue) Retry(ctx context.Context, id string) (r *Run, err error) {
	err = q.change(ctx, func(tx *sql.Tx) error {
		was, err := getRun(ctx, tx, id)
		if err != nil {
			return err
		}
		if was.State != StateFailed && was.State != StateCancelled {
			return fmt.Errorf("%w: run %s is %s; only what failed or was cancelled is done again", ErrState, id, was.State)
		}
		if _, err := tx.ExecContext(ctx, `UPDATE indelible_run SET cancel = 0, state = $2, finished = 0, attempt = 0, fence = fence + 1, due = $3, error = '', result = '' WHERE id = $1`,
			id, StateWaiting, q.now().UnixMilli()); err != nil {
			return err
		}
		if err := q.enqueue(ctx, tx, id, was.Kind, 0); err != nil {
			return err
		}
		if r, err = getRun(ctx, tx, id); err != nil {
			return err
		}
		return q.ofRun(ctx, tx, "job.retry", "success", r, nil)
	})
	return r, err
}
