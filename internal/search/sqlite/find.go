package sqlite

import (
	"context"
	"database/sql"
	"math"
	"slices"
	"strings"

	"indelible/internal/search"
)

// finding is a query on its way through the index.
type finding struct {
	db     *sql.DB
	q      *search.Query
	kinds  condition // on the table of kinds
	counts struct {  // of the kinds that match
		kinds, events int64
		first, last   int64
	}
	rest   condition // on the table of events, but for kind
	column string    // the field whose index leads, "" for none
	values []uint64  // what is looked for in it
	few    bool      // the leading column has few rows
	partly bool      // a condition is left to who compares
}

// condition is SQL with its arguments.
type condition struct {
	sql  strings.Builder
	args []any
}

func (c *condition) and(sql string, args ...any) {
	if c.sql.Len() > 0 {
		c.sql.WriteString(" AND ")
	}
	c.sql.WriteString(sql)
	c.args = append(c.args, args...)
}

// Find implements search.Index.
func (x *Index) Find(ctx context.Context, q *search.Query) ([]uint64, error) {
	f := &finding{db: x.db, q: q}
	if q.Tenants != nil && len(q.Tenants) == 0 || q.From >= q.End {
		return nil, nil
	}
	if ok, err := f.begin(ctx); err != nil || !ok {
		return nil, err
	}
	spans, err := f.spans(ctx)
	if err != nil {
		return nil, err
	}
	var found []uint64
	for _, s := range spans {
		some, err := f.within(ctx, s, q.Limit-len(found))
		if err != nil {
			return nil, err
		}
		if found = append(found, some...); len(found) >= q.Limit {
			break
		}
	}
	return found, nil
}

// begin makes the conditions, and reports whether anything can match.
func (f *finding) begin(ctx context.Context) (bool, error) {
	f.narrowKinds()
	err := f.db.QueryRowContext(ctx, `SELECT count(*), coalesce(sum(n), 0), coalesce(min(first), 0), coalesce(max(last), 0) FROM kinds WHERE `+f.kinds.sql.String(), f.kinds.args...).
		Scan(&f.counts.kinds, &f.counts.events, &f.counts.first, &f.counts.last)
	if err != nil || f.counts.kinds == 0 {
		return false, err
	}
	return true, f.narrowEvents(ctx)
}

func (f *finding) narrowKinds() {
	c, q := &f.kinds, f.q
	if q.Tenants != nil {
		args := make([]any, len(q.Tenants))
		for i, t := range q.Tenants {
			args[i] = t
		}
		c.and(`tenant_id IN `+list(len(args)), args...)
	}
	if tenant, ok := q.Where["tenant_id"]; ok {
		c.and(`tenant_id = ?`, tenant)
	} else {
		c.and(`substr(tenant_id, 1, 1) <> '_'`)
	}
	for _, field := range []string{"event_type", "action", "outcome", "resource_type"} {
		if value, ok := q.Where[field]; ok {
			c.and(field+` = ?`, value)
		}
	}
}

// fewRows is up to how many rows of a column are looked at one by one.
const fewRows = 1000

// narrowEvents makes the conditions on events and chooses the column to begin with.
func (f *finding) narrowEvents(ctx context.Context) error {
	q := f.q
	f.rest.and(`TRUE`)
	if !q.Since.IsZero() {
		f.rest.and(`ms >= ?`, q.Since.UnixMilli())
	}
	if !q.Until.IsZero() {
		f.rest.and(`ms <= ?`, q.Until.UnixMilli())
	}
	least := math.MaxInt
	for _, field := range []string{"resource_id", "user_id", "source_ip"} {
		value, ok := q.Where[field]
		if !ok {
			continue
		}
		if value == "" {
			f.rest.and(field + ` = 0`)
			continue
		}
		numbers, err := f.numbers(ctx, field, value)
		if err != nil {
			return err
		}
		if len(numbers) > maxTenants {
			f.partly = true
			continue // who finds places compares
		}
		f.rest.and(`+`+field+` IN `+list(len(numbers)), anys(numbers)...)
		n := 0
		for _, v := range numbers {
			var some int
			err := f.db.QueryRowContext(ctx, `SELECT count(*) FROM (SELECT 1 FROM events WHERE `+field+` = ?1 AND `+field+` <> 0 LIMIT ?2)`, int64(v), fewRows+1).Scan(&some)
			if err != nil {
				return err
			}
			if n += some; n >= least {
				break
			}
		}
		if n < least {
			least, f.column, f.values, f.few = n, field, numbers, n <= fewRows
		}
	}
	return nil
}

// maxTenants is up to how many tenants a user, a resource or an address is
// looked up in: each has a number of its own.
const maxTenants = 1000

// list is n parameters in parentheses.
func list(n int) string { return `(?` + strings.Repeat(`, ?`, n-1) + `)` }

func anys(values []uint64) []any {
	args := make([]any, len(values))
	for i, v := range values {
		args[i] = int64(v)
	}
	return args
}

// numbers are those of a value in the tenants the query is about.
func (f *finding) numbers(ctx context.Context, field, value string) ([]uint64, error) {
	rows, err := f.db.QueryContext(ctx, `SELECT DISTINCT tenant_id FROM kinds WHERE `+f.kinds.sql.String(), f.kinds.args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var numbers []uint64
	for rows.Next() {
		var tenant string
		if err := rows.Scan(&tenant); err != nil {
			return nil, err
		}
		numbers = append(numbers, uint64(number(tenant, field, value)))
	}
	return numbers, rows.Err()
}

// span is leaves from to end−1.
type span struct{ from, end int64 }

// maxSpans is how many pieces of the log are looked at one by one.
const maxSpans = 32

// spans are the pieces of the log that can hold what is asked for, in the order
// of the query.
func (f *finding) spans(ctx context.Context) ([]span, error) {
	q := f.q
	all := span{max(int64(q.From), f.counts.first), int64(min(q.End, uint64(f.counts.last)+1))}
	if all.from >= all.end {
		return nil, nil
	}
	spans := []span{all}
	if !q.Since.IsZero() || !q.Until.IsZero() {
		var err error
		if spans, err = f.spansInTime(ctx, all); err != nil {
			return nil, err
		}
	}
	if !q.LogOrder {
		slices.Reverse(spans)
	}
	return spans, nil
}

func (f *finding) spansInTime(ctx context.Context, all span) ([]span, error) {
	since, until := int64(math.MinInt64), int64(math.MaxInt64)
	if !f.q.Since.IsZero() {
		since = f.q.Since.UnixMilli()
	}
	if !f.q.Until.IsZero() {
		until = f.q.Until.UnixMilli()
	}
	rows, err := f.db.QueryContext(ctx, `SELECT block FROM blocks WHERE block BETWEEN ? AND ? AND latest >= ? AND earliest <= ? ORDER BY block`,
		all.from/blockLeaves, (all.end-1)/blockLeaves, since, until)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var spans []span
	for rows.Next() {
		var block int64
		if err := rows.Scan(&block); err != nil {
			return nil, err
		}
		s := span{max(block*blockLeaves, all.from), min((block+1)*blockLeaves, all.end)}
		if n := len(spans); n > 0 && spans[n-1].end == s.from || n == maxSpans {
			spans[n-1].end = s.end
		} else {
			spans = append(spans, s)
		}
	}
	return spans, rows.Err()
}
