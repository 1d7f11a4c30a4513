package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"indelible/internal/runs"
)

// maxShards is into how many ranges of pages a table is cut.
const maxShards = 64

// pagesPerShard is the least worth a shard of its own: 1 MiB.
const pagesPerShard = 128

// plan makes a read again as it was begun: Info.Plan.
type plan struct {
	Pages  int64   `json:"pages"`
	Shards int     `json:"shards"`
	Times  []int64 `json:"times,omitempty"` // where ranges of created_at end, in microseconds, for rows in its order
	Next   *cursor `json:"next,omitempty"`
}

// snapshot is one view of the table, read over one or several connections.
type snapshot struct {
	source   *Source
	q        runs.Query
	table    *table
	place    *place
	selected []selected
	link     *link // nil outside chains
	plan     plan
	info     runs.Info
	opened   time.Time
	pace     *runs.Pace

	room chan struct{} // as many as connections may be busy
	mu   sync.Mutex
	idle []*conn
	all  []*conn
}

func open(ctx context.Context, s *Source, c *conn, q runs.Query) (*snapshot, error) {
	if _, err := c.version(ctx); err != nil {
		return nil, err
	}
	snap := &snapshot{source: s, q: q, opened: time.Now(), pace: runs.NewPace(q.MaxRate), room: make(chan struct{}, q.Jobs), idle: []*conn{c}, all: []*conn{c}}
	err := c.begin(ctx, "", q.Timeout, q.Ordered)
	if err == nil {
		snap.place, err = c.locate(ctx)
	}
	if err == nil {
		snap.table, err = c.describe(ctx)
	}
	if err == nil {
		err = snap.prepare(ctx, c)
	}
	if err != nil {
		return nil, err
	}
	return snap, nil
}

// prepare works out what is read.
func (s *snapshot) prepare(ctx context.Context, c *conn) error {
	t, q, p := s.table, &s.q, s.place
	var err error
	if s.selected, s.info.Columns, err = t.selection(q.Columns); err != nil {
		return err
	}
	s.info.Isolation = "none: read as the user of the connection (--no-rls)"
	if !q.NoRLS {
		if err := c.isolates(ctx, t, q.AllTenants); err != nil {
			return err
		}
		s.info.Isolation = "a policy of the database, row by row"
	}
	var before *plan
	if q.Plan != nil {
		before = new(plan)
		if err := json.Unmarshal(q.Plan, before); err != nil || before.Shards < 1 || before.Shards > maxShards || before.Pages < 0 || !before.inOrder(q.Ordered) {
			return runs.Failf(runs.Usage, "remove the attempt, and start again", "the plan of the attempt before cannot be read")
		}
	}
	s.info.Notes = append(s.info.Notes, s.source.notes...)
	if q.Range != nil {
		if err := s.chain(ctx, c, before); err != nil {
			return err
		}
	} else {
		s.info.Guarantee = runs.OneSnapshot
	}
	if err := s.cut(ctx, c, before); err != nil {
		return err
	}
	// A question that cannot be asked is an error now, not after the first row.
	if err := t.filter(new(statement), q); err != nil {
		return err
	}
	s.info.Kind, s.info.Version = "postgresql", p.version
	s.info.Time = runs.Time{Micros: p.micros, Valid: true}
	s.info.Rows = t.rows
	s.info.Sample = strings.HasPrefix(t.comment, sampleMark)
	s.info.Revision = t.stamped
	s.info.Shards = s.plan.Shards
	s.info.Plan, err = json.Marshal(s.plan)
	return err
}

// chain prepares a link of a chain.
func (s *snapshot) chain(ctx context.Context, c *conn, before *plan) error {
	t, q := s.table, &s.q
	if err := c.identify(ctx, s.place); err != nil {
		return err
	}
	l, err := t.chainOf(s.place, q, before)
	if err != nil {
		return err
	}
	s.link = l
	if s.info.Cursor, err = json.Marshal(l.next); err != nil {
		return err
	}
	s.plan.Next = &l.next
	s.info.Guarantee = l.guarantee(t)
	s.info.Repeats = !t.stamped && !l.begins
	notes, err := c.lag(ctx, s.place)
	if err != nil {
		return err
	}
	s.info.Notes = append(s.info.Notes, notes...)
	if !t.stamped {
		return s.countNull(ctx, c)
	}
	return nil
}

// countNull counts the rows a chain by time never sees, in every tenant that is
// read.
func (s *snapshot) countNull(ctx context.Context, c *conn) error {
	tenants := s.q.Tenants
	if s.q.AllTenants {
		tenants = []string{""}
	}
	for _, tenant := range tenants {
		if err := s.confine(ctx, c, tenant); err != nil {
			return err
		}
		var st statement
		s.whereTenant(&st, tenant)
		st.and("status::text = ANY (" + st.bindList(s.q.Terminal) + ")")
		st.and(ident(s.link.next.Column) + " IS NULL")
		r := c.pg.ExecParams(ctx, "SELECT count(*) FROM "+s.table.name+st.sql.String(), st.args, nil, nil, nil).Read()
		if r.Err != nil {
			return r.Err
		}
		var n int64
		if _, err := fmt.Sscan(string(r.Rows[0][0]), &n); err != nil {
			return err
		}
		s.info.NullCursor += n
	}
	return nil
}

// cut decides on the shards: ranges of pages, or of time, the same for the same
// table.
func (s *snapshot) cut(ctx context.Context, c *conn, before *plan) error {
	if before != nil {
		s.plan.Pages, s.plan.Shards, s.plan.Times = before.Pages, before.Shards, before.Times
		return nil
	}
	s.plan.Pages = s.table.pages
	switch {
	case s.q.Ordered:
		if err := s.cutTimes(ctx, c); err != nil {
			return err
		}
		s.plan.Shards = len(s.plan.Times) + 1
	case s.q.Limit.Valid || s.link != nil && !s.link.begins && s.table.indexed:
		s.plan.Shards = 1 // what ends early, and what an index finds
	default:
		s.plan.Shards = int(s.cuts())
	}
	return nil
}

// cuts is how many shards are worth their while.
func (s *snapshot) cuts() int64 { return min(max(s.table.pages/pagesPerShard, 1), maxShards) }

// Info describes the snapshot.
func (s *snapshot) Info() runs.Info { return s.info }

// Close ends the snapshot and its connections.
func (s *snapshot) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.all {
		c.close()
	}
	s.all, s.idle = nil, nil
	return nil
}

// acquire gives a connection on the snapshot. Whoever has it gives it back.
func (s *snapshot) acquire(ctx context.Context) (*conn, error) {
	select {
	case s.room <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	s.mu.Lock()
	if n := len(s.idle); n > 0 {
		c := s.idle[n-1]
		s.idle = s.idle[:n-1]
		s.mu.Unlock()
		return c, nil
	}
	s.mu.Unlock()
	c, err := connect(ctx, s.source.config, s.q.MaxRow)
	if err == nil {
		if err = c.begin(ctx, s.place.exported, s.q.Timeout, s.q.Ordered); err == nil {
			err = c.exec(ctx, "SET LOCAL search_path = pg_catalog")
		}
		if err != nil {
			c.close()
		}
	}
	if err != nil {
		<-s.room
		return nil, err
	}
	s.mu.Lock()
	s.all = append(s.all, c)
	s.mu.Unlock()
	return c, nil
}

func (s *snapshot) release(c *conn) {
	s.mu.Lock()
	if !c.pg.IsClosed() {
		s.idle = append(s.idle, c)
	}
	s.mu.Unlock()
	<-s.room
}

// Scan reads one shard.
func (s *snapshot) Scan(ctx context.Context, tenant string, shard int, fn func(*runs.Run) error) error {
	if shard < 0 || shard >= s.plan.Shards {
		return fmt.Errorf("shard %d of %d", shard, s.plan.Shards)
	}
	if s.q.AllTenants != (tenant == "") || !s.q.AllTenants && !slices.Contains(s.q.Tenants, tenant) {
		return fmt.Errorf("tenant %q was not asked for", tenant)
	}
	if err := s.young(); err != nil {
		return err
	}
	c, err := s.acquire(ctx)
	if err != nil {
		return explain(ctx, "read from PostgreSQL", err)
	}
	defer s.release(c)
	err = s.confine(ctx, c, tenant)
	if err == nil {
		err = s.stream(ctx, c, tenant, shard, fn)
	}
	var mine *ownError
	if errors.As(err, &mine) {
		return mine.error
	}
	var large *pgproto3.ExceededMaxBodyLenErr
	if errors.As(err, &large) {
		return s.nameTooLarge(ctx, tenant, shard, int64(large.ActualBodyLen))
	}
	return explain(ctx, "read from PostgreSQL", err)
}

// ownError is an error of the function that takes the rows.
type ownError struct{ error }

// confine tells the policy which tenant is read.
func (s *snapshot) confine(ctx context.Context, c *conn, tenant string) error {
	if tenant == "" {
		tenant = "*"
	}
	if c.tenant == tenant {
		return nil // the setting lasts as long as the transaction
	}
	_, err := c.query(ctx, "SELECT set_config('"+tenantSetting+"', $1, true)", tenant)
	if err == nil {
		c.tenant = tenant
	}
	return err
}

// whereTenant adds the tenant where no policy does.
func (s *snapshot) whereTenant(st *statement, tenant string) {
	if s.q.NoRLS && tenant != "" {
		st.and("tenant_id::text = " + st.bind(tenant) + "::text")
	}
}

// where writes all conditions of a shard.
func (s *snapshot) where(tenant string, shard int) (*statement, error) {
	st := new(statement)
	switch n := int64(s.plan.Shards); {
	case n == 1:
	case s.q.Ordered:
		s.whereTime(st, shard)
	default:
		if shard > 0 {
			st.and("ctid >= " + st.bind(fmt.Sprintf("(%d,0)", int64(shard)*s.plan.Pages/n)) + "::tid")
		}
		// The last is open: pages may have come since they were counted.
		if shard < s.plan.Shards-1 {
			st.and("ctid < " + st.bind(fmt.Sprintf("(%d,0)", int64(shard+1)*s.plan.Pages/n)) + "::tid")
		}
	}
	s.whereTenant(st, tenant)
	if err := s.table.filter(st, &s.q); err != nil {
		return nil, err
	}
	if s.link != nil {
		s.link.condition(s.table, st, &s.q)
	}
	return st, nil
}

func (s *snapshot) stream(ctx context.Context, c *conn, tenant string, shard int, fn func(*runs.Run) error) error {
	st, err := s.where(tenant, shard)
	if err != nil {
		return err
	}
	exprs := make([]string, len(s.selected))
	for i, col := range s.selected {
		exprs[i] = col.expr
	}
	sql := "SELECT " + strings.Join(exprs, ", ") + " FROM " + s.table.name + st.sql.String()
	if s.q.Ordered {
		sql += ` ORDER BY created_at, id` + s.collation()
	}
	if s.q.Limit.Valid {
		sql += " LIMIT " + st.bind(fmt.Sprint(s.q.Limit.N)) + "::bigint"
	}

	// Whatever ends the loop early also ends the query, and with it the
	// connection: nobody reads on.
	scanning, stop := context.WithCancel(ctx)
	defer stop()
	rows := c.pg.ExecParams(scanning, sql, st.args, nil, nil, []int16{1})
	d := newDecoder(s.selected, s.q.MaxRow, s.place.encoding == "SQL_ASCII")
	future := s.future()
	fail := func(err error) error {
		stop()
		rows.Close()
		return err
	}
	for n := 0; rows.NextRow(); n++ {
		if err := d.decode(rows.Values()); err != nil {
			return fail(err)
		}
		if tenant != "" && string(d.run.TenantID) != tenant {
			return fail(runs.Failf(runs.Isolation, "nothing was written; look at the policies of the table", "the database gave row %s of another tenant", clip(string(d.run.ID))))
		}
		if d.run.Revision >= future {
			return fail(notYet(string(d.run.ID)))
		}
		if n%64 == 0 {
			if err := s.young(); err != nil {
				return fail(err)
			}
		}
		if err := s.pace.Wait(ctx); err != nil {
			return fail(err)
		}
		if err := fn(&d.run); err != nil {
			return fail(&ownError{err})
		}
	}
	_, err = rows.Close()
	return err
}

// future is the first revision no row can have yet: a chain would read rows with
// it again and again.
func (s *snapshot) future() uint64 {
	if s.link == nil || !s.table.stamped || s.place.standby {
		return math.MaxUint64
	}
	_, xmax, err := parseSnapshot(s.place.snapshot)
	if err != nil {
		return 0
	}
	return xmax
}

// collation orders texts by their bytes, as every other source does; not so
// types that are no texts.
func (s *snapshot) collation() string {
	c, _ := s.table.column("id")
	switch c.oid {
	case typeText, typeVarchar, typeBPChar:
		return ` COLLATE "C"`
	}
	return ""
}

// young refuses to go on with a snapshot that keeps the database from cleaning
// up for too long.
func (s *snapshot) young() error {
	if age := time.Since(s.opened); age > s.q.MaxAge {
		return runs.Failf(runs.Timeout, "read less at a time with --since and --until, or allow it more", "the snapshot is %s old, and the database cannot clean up as long as it is open", age.Round(time.Second))
	}
	return nil
}

// nameTooLarge finds the row that was not even read.
func (s *snapshot) nameTooLarge(ctx context.Context, tenant string, shard int, size int64) error {
	id, err := s.findTooLarge(ctx, tenant, shard)
	if err != nil || id == "" {
		return runs.Failf(runs.Data, "allow larger ones with --max-row, or leave it out with a filter", "a row has %d bytes, more than %d", size, s.q.MaxRow)
	}
	return tooLarge(id, size, s.q.MaxRow)
}

func (s *snapshot) findTooLarge(ctx context.Context, tenant string, shard int) (string, error) {
	c, err := connect(ctx, s.source.config, s.q.MaxRow)
	if err != nil {
		return "", err
	}
	defer c.close()
	// The snapshot may be gone with its connection; the row is still there.
	if err := c.begin(ctx, "", s.q.Timeout, false); err != nil {
		return "", err
	}
	if err := c.exec(ctx, "SET LOCAL search_path = pg_catalog"); err != nil {
		return "", err
	}
	if err := s.confine(ctx, c, tenant); err != nil {
		return "", err
	}
	st, err := s.where(tenant, shard)
	if err != nil {
		return "", err
	}
	var sizes []string
	for _, col := range s.selected {
		if col.name != "id" {
			sizes = append(sizes, "coalesce(octet_length("+col.expr+"::text), 0)")
		}
	}
	st.and("(" + strings.Join(sizes, " + ") + ") > " + st.bind(fmt.Sprint(s.q.MaxRow)) + "::bigint")
	r := c.pg.ExecParams(ctx, "SELECT id::text FROM "+s.table.name+st.sql.String()+" LIMIT 1", st.args, nil, nil, nil).Read()
	if r.Err != nil || len(r.Rows) == 0 {
		return "", r.Err
	}
	return string(r.Rows[0][0]), nil
}
