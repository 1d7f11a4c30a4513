package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"iter"
	"os"
	"strings"
	"time"

	"indelible/internal/runs"
)

// createTable is the table as the sample makes it. Times are RFC 3339 text in
// UTC, metadata JSON text.
const createTable = `CREATE TABLE ` + TableName + ` (
  id               TEXT PRIMARY KEY,
  tenant_id        TEXT NOT NULL,
  workflow_name    TEXT NOT NULL,
  workflow_version TEXT NOT NULL,
  status           TEXT NOT NULL,
  started_at       TEXT,
  completed_at     TEXT,
  duration_ms      INTEGER,
  steps_completed  INTEGER,
  steps_total      INTEGER,
  error_message    TEXT,
  metadata         TEXT,
  created_at       TEXT NOT NULL
)`

// Fill makes file and table where there is none and fills the table with made-up
// rows, all of them or none, and marks the file as a sample. Rows of an earlier
// sample go; a table with other rows is refused.
func Fill(ctx context.Context, file string, rows iter.Seq[*runs.Run], about string) (err error) {
	s := &Source{file}
	_, statErr := os.Stat(file)
	db, err := s.open("rwc")
	if err != nil {
		return err
	}
	defer db.Close()
	if err := fill(ctx, db, rows, about); err != nil {
		db.Close()
		if os.IsNotExist(statErr) {
			os.Remove(file)
		}
		return s.explain(ctx, err)
	}
	return nil
}

// batch is how many rows one statement inserts.
const batch = 50

func fill(ctx context.Context, db *sql.DB, rows iter.Seq[*runs.Run], about string) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	if err := readyForSample(ctx, conn); err != nil {
		return err
	}
	if err := conn.Raw(func(raw any) error { return insert(ctx, raw.(driver.ConnPrepareContext), rows) }); err != nil {
		return err
	}
	_, err = conn.ExecContext(ctx, "DELETE FROM "+sampleTable+"; INSERT INTO "+sampleTable+" VALUES ("+text(about)+"); COMMIT")
	return err
}

func readyForSample(ctx context.Context, conn *sql.Conn) error {
	exists, err := has(ctx, conn, "table", TableName)
	if err != nil {
		return err
	}
	marked, err := has(ctx, conn, "table", sampleTable)
	if err != nil {
		return err
	}
	sql := "CREATE TABLE IF NOT EXISTS " + sampleTable + " (made TEXT);"
	if !exists {
		sql += createTable
	} else {
		var full bool
		if err := conn.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM "+TableName+")").Scan(&full); err != nil {
			return err
		}
		if full && !marked {
			return runs.Failf(runs.Usage, "give another file; sample rows never go among real ones", "table %s holds rows that are no sample", TableName)
		}
		sql += "DELETE FROM " + TableName
	}
	_, err = conn.ExecContext(ctx, sql)
	return err
}

func insert(ctx context.Context, conn driver.ConnPrepareContext, rows iter.Seq[*runs.Run]) error {
	row := "(" + strings.TrimSuffix(strings.Repeat("?,", len(runs.Columns)), ",") + ")"
	prepare := func(n int) (driver.Stmt, error) {
		return conn.PrepareContext(ctx, "INSERT INTO "+TableName+" ("+strings.Join(runs.Columns, ", ")+") VALUES "+strings.TrimSuffix(strings.Repeat(row+",", n), ","))
	}
	many, err := prepare(batch)
	if err != nil {
		return err
	}
	defer many.Close()
	args := make([]driver.NamedValue, 0, batch*len(runs.Columns))
	flush := func(stmt driver.Stmt) error {
		_, err := stmt.(driver.StmtExecContext).ExecContext(ctx, args)
		args = args[:0]
		return err
	}
	for r := range rows {
		for _, v := range values(r) {
			args = append(args, driver.NamedValue{Ordinal: len(args) + 1, Value: v})
		}
		if len(args) == cap(args) {
			if err := flush(many); err != nil {
				return err
			}
		}
	}
	if len(args) == 0 {
		return nil
	}
	rest, err := prepare(len(args) / len(runs.Columns))
	if err != nil {
		return err
	}
	defer rest.Close()
	return flush(rest)
}

func values(r *runs.Run) []driver.Value {
	text := func(b []byte) driver.Value {
		if b == nil {
			return nil
		}
		return string(b)
	}
	at := func(t runs.Time) driver.Value {
		if !t.Valid {
			return nil
		}
		return t.UTC().Format(time.RFC3339Nano)
	}
	number := func(n runs.Int) driver.Value {
		if !n.Valid {
			return nil
		}
		return n.N
	}
	return []driver.Value{
		text(r.ID), text(r.TenantID), text(r.WorkflowName), text(r.WorkflowVersion), text(r.Status), at(r.StartedAt), at(r.CompletedAt), number(r.DurationMS),
		number(r.StepsCompleted), number(r.StepsTotal), text(r.ErrorMessage), text(r.Metadata), at(r.CreatedAt),
	}
}
