package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"indelible/internal/runs"
)

// cursor is where a link of a chain ends. To everybody else it is opaque.
type cursor struct {
	Kind     string `json:"kind"` // postgresql
	System   string `json:"system"`
	Database string `json:"database"`
	Table    string `json:"table"`
	Timeline int64  `json:"timeline"`
	LSN      string `json:"lsn"`
	// Snapshot says which transactions were seen, as pg_snapshot writes it; on a
	// standby only the ceiling is known. Empty without revisions.
	Snapshot string `json:"snapshot,omitempty"`
	// Column and Until are what a chain without revisions goes by.
	Column string `json:"column,omitempty"`
	Until  int64  `json:"until,omitempty"`
}

// place is where and when a snapshot was taken.
type place struct {
	system, database string
	timeline         int64
	lsn              string
	standby          bool
	snapshot         string // xmin:xmax:in progress
	micros           int64
	exported         string
	encoding         string
	version          string
}

// The first statement takes the snapshot; the others of the transaction see it.
const findPlace = `
SELECT pg_export_snapshot(), pg_current_snapshot(), (extract(epoch FROM statement_timestamp()) * 1000000)::bigint,
       pg_is_in_recovery(), current_setting('server_encoding'), current_setting('server_version'),
       (SELECT oid FROM pg_database WHERE datname = current_database()),
       CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END`

// locate takes the snapshot.
func (c *conn) locate(ctx context.Context) (*place, error) {
	r, err := c.one(ctx, findPlace)
	if err != nil {
		return nil, err
	}
	p := &place{exported: r[0], snapshot: r[1], standby: r[3] == "t", encoding: r[4], database: r[6], lsn: r[7]}
	p.version, _, _ = strings.Cut(r[5], " ")
	if p.micros, err = strconv.ParseInt(r[2], 10, 64); err != nil {
		return nil, err
	}
	if p.standby {
		// A standby does not know which transactions are still running: only what
		// is below the oldest of them is certain.
		xmin, _, _ := strings.Cut(p.snapshot, ":")
		p.snapshot = xmin + ":" + xmin + ":"
	}
	return p, nil
}

// identify finds out which database this is: the system's identifier, and the
// timeline it writes, which a promotion changes. The control file's timeline is
// that of the last checkpoint, which is older; the name of the current WAL file
// is not, but a standby writes none.
func (c *conn) identify(ctx context.Context, p *place) error {
	sql := "SELECT system_identifier, ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint FROM pg_control_system()"
	if p.standby {
		sql = `SELECT system_identifier, coalesce((SELECT received_tli FROM pg_stat_wal_receiver), (SELECT timeline_id FROM pg_control_checkpoint()))
FROM pg_control_system()`
	}
	r, err := c.one(ctx, sql)
	if err != nil {
		return err
	}
	p.system = r[0]
	p.timeline, err = strconv.ParseInt(r[1], 10, 64)
	return err
}

// link is the condition on rows of one link of a chain.
type link struct {
	from   cursor // zero: from the beginning
	begins bool
	next   cursor
	upper  string // rows must be visible in it; empty: in the snapshot itself
}

// chainOf works out what the next link reads and where it ends.
func (t *table) chainOf(p *place, q *runs.Query, plan *plan) (*link, error) {
	l := &link{begins: true}
	l.next = cursor{Kind: "postgresql", System: p.system, Database: p.database, Table: t.oid, Timeline: p.timeline, LSN: p.lsn}
	if t.stamped {
		l.next.Snapshot = p.snapshot
		if p.standby {
			l.upper = p.snapshot
		}
	} else {
		if t.hasColumn {
			return nil, runs.Failf(runs.Schema, "run `indelible runs migrate --apply`: rows written meanwhile have to be stamped anew with --restamp", "the trigger that stamps revisions does not always fire on %s", t.badStamp)
		}
		if err := t.windowed(l, p, q); err != nil {
			return nil, err
		}
	}
	if plan != nil && plan.Next != nil {
		l.next = *plan.Next
		if t.stamped {
			l.upper = l.next.Snapshot
		}
	}
	if q.Range.From == nil {
		return l, nil
	}
	var from cursor
	if err := json.Unmarshal(q.Range.From, &from); err != nil {
		return nil, runs.Failf(runs.OtherSource, "begin a new chain, or go on with --resync", "the cursor of the chain cannot be read")
	}
	if q.Range.Resync {
		return l, nil
	}
	if err := from.goesOn(p, t); err != nil {
		return nil, err
	}
	l.from, l.begins = from, false
	return l, nil
}

// windowed is the way without revisions: by a time, with an overlap.
func (t *table) windowed(l *link, p *place, q *runs.Query) error {
	if q.Range.IncludeRunning {
		return runs.Failf(runs.Usage, "run `indelible runs migrate --apply`, which adds revisions", "without revisions a chain cannot include running rows: it would not see them end")
	}
	name := q.Range.Column
	if name == "" {
		name = "completed_at"
	}
	c, ok := t.column(name)
	if !ok {
		return missing(name)
	}
	if c.oid != typeTimestampTZ && c.oid != typeTimestamp {
		return runs.Failf(runs.Usage, "name a column that holds a time", "column %s is %s, not a time", name, c.typ)
	}
	l.next.Column, l.next.Until = name, p.micros
	return nil
}

// goesOn refuses to go on from a cursor of another database, or of a future this
// one never had: a backup that lagged behind and was promoted would lose rows
// without a word.
func (from *cursor) goesOn(p *place, t *table) error {
	no := func(format string, args ...any) error {
		return runs.Failf(runs.OtherSource, "run `indelible runs migrate --restamp --apply` there, then go on with --resync", "the chain cannot go on: "+format, args...)
	}
	switch {
	case from.Kind != "postgresql":
		return no("it was begun on another kind of database")
	case from.System != p.system:
		return no("this is another database system")
	case from.Database != p.database || from.Table != t.oid:
		return no("the database or the table was made anew")
	case from.Timeline != p.timeline:
		return no("the database was restored or a standby promoted (timeline %d, the chain ended on %d)", p.timeline, from.Timeline)
	case t.stamped != (from.Snapshot != ""):
		return runs.Failf(runs.OtherSource, "go on with --resync", "the chain cannot go on: the table has revisions now, or has them no more")
	}
	before, err := parseLSN(from.LSN)
	if err != nil {
		return no("its cursor is damaged")
	}
	now, err := parseLSN(p.lsn)
	if err != nil {
		return err
	}
	if now < before && !p.standby {
		return no("the database is older than the chain (WAL position %s, the chain ended at %s)", p.lsn, from.LSN)
	}
	if from.Snapshot == "" {
		return nil
	}
	_, oldMax, err := parseSnapshot(from.Snapshot)
	if err != nil {
		return no("its cursor is damaged")
	}
	_, nowMax, err := parseSnapshot(p.snapshot)
	if err != nil {
		return err
	}
	if nowMax < oldMax {
		if p.standby {
			return runs.Failf(runs.OtherSource, "wait until it has caught up, or export from where the chain was written last", "the standby is behind the chain")
		}
		return no("the database is older than the chain (transaction %d, the chain ended at %d)", nowMax, oldMax)
	}
	return nil
}

// condition adds the conditions of the link.
func (l *link) condition(t *table, s *statement, q *runs.Query) {
	if !t.stamped {
		col, _ := t.column(l.next.Column)
		cast := col.momentCast()
		s.and("status::text = ANY (" + s.bindList(q.Terminal) + ")")
		s.and(ident(col.name) + " < " + s.bind(moment(runs.Time{Micros: l.next.Until, Valid: true})) + cast)
		if !l.begins {
			from := min(l.from.Until, l.next.Until) - overlap(q.Range)
			s.and(ident(col.name) + " >= " + s.bind(moment(runs.Time{Micros: from, Valid: true})) + cast)
		}
		return
	}
	if !l.begins {
		xmin, _, _ := strings.Cut(l.from.Snapshot, ":")
		s.and(revisionColumn + " >= " + s.bind(xmin) + "::xid8")
		s.and("NOT pg_visible_in_snapshot(" + revisionColumn + ", " + s.bind(l.from.Snapshot) + "::pg_snapshot)")
	}
	if l.upper != "" {
		_, xmax, _ := strings.Cut(l.upper, ":")
		xmax, _, _ = strings.Cut(xmax, ":")
		s.and(revisionColumn + " < " + s.bind(xmax) + "::xid8")
		s.and("pg_visible_in_snapshot(" + revisionColumn + ", " + s.bind(l.upper) + "::pg_snapshot)")
	}
}

func overlap(r *runs.Range) int64 {
	if r.Overlap > 0 {
		return r.Overlap.Microseconds()
	}
	return int64(runs.DefaultOverlap / time.Microsecond)
}

func (l *link) guarantee(t *table) string {
	if t.stamped {
		return runs.ExactGuarantee
	}
	return runs.BestEffort
}

func parseLSN(s string) (uint64, error) {
	high, low, ok := strings.Cut(s, "/")
	if !ok {
		return 0, fmt.Errorf("%q is not a WAL position", s)
	}
	h, err := strconv.ParseUint(high, 16, 32)
	if err != nil {
		return 0, err
	}
	l, err := strconv.ParseUint(low, 16, 32)
	return h<<32 | l, err
}

func parseSnapshot(s string) (xmin, xmax uint64, err error) {
	parts := strings.SplitN(s, ":", 3)
	if len(parts) != 3 {
		return 0, 0, fmt.Errorf("%q is not a snapshot", s)
	}
	if xmin, err = strconv.ParseUint(parts[0], 10, 64); err != nil {
		return 0, 0, err
	}
	xmax, err = strconv.ParseUint(parts[1], 10, 64)
	return xmin, xmax, err
}

// lag says who holds rows back, and how far behind a standby is.
func (c *conn) lag(ctx context.Context, p *place) ([]string, error) {
	var notes []string
	if p.standby {
		r, err := c.one(ctx, "SELECT coalesce(extract(epoch FROM now() - pg_last_xact_replay_timestamp())::bigint, -1)")
		if err != nil {
			return nil, err
		}
		seconds, err := strconv.ParseInt(r[0], 10, 64)
		if err != nil {
			return nil, err
		}
		if seconds >= 0 {
			notes = append(notes, fmt.Sprintf("read from a standby; the last transaction it replayed is %s old", time.Duration(seconds)*time.Second))
		}
		return notes, nil
	}
	// Who holds a transaction is known to everybody, since when only to some.
	rows, err := c.query(ctx, `SELECT l.pid, coalesce(extract(epoch FROM now() - a.xact_start)::bigint || ' s', age(l.transactionid) || ' transactions')
FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'transactionid' AND l.granted AND l.mode = 'ExclusiveLock' AND l.pid IS NOT NULL AND l.pid <> pg_backend_pid()
  AND coalesce(now() - a.xact_start > interval '1 minute', age(l.transactionid) > 1000)
ORDER BY age(l.transactionid) DESC LIMIT 3`)
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		notes = append(notes, fmt.Sprintf("process %s has a transaction open for %s: what it writes comes in a later run", r[0], r[1]))
	}
	rows, err = c.query(ctx, "SELECT gid, extract(epoch FROM now() - prepared)::bigint FROM pg_prepared_xacts ORDER BY prepared LIMIT 3")
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		notes = append(notes, fmt.Sprintf("prepared transaction %s waits since %s s: what it wrote comes when it is committed", r[0], r[1]))
	}
	return notes, nil
}
