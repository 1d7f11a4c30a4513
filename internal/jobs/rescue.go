package jobs

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// A rescuer finds runs whose worker died, and queues them again. It believes no
// clock but its own: a run is taken over when nothing of it has changed for as
// long as this process has watched it.
type rescuer struct {
	q    *Queue
	seen map[string]sighting
}

// sighting is a run as it looked, and since when.
type sighting struct {
	fence, beat, river int64
	state              string
	since              time.Time
}

func (r *rescuer) look(ctx context.Context) error {
	now := time.Now()
	found, err := r.idle(ctx)
	if err != nil {
		return err
	}
	for id, was := range r.seen {
		if is, ok := found[id]; !ok || is.fence != was.fence || is.beat != was.beat || is.river != was.river || is.state != was.state {
			delete(r.seen, id)
		}
	}
	for id, is := range found {
		was, ok := r.seen[id]
		if !ok {
			is.since = now
			r.seen[id] = is
			continue
		}
		if now.Sub(was.since) < r.q.Pace.Expiry {
			continue
		}
		if err := r.takeOver(ctx, id, was); err != nil {
			return fmt.Errorf("run %s: %w", id, err)
		}
		delete(r.seen, id)
	}
	return nil
}

// idle finds runs that are leased, and runs that River does not know of any
// more: whoever fetched one may have died before it took the lease.
func (r *rescuer) idle(ctx context.Context) (map[string]sighting, error) {
	rows, err := r.q.db.QueryContext(ctx, `SELECT r.id, r.fence, r.beat, r.river, r.state FROM indelible_run r LEFT JOIN river_job j ON j.id = r.river
		WHERE r.finished = 0 AND (r.state = $1 OR j.id IS NULL OR j.state IN ('running', 'completed', 'cancelled', 'discarded'))`, StateRunning)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := make(map[string]sighting)
	for rows.Next() {
		var id string
		var s sighting
		if err := rows.Scan(&id, &s.fence, &s.beat, &s.river, &s.state); err != nil {
			return nil, err
		}
		found[id] = s
	}
	return found, rows.Err()
}

// takeOver fences the worker that had a run, and queues it again. A run that
// has taken its last worker with it fails.
func (r *rescuer) takeOver(ctx context.Context, id string, s sighting) error {
	q := r.q
	return q.change(ctx, func(tx *sql.Tx) error {
		run, err := getRun(ctx, tx, id)
		if err != nil {
			return err
		}
		state, finished := StateWaiting, int64(0)
		text := ""
		switch {
		case run.cancel:
			state, finished = StateCancelled, q.now().UnixMilli()
		case run.Attempt >= maxAttempts:
			state, finished, text = StateFailed, q.now().UnixMilli(), "its workers died, each time"
		}
		done, err := tx.ExecContext(ctx, `UPDATE indelible_run SET state = $5, fence = fence + 1, finished = $6, error = $7 WHERE id = $1 AND fence = $2 AND beat = $3 AND river = $4 AND state = $8`,
			id, s.fence, s.beat, s.river, state, finished, text, s.state)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n == 0 {
			return err // it moved after all
		}
		// What River knows of it belongs to a worker that is gone.
		if _, err := tx.ExecContext(ctx, `DELETE FROM river_job WHERE id = $1`, s.river); err != nil {
			return err
		}
		what := "job." + state
		if finished == 0 {
			what = "job.taken_over"
			if err := q.enqueue(ctx, tx, id, run.Kind, 0); err != nil {
				return err
			}
		}
		q.Log.Warn("a run's worker died", "run", id, "worker", run.Worker, "now", state)
		run.fence++
		return q.ofRun(ctx, tx, what, outcomes[state], run, nil)
	})
}
