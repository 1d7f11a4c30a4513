package jobs

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// A Turn is one attempt of a run, by the worker that has its lease.
type Turn struct {
	*Run
	q           *Queue
	done, total atomic.Int64
}

// Progress tells how far the work is, in units of its own. total may be 0.
func (t *Turn) Progress(done, total int64) {
	t.done.Store(done)
	t.total.Store(total)
}

// Lease is the number of this lease: 1 for the first the run has had.
func (t *Turn) Lease() int64 { return t.fence }

// Note tells something on the way to whoever reads the log of this process.
func (t *Turn) Note(line string) { t.q.Log.Info("run tells", "run", t.ID, "what", line) }

// Hold makes sure that the lease is still ours, and is for the next minute.
// Whoever makes anything visible or final asks right before; ErrLost says that
// another worker does it now.
func (t *Turn) Hold(ctx context.Context) error {
	_, err := t.beat(ctx)
	return err
}

// Before is the last run of the same schedule that succeeded, or nil.
func (t *Turn) Before(ctx context.Context) (*Run, error) {
	list, err := listRuns(ctx, t.q.db, `SELECT `+runColumns+` FROM indelible_run WHERE schedule = $1 AND state = $2 ORDER BY planned DESC LIMIT 1`, t.Schedule, StateSucceeded)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return list[0], nil
}

// beat renews the lease, and says whether the run is to be cancelled. The fence
// is the number of leases a run has had: with an older one nothing is changed.
func (t *Turn) beat(ctx context.Context) (cancel bool, err error) {
	var n int64
	err = t.q.db.QueryRowContext(ctx, `UPDATE indelible_run SET beat = beat + 1, done = $3, total = $4 WHERE id = $1 AND fence = $2 AND state = $5 RETURNING cancel`,
		t.ID, t.fence, t.done.Load(), t.total.Load(), StateRunning).Scan(&n)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrLost
	}
	return n != 0, err
}

// keep renews the lease until ctx ends. A lease that could not be renewed for
// as long as it lasts is lost: somebody else may have it.
func (t *Turn) keep(ctx context.Context, give func(cause error)) {
	tick := time.NewTicker(t.q.Pace.Beat)
	defer tick.Stop()
	renewed := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		begun := time.Now()
		within, end := context.WithTimeout(ctx, t.q.Pace.Beat)
		cancel, err := t.beat(within)
		end()
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, ErrLost) || err != nil && time.Since(renewed) > t.q.Pace.Expiry-t.q.Pace.Beat:
			give(ErrLost)
			return
		case err != nil:
			t.q.Log.Warn("the lease of a run could not be renewed yet", "run", t.ID, "err", err)
		case cancel:
			give(ErrCancelled)
			return
		default:
			renewed = begun
		}
	}
}

// errLater: the run has to wait for others of its kind or tenant.
var errLater = errors.New("later")

// begin takes the lease of a run. It returns nil if there is nothing to do.
func (q *Queue) begin(ctx context.Context, id string, river int64) (t *Turn, err error) {
	err = q.change(ctx, func(tx *sql.Tx) error {
		r, err := getRun(ctx, tx, id)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		// Whoever has the lease goes on; when it expires the run is queued again.
		if r.finished() || r.State == StateRunning || r.river != river {
			return nil
		}
		if full, err := q.full(ctx, tx, r); err != nil || full {
			return errors.Join(err, later(full))
		}
		r.fence, r.Attempt, r.State, r.Worker, r.Error = r.fence+1, r.Attempt+1, StateRunning, q.Worker, ""
		now := q.now()
		if _, err := tx.ExecContext(ctx, `UPDATE indelible_run SET state = $2, fence = $3, attempt = $4, worker = $5, beat = beat + 1, started = $6, done = 0, total = 0, error = '' WHERE id = $1`,
			id, r.State, r.fence, r.Attempt, r.Worker, now.UnixMilli()); err != nil {
			return err
		}
		r.Started = &now
		t = &Turn{Run: r, q: q}
		return q.ofRun(ctx, tx, "job.started", "success", r, map[string]any{"cause": r.Cause})
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

func later(full bool) error {
	if full {
		return errLater
	}
	return nil
}

// full says whether as many runs go on as may, of the kind or the tenant.
func (q *Queue) full(ctx context.Context, tx *sql.Tx, r *Run) (bool, error) {
	most := 1
	if kind, err := q.Kinds.find(r.Kind); err == nil && kind.AtOnce > 0 {
		most = kind.AtOnce
	}
	if n, ok := q.Limits.Kinds[r.Kind]; ok {
		most = n
	}
	var n int
	if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM indelible_run WHERE finished = 0 AND kind = $1 AND state = $2`, r.Kind, StateRunning).Scan(&n); err != nil || n >= most {
		return true, err
	}
	if q.Limits.Tenant == 0 || r.Tenant == "" {
		return false, nil
	}
	err := tx.QueryRowContext(ctx, `SELECT count(*) FROM indelible_run WHERE finished = 0 AND tenant = $1 AND state = $2`, r.Tenant, StateRunning).Scan(&n)
	return n >= q.Limits.Tenant, err
}

// end notes what came of an attempt, if the lease is still ours.
func (t *Turn) end(ctx context.Context, result any, failed error) error {
	text, err := json.Marshal(result)
	if err != nil {
		failed = errors.Join(failed, fmt.Errorf("result: %w", err))
	}
	if result == nil || err != nil {
		text = nil
	}
	return t.q.change(ctx, func(tx *sql.Tx) error {
		state, wait := t.outcome(failed)
		now, attempt := t.q.now(), t.Attempt
		due, finished := now.Add(wait).UnixMilli(), int64(0)
		switch state {
		case StateSucceeded, StateFailed, StateCancelled:
			due, finished = t.Due.UnixMilli(), now.UnixMilli()
		case StateWaiting: // given back: it was no attempt
			attempt--
		}
		done, err := tx.ExecContext(ctx, `UPDATE indelible_run SET state = $3, attempt = $4, due = $5, finished = $6, done = $7, total = $8, result = $9, error = $10 WHERE id = $1 AND fence = $2 AND state = $11`,
			t.ID, t.fence, state, attempt, due, finished, t.done.Load(), t.total.Load(), string(text), text1000(failed), StateRunning)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, ErrLost)
		}
		if finished == 0 {
			if err := t.q.enqueue(ctx, tx, t.ID, t.Kind, wait); err != nil {
				return err
			}
		}
		if state == StateWaiting {
			return nil
		}
		details := map[string]any{}
		if failed != nil {
			details["error"] = text1000(failed)
		}
		if len(text) > 0 && len(text) < maxWith {
			details["result"] = json.RawMessage(text)
		}
		return t.q.ofRun(ctx, tx, "job."+state, outcomes[state], t.Run, details)
	})
}

// outcomes are those of the events about what came of an attempt.
var outcomes = map[string]string{StateSucceeded: "success", StateCancelled: "cancelled", StateFailed: "failure", StateRetrying: "failure", StateWaiting: "success"}

// outcome is the state an attempt leads to, and how long it waits for the next.
func (t *Turn) outcome(failed error) (state string, wait time.Duration) {
	switch {
	case failed == nil:
		return StateSucceeded, 0
	case errors.Is(failed, ErrCancelled):
		return StateCancelled, 0
	case errors.Is(failed, errEnding):
		return StateWaiting, 0
	case errors.As(failed, new(finalError)) || t.Attempt >= maxAttempts:
		return StateFailed, 0
	}
	return StateRetrying, t.q.Pace.Retry(t.Attempt)
}

// text1000 is an error's text, as long as a row should hold.
func text1000(err error) string {
	if err == nil {
		return ""
	}
	text := []rune(err.Error())
	if len(text) > 1000 {
		text = append(text[:999], '…')
	}
	return string(text)
}
