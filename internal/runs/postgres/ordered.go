package postgres

import (
	"context"
	"slices"
	"strconv"

	"indelible/internal/runs"
)

// Rows in an order of their own are cut into ranges of time: one after the
// other they are in that order, and several can be read at the same time. That
// needs an index that begins with the time, or each range would read all of
// the table.

const findTimeIndex = `
SELECT EXISTS (SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
WHERE i.indrelid = $1::oid AND i.indisvalid AND i.indpred IS NULL AND a.attname = 'created_at')`

// cutTimes finds where the ranges of time end, if the table can be read that
// way. Where they end changes nothing in what is read.
func (s *snapshot) cutTimes(ctx context.Context, c *conn) error {
	col, ok := s.table.column("created_at")
	n := s.cuts()
	if !ok || n == 1 || s.q.Limit.Valid || s.link != nil || col.oid != typeTimestampTZ && col.oid != typeTimestamp {
		return nil
	}
	r, err := c.one(ctx, findTimeIndex, s.table.oid)
	if err != nil || r[0] != "t" {
		return err
	}
	tenant := ""
	if !s.q.AllTenants {
		tenant = s.q.Tenants[0] // that others have other times makes them no less whole
	}
	if err := s.confine(ctx, c, tenant); err != nil {
		return err
	}
	var st statement
	s.whereTenant(&st, tenant)
	st.and("isfinite(created_at)") // what is not is refused when it is read
	answer := c.pg.ExecParams(ctx, "SELECT (extract(epoch FROM min(created_at)) * 1000000)::bigint, (extract(epoch FROM max(created_at)) * 1000000)::bigint FROM "+
		s.table.name+st.sql.String(), st.args, nil, nil, nil).Read()
	if answer.Err != nil {
		return answer.Err
	}
	if answer.Rows[0][0] == nil {
		return nil // there are no rows
	}
	var bounds [2]int64
	for i := range bounds {
		if bounds[i], err = strconv.ParseInt(string(answer.Rows[0][i]), 10, 64); err != nil {
			return err
		}
	}
	s.plan.Times = timesBetween(bounds[0], bounds[1], n)
	return nil
}

// timesBetween are the ends of n ranges of the same length but for the last,
// which has none.
func timesBetween(low, high, n int64) (ends []int64) {
	step := high/n - low/n
	if step < 1 || !runs.Representable(low) || !runs.Representable(high) {
		return nil
	}
	for i := int64(1); i < n; i++ {
		ends = append(ends, low+i*step)
	}
	return ends
}

// inOrder reports whether a plan's ranges of time can have been made here.
func (p *plan) inOrder(ordered bool) bool {
	if len(p.Times) == 0 {
		return !ordered || p.Shards == 1
	}
	return len(p.Times) == p.Shards-1 && slices.IsSorted(p.Times) && runs.Representable(p.Times[0]) && runs.Representable(p.Times[len(p.Times)-1])
}

// whereTime adds the range of a shard. Rows without a time come last.
func (s *snapshot) whereTime(st *statement, shard int) {
	col, _ := s.table.column("created_at")
	at := func(i int) string {
		return st.bind(moment(runs.Time{Micros: s.plan.Times[i], Valid: true})) + col.momentCast()
	}
	if last := len(s.plan.Times); shard < last {
		st.and("created_at < " + at(shard))
	} else if col.nullable {
		st.and("(created_at >= " + at(shard-1) + " OR created_at IS NULL)")
		return
	}
	if shard > 0 {
		st.and("created_at >= " + at(shard-1))
	}
}
