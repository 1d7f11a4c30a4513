package sqlite

import (
	"context"
	"database/sql"
	"slices"
	"strings"

	"indelible/internal/runs"
)

// Names of what `runs migrate` makes.
const (
	revisionColumn = "indelible_revision"
	counterTable   = "indelible_counter"
	insertTrigger  = "indelible_revision_insert"
	updateTrigger  = "indelible_revision_update"
	indexName      = "workflow_runs_indelible_revision"
	sampleTable    = "indelible_sample"
)

// table is what the schema says about workflow_runs.
type table struct {
	columns   []column
	rowid     bool // rows have a rowid, whose order is the table's
	low, high int64
	rows      int64 // an estimate, -1 unknown
	stamped   bool  // revisions, their counter and both triggers are there
	hasColumn bool
	indexed   bool
	sample    bool
	database  string // random, made with the counter
	revision  int64  // the last one given
	version   string
}

type column struct {
	name     string
	typ      string
	nullable bool
	primary  bool
}

func (t *table) column(name string) (column, bool) {
	i := slices.IndexFunc(t.columns, func(c column) bool { return c.name == name })
	if i < 0 {
		return column{}, false
	}
	return t.columns[i], true
}

// querier is a connection or a transaction on it.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func has(ctx context.Context, q querier, kind, name string) (found bool, err error) {
	err = q.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM main.sqlite_schema WHERE type = ? AND name = ?)", kind, name).Scan(&found)
	return found, err
}

func describe(ctx context.Context, q querier) (*table, error) {
	found, err := has(ctx, q, "table", TableName)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, runs.Failf(runs.Schema, "check the file; `indelible sample runs --sqlite FILE` makes one to try things out", "there is no table %s", TableName)
	}
	t := &table{rows: -1}
	if err := q.QueryRowContext(ctx, "SELECT sqlite_version()").Scan(&t.version); err != nil {
		return nil, err
	}
	if err := t.findColumns(ctx, q); err != nil {
		return nil, err
	}
	var withoutRowid bool
	if err := q.QueryRowContext(ctx, "SELECT wr FROM pragma_table_list WHERE schema = 'main' AND name = ?", TableName).Scan(&withoutRowid); err != nil {
		return nil, err
	}
	t.rowid = !withoutRowid
	if t.rowid {
		err := q.QueryRowContext(ctx, "SELECT coalesce(min(rowid), 0), coalesce(max(rowid), 0) FROM main."+TableName).Scan(&t.low, &t.high)
		if err != nil {
			return nil, err
		}
		if t.low > 0 { // rowids are given one after the other as a rule
			t.rows = t.high - t.low + 1
		}
	}
	if t.sample, err = has(ctx, q, "table", sampleTable); err != nil {
		return nil, err
	}
	return t, t.findRevision(ctx, q)
}

func (t *table) findColumns(ctx context.Context, q querier) error {
	rows, err := q.QueryContext(ctx, "SELECT name, type, \"notnull\", pk FROM pragma_table_xinfo(?)", TableName)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var c column
		var notNull, pk int
		if err := rows.Scan(&c.name, &c.typ, &notNull, &pk); err != nil {
			return err
		}
		c.nullable, c.primary = notNull == 0, pk > 0
		c.typ = strings.ToLower(c.typ)
		t.columns = append(t.columns, c)
	}
	return rows.Err()
}

func (t *table) findRevision(ctx context.Context, q querier) error {
	if _, t.hasColumn = t.column(revisionColumn); !t.hasColumn {
		return nil
	}
	t.stamped = true
	for _, x := range [][2]string{{"table", counterTable}, {"trigger", insertTrigger}, {"trigger", updateTrigger}} {
		found, err := has(ctx, q, x[0], x[1])
		if err != nil {
			return err
		}
		t.stamped = t.stamped && found
	}
	var err error
	if t.indexed, err = has(ctx, q, "index", indexName); err != nil || !t.stamped {
		return err
	}
	return q.QueryRowContext(ctx, "SELECT last, database FROM main."+counterTable).Scan(&t.revision, &t.database)
}

func missing(name string) error {
	return runs.Failf(runs.Schema, "name the columns there are with --columns, or add it", "table %s has no column %s", TableName, name)
}
