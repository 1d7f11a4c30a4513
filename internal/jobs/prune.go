package jobs

import (
	"context"
	"database/sql"
	"time"
)

// keepRuns is how long the row of a run stays after its end. What happened
// stays in the ledger.
const keepRuns = 90 * 24 * time.Hour

// pruneAtOnce bounds what one transaction deletes.
const pruneAtOnce = 10_000

// prune deletes the rows of runs that ended long ago. Of each schedule the last
// run of each outcome stays: how it stands, and where the next one goes on.
func (q *Queue) prune(ctx context.Context) error {
	return inTx(ctx, q.db, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM indelible_run WHERE id IN (SELECT r.id FROM indelible_run r WHERE r.finished > 0 AND r.finished < $1
			AND EXISTS (SELECT 1 FROM indelible_run l WHERE l.schedule = r.schedule AND l.planned > r.planned AND l.finished > 0 AND l.state = r.state) LIMIT $2)`,
			q.now().Add(-keepRuns).UnixMilli(), pruneAtOnce)
		return err
	})
}
