package sqlite

import (
	"context"
	"database/sql"

	"indelible/internal/runs"
)

// Plan says what a migration has to do: nothing if all is there.
func (s *Source) Plan(ctx context.Context, m runs.Migration) ([]runs.Step, error) {
	db, err := s.open("ro")
	if err != nil {
		return nil, err
	}
	defer db.Close()
	steps, err := planMigration(ctx, db, m)
	return steps, s.explain(ctx, err)
}

// Apply carries out a migration in one transaction.
func (s *Source) Apply(ctx context.Context, m runs.Migration, done func(runs.Step)) error {
	db, err := s.open("rw")
	if err != nil {
		return err
	}
	defer db.Close()
	return s.explain(ctx, apply(ctx, db, m, done))
}

func apply(ctx context.Context, db *sql.DB, m runs.Migration, done func(runs.Step)) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	steps, err := planMigration(ctx, conn, m)
	for _, step := range steps {
		if err == nil {
			_, err = conn.ExecContext(ctx, step.SQL)
		}
	}
	if err != nil {
		conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
		return err
	}
	if _, err := conn.ExecContext(ctx, "COMMIT"); err != nil {
		return err
	}
	for _, step := range steps {
		done(step)
	}
	return nil
}

// stamp gives a row the next revision, whatever was written into it. The trigger's
// own update would fire it again: the counter says that it is busy, and a
// statement that fails takes that back as well.
const stamp = " FOR EACH ROW WHEN (SELECT NOT busy FROM " + counterTable + ") BEGIN\n" +
	"  UPDATE " + counterTable + " SET last = last + 1, busy = 1;\n" +
	"  UPDATE " + TableName + " SET " + revisionColumn + " = (SELECT last FROM " + counterTable + ") WHERE rowid = NEW.rowid;\n" +
	"  UPDATE " + counterTable + " SET busy = 0;\nEND"

func planMigration(ctx context.Context, q querier, m runs.Migration) ([]runs.Step, error) {
	t, err := describe(ctx, q)
	if err != nil {
		return nil, err
	}
	if !t.rowid && !m.Revert {
		return nil, runs.Failf(runs.Schema, "make the table anew without WITHOUT ROWID", "%s has no rowid, which revisions need", TableName)
	}
	have := map[string]bool{}
	for _, x := range [][2]string{{"table", counterTable}, {"trigger", insertTrigger}, {"trigger", updateTrigger}, {"index", indexName}} {
		if have[x[1]], err = has(ctx, q, x[0], x[1]); err != nil {
			return nil, err
		}
	}
	var steps []runs.Step
	add := func(cond bool, what, sql string) {
		if cond {
			steps = append(steps, runs.Step{What: what, SQL: sql})
		}
	}
	if m.Revert {
		for _, trigger := range []string{insertTrigger, updateTrigger} {
			add(have[trigger], "the trigger goes", "DROP TRIGGER "+trigger)
		}
		add(have[indexName], "the index goes", "DROP INDEX "+indexName)
		add(t.hasColumn, "the column goes: every row is written once", "ALTER TABLE "+TableName+" DROP COLUMN "+revisionColumn)
		add(have[counterTable], "the counter goes", "DROP TABLE "+counterTable)
		return steps, nil
	}
	add(!have[counterTable], "a counter of changes; SQLite has one writer at a time, so it is exact",
		"CREATE TABLE "+counterTable+" (one INTEGER PRIMARY KEY CHECK (one = 1), last INTEGER NOT NULL, busy INTEGER NOT NULL, database TEXT NOT NULL);\n"+
			"INSERT INTO "+counterTable+" VALUES (1, 1, 0, lower(hex(randomblob(16))))")
	// Rows there are have revision 1.
	add(!t.hasColumn, "a revision for each row. Quick, no row is rewritten", "ALTER TABLE "+TableName+" ADD COLUMN "+revisionColumn+" INTEGER NOT NULL DEFAULT 1")
	add(!have[insertTrigger], "stamp every row that is inserted: it is written twice", "CREATE TRIGGER "+insertTrigger+" AFTER INSERT ON "+TableName+stamp)
	add(!have[updateTrigger], "stamp every row that is updated: it is written twice", "CREATE TRIGGER "+updateTrigger+" AFTER UPDATE ON "+TableName+stamp)
	add(!have[indexName] && !m.NoIndex, "find new rows quickly; writers wait while it is built", "CREATE INDEX "+indexName+" ON "+TableName+" ("+revisionColumn+")")
	add(m.Restamp, "stamp every row anew, and give the file a new identity: writes every row",
		"UPDATE "+counterTable+" SET database = lower(hex(randomblob(16)));\nUPDATE "+TableName+" SET "+revisionColumn+" = 0")
	return steps, nil
}
