package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"indelible/internal/search"
)

// kind is what repeats in events.
type kind struct{ tenantID, eventType, action, outcome, resourceType string }

// tally is what the index knows of a kind.
type tally struct {
	id          int64
	n           int
	first, last uint64
}

// Add implements search.Index.
func (x *Index) Add(ctx context.Context, first uint64, rows []search.Row, next uint64) error {
	if err := x.fill(ctx, len(rows) >= manyRows); err != nil {
		return err
	}
	return x.change(ctx, func(tx *sql.Tx) error {
		done, err := tx.ExecContext(ctx, `UPDATE meta SET value = ? WHERE name = 'next' AND value = ?`, next, first)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n != 1 {
			if err == nil {
				err = search.ErrMoved
			}
			return err
		}
		kinds, err := addKinds(ctx, tx, rows)
		if err != nil {
			return fmt.Errorf("kinds: %w", err)
		}
		if err := addBlocks(ctx, tx, rows); err != nil {
			return fmt.Errorf("blocks: %w", err)
		}
		if err := addEvents(ctx, tx, rows, kinds); err != nil {
			return fmt.Errorf("events: %w", err)
		}
		return addWords(ctx, tx, rows)
	})
}

func kindOf(r *search.Row) kind {
	e := r.Event
	return kind{e.TenantID, e.EventType, e.Action, e.Outcome, e.ResourceType}
}

// addKinds counts the kinds of rows and gives new ones a number.
func addKinds(ctx context.Context, tx *sql.Tx, rows []search.Row) (map[kind]*tally, error) {
	kinds := make(map[kind]*tally)
	for i := range rows {
		k := kindOf(&rows[i])
		t := kinds[k]
		if t == nil {
			t = &tally{first: rows[i].Index}
			kinds[k] = t
		}
		t.n++
		t.last = rows[i].Index
	}
	s, err := tx.PrepareContext(ctx, `INSERT INTO kinds (tenant_id, event_type, action, outcome, resource_type, n, first, last) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET n = n + excluded.n, last = excluded.last RETURNING id`)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	for k, t := range kinds {
		if err := s.QueryRowContext(ctx, k.tenantID, k.eventType, k.action, k.outcome, k.resourceType, t.n, t.first, t.last).Scan(&t.id); err != nil {
			return nil, err
		}
	}
	return kinds, nil
}

func addBlocks(ctx context.Context, tx *sql.Tx, rows []search.Row) error {
	for len(rows) > 0 {
		block := rows[0].Index / blockLeaves
		earliest := rows[0].Event.Timestamp.UnixMilli()
		latest := earliest
		n := 0
		for n < len(rows) && rows[n].Index/blockLeaves == block {
			ms := rows[n].Event.Timestamp.UnixMilli()
			earliest, latest = min(earliest, ms), max(latest, ms)
			n++
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO blocks VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET earliest = min(earliest, excluded.earliest), latest = max(latest, excluded.latest)`,
			block, earliest, latest)
		if err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// together is how many rows one statement inserts.
const together = 128

func addEvents(ctx context.Context, tx *sql.Tx, rows []search.Row, kinds map[kind]*tally) error {
	return insert(ctx, tx, `INSERT INTO events VALUES `, 6, rows, func(args []any, r *search.Row) []any {
		e := r.Event
		return append(args, int64(r.Index), e.Timestamp.UnixMilli(), kinds[kindOf(r)].id,
			number(e.TenantID, "user_id", e.UserID), number(e.TenantID, "resource_id", e.ResourceID), number(e.TenantID, "source_ip", e.SourceIP))
	})
}

func addWords(ctx context.Context, tx *sql.Tx, rows []search.Row) error {
	return insert(ctx, tx, `INSERT INTO words (rowid, text) VALUES `, 2, rows, func(args []any, r *search.Row) []any {
		return append(args, int64(r.Index), strings.Join(search.Words(search.Text(r.Event)), " "))
	})
}

// insert runs an INSERT with a row of columns for each event, many at a time.
func insert(ctx context.Context, tx *sql.Tx, into string, columns int, rows []search.Row, values func([]any, *search.Row) []any) error {
	row := "(?" + strings.Repeat(", ?", columns-1) + ")"
	var s *sql.Stmt
	defer func() {
		if s != nil {
			s.Close()
		}
	}()
	args := make([]any, 0, together*columns)
	for len(rows) > 0 {
		n := min(together, len(rows))
		if s == nil || n < together {
			if s != nil {
				s.Close()
			}
			var err error
			if s, err = tx.PrepareContext(ctx, into+row+strings.Repeat(", "+row, n-1)); err != nil {
				return err
			}
		}
		args = args[:0]
		for i := range rows[:n] {
			args = values(args, &rows[i])
		}
		if _, err := s.ExecContext(ctx, args...); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}
