package sqlite

import (
	"context"
	"database/sql"
	"fmt"
)

// forgetAtOnce is how many events one transaction removes.
const forgetAtOnce = 10_000

// Forget implements search.Index. What was removed is overwritten in the file.
func (x *Index) Forget(ctx context.Context, tenantID string, userID *string) error {
	which := `kind IN (SELECT id FROM kinds WHERE tenant_id = ?1)`
	args := []any{tenantID}
	if userID != nil {
		which += ` AND user_id = ?2`
		if *userID != "" {
			which += ` AND user_id <> 0` // says that the index on users will do
		}
		args = append(args, number(tenantID, "user_id", *userID))
	}
	for {
		n, err := x.forgetSome(ctx, which, args)
		if err != nil {
			return err
		}
		if n < forgetAtOnce {
			break
		}
	}
	// Pages as they were before are in the log that SQLite writes ahead.
	_, err := x.write.ExecContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`)
	return err
}

func (x *Index) forgetSome(ctx context.Context, which string, args []any) (n int64, err error) {
	err = x.change(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `CREATE TEMP TABLE gone (idx INTEGER PRIMARY KEY, kind INTEGER)`); err != nil {
			return err
		}
		done, err := tx.ExecContext(ctx, fmt.Sprintf(`INSERT INTO gone SELECT idx, kind FROM events WHERE %s LIMIT %d`, which, forgetAtOnce), args...)
		if err != nil {
			return err
		}
		if n, err = done.RowsAffected(); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `
			DELETE FROM words WHERE rowid IN (SELECT idx FROM gone);
			DELETE FROM events WHERE idx IN (SELECT idx FROM gone);
			UPDATE kinds SET n = n - (SELECT count(*) FROM gone WHERE kind = kinds.id) WHERE id IN (SELECT kind FROM gone);
			DELETE FROM kinds WHERE n <= 0;
			DROP TABLE gone`)
		return err
	})
	return n, err
}

// Reset implements search.Index.
func (x *Index) Reset(ctx context.Context) error {
	return x.change(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM kinds; DELETE FROM events; DELETE FROM blocks; INSERT INTO words (words) VALUES ('delete-all'); UPDATE meta SET value = 0 WHERE name = 'next'`)
		return err
	})
}
