package sqlite

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"indelible/internal/search"
)

// counting is how many events of a key there are, and where the first is.
type counting struct {
	n     uint64
	first uint64
}

// Count implements search.Index.
func (x *Index) Count(ctx context.Context, q *search.Query, g search.Grouping) (*search.Counted, error) {
	f := &finding{db: x.db, q: q}
	if q.Tenants != nil && len(q.Tenants) == 0 || q.From >= q.End {
		return emptyCount(q, g), nil
	}
	ok, err := f.begin(ctx)
	if err != nil || !ok {
		return emptyCount(q, g), err
	}
	if f.partly {
		return nil, fmt.Errorf("%w: name a tenant_id to count what a user, a resource or an address did", search.ErrQuery)
	}
	if !q.Until.IsZero() {
		f.rest.and(`ms < ?`, q.Until.UnixMilli())
	}
	spans, err := f.spans(ctx)
	if err != nil {
		return nil, err
	}
	switch {
	case g.Step > 0:
		return f.overTime(ctx, spans, g.Step)
	case search.Repeats(g.Field):
		return f.ofKinds(ctx, spans, g)
	}
	return f.ofNumbers(ctx, spans, g)
}

func emptyCount(q *search.Query, g search.Grouping) *search.Counted {
	if g.Step > 0 {
		return timeGroups(q, g.Step, nil)
	}
	return &search.Counted{}
}

// timeGroups are all steps there are, with what was counted in each.
func timeGroups(q *search.Query, step time.Duration, counted map[int64]counting) *search.Counted {
	c := &search.Counted{}
	begin := q.Since.UTC().Truncate(step)
	for n := int64(0); ; n++ {
		at := begin.Add(time.Duration(n) * step)
		if !at.Before(q.Until) {
			return c
		}
		c.Groups = append(c.Groups, search.Group{Time: at, N: counted[n].n})
		c.Total += counted[n].n
	}
}

func (f *finding) overTime(ctx context.Context, spans []span, step time.Duration) (*search.Counted, error) {
	counted, err := f.group(ctx, spans, `(ms - ?) / ?`, f.q.Since.UTC().Truncate(step).UnixMilli(), step.Milliseconds())
	if err != nil {
		return nil, err
	}
	return timeGroups(f.q, step, counted), nil
}

// ofKinds counts values that are in the table of kinds.
func (f *finding) ofKinds(ctx context.Context, spans []span, g search.Grouping) (*search.Counted, error) {
	var counted map[int64]counting
	whole := f.rest.sql.String() == `TRUE` && f.q.From <= uint64(f.counts.first) && f.q.End > uint64(f.counts.last)
	if !whole {
		var err error
		if counted, err = f.group(ctx, spans, `kind`); err != nil {
			return nil, err
		}
	}
	rows, err := f.db.QueryContext(ctx, `SELECT id, n, `+g.Field+` FROM kinds WHERE `+f.kinds.sql.String(), f.kinds.args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	c := &search.Counted{}
	values := make(map[string]uint64)
	for rows.Next() {
		var id int64
		var n uint64
		var value string
		if err := rows.Scan(&id, &n, &value); err != nil {
			return nil, err
		}
		if !whole {
			n = counted[id].n
		}
		if n > 0 {
			values[value] += n
			c.Total += n
		}
	}
	for value, n := range values {
		c.Groups = append(c.Groups, search.Group{Value: value, N: n})
	}
	return top(c, g.Top), rows.Err()
}

// ofNumbers counts values that only the log knows.
func (f *finding) ofNumbers(ctx context.Context, spans []span, g search.Grouping) (*search.Counted, error) {
	length := int64(0)
	for _, s := range spans {
		length += s.end - s.from
	}
	if min(length, f.counts.events) > search.MaxDistinct && !f.few {
		return nil, fmt.Errorf("%w: values of %s are counted in %d events at most: ask for a tenant, a kind or a time that has fewer", search.ErrQuery, g.Field, search.MaxDistinct)
	}
	counted, err := f.group(ctx, spans, g.Field)
	if err != nil {
		return nil, err
	}
	c := &search.Counted{}
	for number, k := range counted {
		c.Total += k.n
		if number != 0 {
			c.Groups = append(c.Groups, search.Group{Place: k.first, N: k.n})
		}
	}
	return top(c, g.Top), nil
}

// top leaves the groups that have the most events.
func top(c *search.Counted, n int) *search.Counted {
	slices.SortFunc(c.Groups, func(a, b search.Group) int {
		return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Value, b.Value), cmp.Compare(a.Place, b.Place))
	})
	c.Groups = c.Groups[:min(n, len(c.Groups))]
	return c
}

// group counts the events that match, by a key.
func (f *finding) group(ctx context.Context, spans []span, key string, args ...any) (map[int64]counting, error) {
	counted := make(map[int64]counting)
	for _, s := range spans {
		kind, ofKind := f.ofKind()
		from, lead, leads := ` FROM events NOT INDEXED`, ``, []uint64{0}
		switch {
		case f.column != "":
			from, lead, leads = ` FROM events INDEXED BY by_`+f.column, f.column+` = ? AND `+f.column+` <> 0 AND `, f.values
		case f.counts.events < (s.end-s.from)/8:
			from, kind = ` FROM events INDEXED BY by_kind`, `kind IN (SELECT id FROM kinds WHERE `+f.kinds.sql.String()+`)`
		}
		text := `SELECT ` + key + `, count(*), min(idx)` + from + ` WHERE ` + lead + `idx >= ? AND idx < ? AND ` + kind + ` AND ` + f.rest.sql.String() + ` GROUP BY 1`
		for _, v := range leads {
			all := slices.Clone(args)
			if lead != "" {
				all = append(all, int64(v))
			}
			all = append(append(append(all, s.from, s.end), ofKind...), f.rest.args...)
			if err := f.addGroups(ctx, counted, text, all); err != nil {
				return nil, err
			}
		}
	}
	return counted, nil
}

func (f *finding) addGroups(ctx context.Context, counted map[int64]counting, text string, args []any) error {
	rows, err := f.db.QueryContext(ctx, text, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var k int64
		var c counting
		if err := rows.Scan(&k, &c.n, &c.first); err != nil {
			return err
		}
		if was, ok := counted[k]; ok {
			c.n, c.first = c.n+was.n, min(c.first, was.first)
		}
		counted[k] = c
	}
	return rows.Err()
}
