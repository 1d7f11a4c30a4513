package sqlite

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"indelible/internal/search"
)

// within finds at most limit places in one piece of the log, by the way that
// has the fewest rows to look at.
func (f *finding) within(ctx context.Context, s span, limit int) ([]uint64, error) {
	text := f.q.Text != ""
	switch {
	case f.column != "" && (f.few || !text):
		return f.merge(ctx, s, limit, f.column, f.values)
	case text:
		return f.byWords(ctx, s, limit)
	}
	if f.counts.kinds <= maxKinds && f.counts.kinds*int64(limit) < f.scanned(s, limit) {
		kinds, err := f.places(ctx, `SELECT id FROM kinds WHERE `+f.kinds.sql.String(), f.kinds.args...)
		if err != nil {
			return nil, err
		}
		return f.merge(ctx, s, limit, "kind", kinds)
	}
	if f.counts.events <= fewEvents && f.counts.events < f.scanned(s, limit) {
		return f.gather(ctx, s, limit)
	}
	return f.scan(ctx, s, limit)
}

const (
	maxKinds  = 64     // kinds that are looked at one by one
	fewEvents = 20_000 // events that are gathered and sorted
)

// scanned is about how many rows a scan looks at before it has found the limit.
func (f *finding) scanned(s span, limit int) int64 {
	length := s.end - s.from
	if f.counts.events == 0 {
		return length
	}
	spread := max(1, (f.counts.last-f.counts.first+1)/f.counts.events)
	return min(length, 4*spread*int64(limit)) // of four times the evenly spread ones: they come in lumps
}

func (f *finding) order() string {
	if f.q.LogOrder {
		return ""
	}
	return " DESC"
}

// ofKind is the condition that an event's kind matches, for no index to lead with.
func (f *finding) ofKind() (string, []any) {
	return `+kind IN (SELECT id FROM kinds WHERE ` + f.kinds.sql.String() + `)`, f.kinds.args
}

// matchWords is the query for a text in FTS5's language.
func (f *finding) matchWords() string {
	words := search.Words(f.q.Text)
	for i, w := range words {
		words[i] = `"` + w + `"`
	}
	return strings.Join(words, " AND ")
}

// merge takes the first places of each value of an indexed column, and of these
// the first.
func (f *finding) merge(ctx context.Context, s span, limit int, column string, values []uint64) ([]uint64, error) {
	sql := `SELECT idx FROM events INDEXED BY by_` + column + ` WHERE ` + column + ` = ? AND idx >= ? AND idx < ? AND ` + f.rest.sql.String()
	args := append([]any{nil, s.from, s.end}, f.rest.args...)
	if column != "kind" {
		kind, of := f.ofKind()
		sql, args = sql+` AND `+column+` <> 0 AND `+kind, append(args, of...)
	}
	if f.q.Text != "" {
		sql += ` AND EXISTS (SELECT 1 FROM words WHERE words MATCH ? AND words.rowid = events.idx)`
		args = append(args, f.matchWords())
	}
	stmt, err := f.db.PrepareContext(ctx, sql+` ORDER BY idx`+f.order()+` LIMIT ?`)
	if err != nil {
		return nil, err
	}
	defer stmt.Close()
	args = append(args, limit)
	var found []uint64
	for _, v := range values {
		args[0] = int64(v)
		rows, err := stmt.QueryContext(ctx, args...)
		if err != nil {
			return nil, err
		}
		if found, err = scanPlaces(rows, found); err != nil {
			return nil, err
		}
	}
	return f.first(found, limit), nil
}

func (f *finding) byWords(ctx context.Context, s span, limit int) ([]uint64, error) {
	kind, args := f.ofKind()
	sql := `SELECT idx FROM words CROSS JOIN events ON idx = words.rowid WHERE words MATCH ? AND words.rowid >= ? AND words.rowid < ? AND ` + kind + ` AND ` + f.rest.sql.String() +
		` ORDER BY words.rowid` + f.order() + ` LIMIT ?`
	return f.places(ctx, sql, append(append(append([]any{f.matchWords(), s.from, s.end}, args...), f.rest.args...), limit)...)
}

// gather takes all of the kinds, and of these the first.
func (f *finding) gather(ctx context.Context, s span, limit int) ([]uint64, error) {
	sql := `SELECT idx FROM events INDEXED BY by_kind WHERE kind IN (SELECT id FROM kinds WHERE ` + f.kinds.sql.String() + `) AND idx >= ? AND idx < ? AND ` + f.rest.sql.String()
	found, err := f.places(ctx, sql, append(append(slices.Clone(f.kinds.args), s.from, s.end), f.rest.args...)...)
	return f.first(found, limit), err
}

func (f *finding) first(found []uint64, limit int) []uint64 {
	slices.SortFunc(found, func(a, b uint64) int {
		if f.q.LogOrder {
			return cmp.Compare(a, b)
		}
		return cmp.Compare(b, a)
	})
	return found[:min(len(found), limit)]
}

func (f *finding) scan(ctx context.Context, s span, limit int) ([]uint64, error) {
	kind, args := f.ofKind()
	sql := `SELECT idx FROM events NOT INDEXED WHERE idx >= ? AND idx < ? AND ` + kind + ` AND ` + f.rest.sql.String() + ` ORDER BY idx` + f.order() + ` LIMIT ?`
	return f.places(ctx, sql, append(append(append([]any{s.from, s.end}, args...), f.rest.args...), limit)...)
}

// places reads a column of indexes.
func (f *finding) places(ctx context.Context, sql string, args ...any) ([]uint64, error) {
	rows, err := f.db.QueryContext(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return scanPlaces(rows, nil)
}

// rowsOf is what a query returned.
type rowsOf interface {
	Next() bool
	Scan(...any) error
	Err() error
	Close() error
}

func scanPlaces(rows rowsOf, found []uint64) ([]uint64, error) {
	defer rows.Close()
	for rows.Next() {
		var index uint64
		if err := rows.Scan(&index); err != nil {
			return nil, err
		}
		found = append(found, index)
	}
	return found, rows.Err()
}
