package jobs

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
)

// Dialect is which database a *sql.DB speaks to.
type Dialect int

// The databases there are. SQLite needs transactions that begin IMMEDIATE and
// one connection.
const (
	SQLite Dialect = iota
	PostgreSQL
)

func (d Dialect) driver(db *sql.DB) riverdriver.Driver[*sql.Tx] {
	if d == PostgreSQL {
		return riverdatabasesql.New(db)
	}
	return riversqlite.New(db)
}

// migrations make our tables, one after the other, forward only. Times are
// milliseconds since 1970; 0 is never.
var migrations = []string{
	// The gate is one row: whoever changes anything holds it until the end of
	// the transaction, so changes come one after the other on every database.
	// plan counts changes of what has to be planned.
	`CREATE TABLE indelible_gate (turn BIGINT NOT NULL, plan BIGINT NOT NULL);
	INSERT INTO indelible_gate VALUES (0, 0);
	CREATE TABLE indelible_schedule (
		name TEXT PRIMARY KEY,
		definition TEXT NOT NULL,
		source TEXT NOT NULL,
		paused BIGINT NOT NULL,
		planned BIGINT NOT NULL,
		missed BIGINT NOT NULL DEFAULT 0
	);
	CREATE TABLE indelible_run (
		id TEXT PRIMARY KEY,
		schedule TEXT NOT NULL,
		planned BIGINT NOT NULL,
		kind TEXT NOT NULL,
		tenant TEXT NOT NULL,
		args TEXT NOT NULL,
		cause TEXT NOT NULL,
		state TEXT NOT NULL,
		attempt BIGINT NOT NULL,
		fence BIGINT NOT NULL,
		beat BIGINT NOT NULL,
		worker TEXT NOT NULL,
		due BIGINT NOT NULL,
		started BIGINT NOT NULL,
		finished BIGINT NOT NULL,
		done BIGINT NOT NULL,
		total BIGINT NOT NULL,
		result TEXT NOT NULL,
		error TEXT NOT NULL,
		cancel BIGINT NOT NULL,
		river BIGINT NOT NULL,
		UNIQUE (schedule, planned)
	);
	CREATE INDEX indelible_run_unfinished ON indelible_run (finished, kind);
	CREATE TABLE indelible_outbox (id TEXT PRIMARY KEY, turn BIGINT NOT NULL, event TEXT NOT NULL);
	CREATE INDEX indelible_outbox_order ON indelible_outbox (turn, id)`,
}

// ErrNewer: a newer version of the program has been here.
var ErrNewer = errors.New("the jobs database was made by a newer version of this program")

// lockName is what processes that start together wait for on PostgreSQL.
const lockName = 0x1de11b1e

// Migrate brings the tables of River and our own to what this program needs.
// Processes that start together do it one after the other.
func (d Dialect) Migrate(ctx context.Context, db *sql.DB) error {
	err := d.migrate(ctx, db)
	if err != nil && !errors.Is(err, ErrNewer) {
		err = fmt.Errorf("prepare the jobs database: %w", err)
	}
	return err
}

func (d Dialect) migrate(ctx context.Context, db *sql.DB) error {
	river, err := rivermigrate.New(d.driver(db), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	if d == SQLite {
		// Each step is a transaction, which others wait for. Who then finds the
		// step done by another looks again, which can happen once for each.
		for range 100 {
			if _, err = river.Migrate(ctx, rivermigrate.DirectionUp, nil); err == nil || ctx.Err() != nil {
				break
			}
		}
		if err != nil {
			return err
		}
		return inTx(ctx, db, func(tx *sql.Tx) error { return migrateOwn(ctx, tx) })
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, `SELECT pg_advisory_lock($1)`, lockName); err != nil {
		return err
	}
	defer conn.ExecContext(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock($1)`, lockName)
	if _, err := river.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return err
	}
	return inTx(ctx, db, func(tx *sql.Tx) error { return migrateOwn(ctx, tx) })
}

func migrateOwn(ctx context.Context, tx *sql.Tx) error {
	if _, err := tx.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS indelible_migration (version BIGINT PRIMARY KEY)`); err != nil {
		return err
	}
	var version int
	if err := tx.QueryRowContext(ctx, `SELECT coalesce(max(version), 0) FROM indelible_migration`).Scan(&version); err != nil {
		return err
	}
	if version > len(migrations) {
		return ErrNewer
	}
	for ; version < len(migrations); version++ {
		if _, err := tx.ExecContext(ctx, migrations[version]); err != nil {
			return fmt.Errorf("migration %d: %w", version+1, err)
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO indelible_migration VALUES ($1)`, version+1); err != nil {
			return err
		}
	}
	return nil
}

// inTx runs f in a transaction.
func inTx(ctx context.Context, db *sql.DB, f func(tx *sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after Commit it does nothing
	if err := f(tx); err != nil {
		return err
	}
	return tx.Commit()
}
