package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"modernc.org/sqlite"

	"indelible/internal/runs"
)

const (
	maxShards    = 64
	rowsPerShard = 2000 // the least worth a shard of its own
)

// plan makes a read again as it was begun: Info.Plan.
type plan struct {
	Low    int64   `json:"low"`
	High   int64   `json:"high"`
	Shards int     `json:"shards"`
	Next   *cursor `json:"next,omitempty"`
}

// snapshot is a read transaction, on one connection or several that see the same.
type snapshot struct {
	source *Source
	q      runs.Query
	db     *sql.DB
	conns  []*sql.Conn
	idle   chan *sql.Conn
	table  *table
	names  []string
	extra  map[string]bool
	link   *link
	plan   plan
	info   runs.Info
	opened time.Time
	pace   *runs.Pace
}

// Open takes a snapshot.
func (s *Source) Open(ctx context.Context, q runs.Query) (runs.Snapshot, error) {
	if err := q.Check(); err != nil {
		return nil, err
	}
	db, err := s.open("ro")
	if err != nil {
		return nil, err
	}
	snap := &snapshot{source: s, q: q, db: db, opened: time.Now(), pace: runs.NewPace(q.MaxRate)}
	if err := snap.begin(ctx); err != nil {
		snap.Close()
		return nil, s.explain(ctx, err)
	}
	return snap, nil
}

func (s *snapshot) begin(ctx context.Context) (err error) {
	s.db.SetMaxOpenConns(s.q.Jobs + 1)
	if err := s.connect(ctx); err != nil {
		return err
	}
	if s.table, err = describe(ctx, s.conns[0]); err != nil {
		return err
	}
	s.idle = make(chan *sql.Conn, len(s.conns))
	for _, c := range s.conns {
		s.idle <- c
	}
	return s.prepare(ctx)
}

// connect opens as many connections as there are jobs, all on the same state of
// the file: nobody committed while they began. Where writers leave no time for
// that, one connection must do.
func (s *snapshot) connect(ctx context.Context) error {
	watch, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer watch.Close()
	version := func() (n int64, err error) {
		return n, watch.QueryRowContext(ctx, "PRAGMA data_version").Scan(&n)
	}
	for jobs := s.q.Jobs; ; jobs-- {
		before, err := version()
		if err != nil {
			return err
		}
		for range jobs {
			if err := s.add(ctx); err != nil {
				return err
			}
		}
		after, err := version()
		if err != nil {
			return err
		}
		if before == after || jobs == 1 {
			return nil
		}
		for _, c := range s.conns {
			if _, err := c.ExecContext(ctx, "ROLLBACK"); err != nil {
				return err
			}
			if err := c.Close(); err != nil {
				return err
			}
		}
		s.conns = nil
	}
}

// add opens a connection and begins to read.
func (s *snapshot) add(ctx context.Context) error {
	c, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	s.conns = append(s.conns, c)
	// What is larger is refused before there is memory for it.
	if _, err := sqlite.Limit(c, limitLength, int(min(s.q.MaxRow, 1<<30))+1<<20); err != nil {
		return err
	}
	// The transaction begins with what it reads first.
	var n int
	if _, err := c.ExecContext(ctx, "BEGIN"); err != nil {
		return err
	}
	return c.QueryRowContext(ctx, "SELECT count(*) FROM main.sqlite_schema").Scan(&n)
}

// limitLength is SQLITE_LIMIT_LENGTH.
const limitLength = 0

func (s *snapshot) prepare(ctx context.Context) (err error) {
	t, q := s.table, &s.q
	if s.names, s.extra, s.info.Columns, err = t.selection(q.Columns); err != nil {
		return err
	}
	var before *plan
	if q.Plan != nil {
		before = new(plan)
		if err := json.Unmarshal(q.Plan, before); err != nil || before.Shards < 1 || before.Shards > maxShards {
			return runs.Failf(runs.Usage, "remove the attempt, and start again", "the plan of the attempt before cannot be read")
		}
	}
	now := s.opened // before the snapshot: nothing of before is missing in it
	s.info.Guarantee = runs.OneSnapshot
	if q.Range != nil {
		if s.link, err = t.chainOf(q, now.UnixMicro(), before); err != nil {
			return err
		}
		if s.info.Cursor, err = json.Marshal(s.link.next); err != nil {
			return err
		}
		s.plan.Next = &s.link.next
		s.info.Guarantee = s.link.guarantee(t)
		s.info.Repeats = !t.stamped && !s.link.begins
	}
	s.cut(before)
	if err := t.filter(new(statement), q, ""); err != nil {
		return err
	}
	if s.link != nil && !t.stamped {
		if err := s.countNull(ctx); err != nil {
			return err
		}
	}
	s.info.Kind, s.info.Version = "sqlite", t.version
	s.info.Time = runs.TimeOf(now)
	s.info.Rows = t.rows
	s.info.Sample = t.sample
	s.info.Revision = t.stamped
	s.info.Shards = s.plan.Shards
	s.info.Isolation = "a condition on each query: SQLite has no users"
	s.info.Plan, err = json.Marshal(s.plan)
	return err
}

// countNull counts the rows a chain by time never sees.
func (s *snapshot) countNull(ctx context.Context) error {
	tenants := s.q.Tenants
	if s.q.AllTenants {
		tenants = []string{""}
	}
	for _, tenant := range tenants {
		st := new(statement)
		if tenant != "" {
			st.and("CAST(tenant_id AS TEXT) = ?", tenant)
		}
		st.anyOf("status", s.q.Terminal)
		st.and(function + "(" + quote(s.link.next.Column) + ") IS NULL")
		args := make([]any, len(st.args))
		for i, a := range st.args {
			args[i] = a.Value
		}
		var n int64
		if err := s.conns[0].QueryRowContext(ctx, "SELECT count(*) FROM main."+TableName+st.sql.String(), args...).Scan(&n); err != nil {
			return err
		}
		s.info.NullCursor += n
	}
	return nil
}

// cut decides on the shards: ranges of rowids, the same for the same table.
func (s *snapshot) cut(before *plan) {
	t := s.table
	s.plan.Low, s.plan.High = t.low, t.high
	s.plan.Shards = int(min(max((t.high/rowsPerShard)-(t.low/rowsPerShard), 1), maxShards))
	if !t.rowid || s.q.Ordered || s.q.Limit.Valid || s.link != nil && !s.link.begins && t.indexed {
		s.plan.Shards = 1
	}
	if before != nil {
		s.plan.Low, s.plan.High, s.plan.Shards = before.Low, before.High, before.Shards
	}
}

// Info describes the snapshot.
func (s *snapshot) Info() runs.Info { return s.info }

// Close ends the snapshot.
func (s *snapshot) Close() error {
	for _, c := range s.conns {
		c.Close()
	}
	return s.db.Close()
}

// Scan reads one shard.
func (s *snapshot) Scan(ctx context.Context, tenant string, shard int, fn func(*runs.Run) error) error {
	if shard < 0 || shard >= s.plan.Shards {
		return fmt.Errorf("shard %d of %d", shard, s.plan.Shards)
	}
	if s.q.AllTenants != (tenant == "") || !s.q.AllTenants && !slices.Contains(s.q.Tenants, tenant) {
		return fmt.Errorf("tenant %q was not asked for", tenant)
	}
	var conn *sql.Conn
	select {
	case conn = <-s.idle:
		defer func() { s.idle <- conn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	st := new(statement)
	s.inShard(st, shard)
	if err := s.table.filter(st, &s.q, tenant); err != nil {
		return err
	}
	if s.link != nil {
		s.link.condition(s.table, st, &s.q)
	}
	err := conn.Raw(func(raw any) error { return s.stream(ctx, raw.(driver.QueryerContext), st, fn) })
	var mine *ownError
	if errors.As(err, &mine) {
		return mine.error
	}
	var code *sqlite.Error
	if errors.As(err, &code) && code.Code()&0xFF == codeTooBig {
		return s.nameTooLarge(ctx, st)
	}
	return s.source.explain(ctx, err)
}

// ownError is an error of the function that takes the rows.
type ownError struct{ error }

func (s *snapshot) inShard(st *statement, shard int) {
	if s.plan.Shards == 1 {
		return
	}
	bound := func(i int) int64 {
		// In floating point: the span may be all 64 bits.
		return s.plan.Low + int64((float64(s.plan.High)-float64(s.plan.Low))/float64(s.plan.Shards)*float64(i))
	}
	if shard > 0 {
		st.and("rowid >= ?", bound(shard))
	}
	if shard < s.plan.Shards-1 {
		st.and("rowid < ?", bound(shard+1))
	}
}

// order is the order rows are read in: as they lie in the table.
func (s *snapshot) order() string {
	switch {
	case s.q.Ordered:
		return " ORDER BY " + function + "(created_at), id"
	case s.table.rowid:
		return " ORDER BY rowid"
	}
	var keys []string
	for _, c := range s.table.columns {
		if c.primary {
			keys = append(keys, quote(c.name))
		}
	}
	return " ORDER BY " + strings.Join(keys, ", ")
}

func (s *snapshot) stream(ctx context.Context, conn driver.QueryerContext, st *statement, fn func(*runs.Run) error) error {
	exprs := make([]string, len(s.names))
	for i, name := range s.names {
		// As an expression a column has no declared type, by which the driver
		// would make something else of its value.
		exprs[i] = "+" + quote(name)
	}
	query := "SELECT " + strings.Join(exprs, ", ") + " FROM main." + TableName + st.sql.String() + s.order()
	args := st.args
	if s.q.Limit.Valid {
		query += " LIMIT ?"
		args = append(slices.Clone(args), driver.NamedValue{Ordinal: len(args) + 1, Value: s.q.Limit.N})
	}
	rows, err := conn.QueryContext(ctx, query, args)
	if err != nil {
		return err
	}
	defer rows.Close()
	d := newDecoder(s.names, s.extra, s.q.MaxRow)
	values := make([]driver.Value, len(s.names))
	for n := 0; ; n++ {
		if err := rows.Next(values); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if err := d.decode(values); err != nil {
			return err
		}
		if n%64 == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			if age := time.Since(s.opened); age > s.q.MaxAge {
				return runs.Failf(runs.Timeout, "read less at a time with --since and --until, or allow it more", "the snapshot is %s old, and its writers cannot clean up as long as it is open", age.Round(time.Second))
			}
		}
		if err := s.pace.Wait(ctx); err != nil {
			return err
		}
		if err := fn(&d.run); err != nil {
			return &ownError{err}
		}
	}
}

// nameTooLarge finds the row that was not even read.
func (s *snapshot) nameTooLarge(ctx context.Context, st *statement) error {
	db, err := s.source.open("ro")
	if err != nil {
		return err
	}
	defer db.Close()
	var sizes []string
	for _, name := range s.names {
		sizes = append(sizes, "coalesce(octet_length("+quote(name)+"), 0)")
	}
	st.and("("+strings.Join(sizes, " + ")+") > ?", s.q.MaxRow)
	args := make([]any, len(st.args))
	for i, a := range st.args {
		args[i] = a.Value
	}
	var id string
	var size int64
	err = db.QueryRowContext(ctx, "SELECT CAST(id AS TEXT), "+strings.Join(sizes, " + ")+" FROM main."+TableName+st.sql.String()+" LIMIT 1", args...).Scan(&id, &size)
	if err != nil {
		return runs.Failf(runs.Data, "allow larger ones with --max-row, or leave it out with a filter", "a row has more than %d bytes", s.q.MaxRow)
	}
	return tooLarge(id, size, s.q.MaxRow)
}
