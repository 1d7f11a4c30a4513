package postgres

import (
	"context"
	"slices"
	"strconv"

	"indelible/internal/runs"
)

// TableName is what the table is called, wherever the search path finds it.
const TableName = "workflow_runs"

// revisionColumn holds the id of the transaction that wrote a row last.
const revisionColumn = "indelible_revision"

// table is what the catalog says about workflow_runs.
type table struct {
	oid       string
	name      string // with its schema, quoted
	schema    string
	relkind   string
	owner     string
	comment   string
	columns   []column
	pages     int64 // of the largest part
	rows      int64 // an estimate, -1 unknown
	leaves    []string
	secured   bool // row level security is enabled
	stamped   bool // the revision column is there and its trigger always fires
	hasColumn bool // the revision column is there
	badStamp  string
	indexed   bool // the revision column has a usable index in every part
}

// column is a column and how it is read.
type column struct {
	name     string
	typ      string // as the database calls it
	oid      uint32 // of the type, or of what a domain stands for
	enum     bool
	nullable bool
}

func (t *table) column(name string) (column, bool) {
	i := slices.IndexFunc(t.columns, func(c column) bool { return c.name == name })
	if i < 0 {
		return column{}, false
	}
	return t.columns[i], true
}

func (t *table) partitioned() bool { return t.relkind == "p" }

const findTable = `
SELECT c.oid, format('%I.%I', n.nspname, c.relname), n.nspname, c.relkind, pg_get_userbyid(c.relowner),
       coalesce(obj_description(c.oid, 'pg_class'), ''), c.relrowsecurity
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = to_regclass('` + TableName + `')`

const findColumns = `
SELECT a.attname, format_type(a.atttypid, a.atttypmod), CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END,
       coalesce(b.typtype, t.typtype) = 'e', NOT a.attnotnull
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_type b ON t.typtype = 'd' AND b.oid = t.typbasetype
WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`

// The parts that hold rows: the table itself, or the leaves of its partitions.
const findLeaves = `
SELECT format('%I.%I', n.nspname, c.relname), pg_relation_size(c.oid) / current_setting('block_size')::bigint, c.reltuples::bigint,
       EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = c.oid AND g.tgname = $2 AND g.tgenabled = 'A'),
       EXISTS (SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
               WHERE i.indrelid = c.oid AND i.indisvalid AND i.indpred IS NULL AND a.attname = $3)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = $1::oid AND c.relkind <> 'p'
   OR c.oid IN (SELECT relid FROM pg_partition_tree($1::oid::regclass) WHERE isleaf)
   OR c.relkind <> 'p' AND c.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = $1::oid)
ORDER BY 1`

// describe looks the table up. The search path is used for that and then put
// out of force: later statements name everything in full.
func (c *conn) describe(ctx context.Context) (*table, error) {
	rows, err := c.query(ctx, findTable)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, runs.Failf(runs.Schema, "check the database and its search_path; `indelible sample runs` makes one to try things out", "there is no table %s", TableName)
	}
	r := rows[0]
	t := &table{oid: r[0], name: r[1], schema: r[2], relkind: r[3], owner: r[4], comment: r[5], secured: r[6] == "t"}
	if t.relkind != "r" && t.relkind != "p" && t.relkind != "m" {
		return nil, runs.Failf(runs.Schema, "put the table itself on the search path", "%s is a view or a foreign table: its rows have no fixed order", TableName)
	}
	if err := c.exec(ctx, "SET LOCAL search_path = pg_catalog"); err != nil {
		return nil, err
	}
	if rows, err = c.query(ctx, findColumns, t.oid); err != nil {
		return nil, err
	}
	for _, r := range rows {
		oid, err := strconv.ParseUint(r[2], 10, 32)
		if err != nil {
			return nil, err
		}
		t.columns = append(t.columns, column{r[0], r[1], uint32(oid), r[3] == "t", r[4] == "t"})
	}
	if rows, err = c.query(ctx, findLeaves, t.oid, triggerName, revisionColumn); err != nil {
		return nil, err
	}
	_, t.hasColumn = t.column(revisionColumn)
	t.stamped, t.indexed = t.hasColumn, t.hasColumn && len(rows) > 0
	for _, r := range rows {
		pages, err := strconv.ParseInt(r[1], 10, 64)
		if err != nil {
			return nil, err
		}
		tuples, err := strconv.ParseInt(r[2], 10, 64)
		if err != nil {
			return nil, err
		}
		t.leaves = append(t.leaves, r[0])
		t.pages = max(t.pages, pages)
		if tuples < 0 || t.rows < 0 {
			t.rows = -1
		} else {
			t.rows += tuples
		}
		if t.hasColumn && r[3] != "t" {
			t.stamped, t.badStamp = false, r[0]
		}
		t.indexed = t.indexed && r[4] == "t"
	}
	return t, t.checkRevision()
}

// checkRevision refuses a column that has the name and is not what it seems.
func (t *table) checkRevision() error {
	c, ok := t.column(revisionColumn)
	if ok && (c.oid != typeXID8 || c.nullable) {
		return runs.Failf(runs.Schema, "drop it, and run `indelible runs migrate`", "column %s is %s, not xid8 NOT NULL", revisionColumn, c.typ)
	}
	return nil
}

// sampleMark begins the comment of a table that `sample runs` filled.
const sampleMark = "made-up workflow runs (indelible sample runs"

// describeColumn is a column for Info.
func (c column) describe(extra bool) runs.Column {
	return runs.Column{Name: c.name, Type: c.typ, Nullable: c.nullable, Extra: extra}
}

func missing(name string) error {
	return runs.Failf(runs.Schema, "name the columns there are with --columns, or add it", "table %s has no column %s", TableName, name)
}
