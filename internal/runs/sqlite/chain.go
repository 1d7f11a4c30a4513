package sqlite

import (
	"encoding/json"
	"time"

	"indelible/internal/runs"
)

// cursor is where a link of a chain ends. To everybody else it is opaque.
type cursor struct {
	Kind     string `json:"kind"` // sqlite
	Database string `json:"database,omitempty"`
	Revision int64  `json:"revision,omitempty"`
	// Column and Until are what a chain without revisions goes by.
	Column string `json:"column,omitempty"`
	Until  int64  `json:"until,omitempty"`
}

// link is one link of a chain.
type link struct {
	from   cursor
	begins bool
	next   cursor
}

func (t *table) chainOf(q *runs.Query, now int64, plan *plan) (*link, error) {
	l := &link{begins: true, next: cursor{Kind: "sqlite"}}
	switch {
	case t.stamped:
		l.next.Database, l.next.Revision = t.database, t.revision
	case t.hasColumn:
		return nil, runs.Failf(runs.Schema, "run `indelible runs migrate --apply`: rows written meanwhile have to be stamped anew with --restamp", "the triggers that stamp revisions are not all there")
	case q.Range.IncludeRunning:
		return nil, runs.Failf(runs.Usage, "run `indelible runs migrate --apply`, which adds revisions", "without revisions a chain cannot include running rows: it would not see them end")
	default:
		name := q.Range.Column
		if name == "" {
			name = "completed_at"
		}
		if _, ok := t.column(name); !ok {
			return nil, missing(name)
		}
		l.next.Column, l.next.Until = name, now
	}
	if plan != nil && plan.Next != nil {
		l.next = *plan.Next
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
	no := func(what string) error {
		return runs.Failf(runs.OtherSource, "run `indelible runs migrate --restamp --apply`, then go on with --resync", "the chain cannot go on: %s", what)
	}
	switch {
	case from.Kind != "sqlite":
		return nil, no("it was begun on another kind of database")
	case (from.Column == "") != t.stamped:
		return nil, no("the table has revisions now, or has them no more")
	case from.Database != l.next.Database:
		return nil, no("this is another database file, or its counter was made anew")
	case from.Revision > l.next.Revision:
		return nil, no("the file is older than the chain")
	}
	l.from, l.begins = from, false
	return l, nil
}

func (l *link) condition(t *table, s *statement, q *runs.Query) {
	if t.stamped {
		if !l.begins {
			s.and(revisionColumn+" > ?", l.from.Revision)
		}
		s.and(revisionColumn+" <= ?", l.next.Revision)
		return
	}
	s.anyOf("status", q.Terminal)
	at := function + "(" + quote(l.next.Column) + ")"
	s.and(at+" < ?", l.next.Until)
	if !l.begins {
		overlap := q.Range.Overlap
		if overlap <= 0 {
			overlap = runs.DefaultOverlap
		}
		s.and(at+" >= ?", min(l.from.Until, l.next.Until)-int64(overlap/time.Microsecond))
	}
}

func (l *link) guarantee(t *table) string {
	if t.stamped {
		return runs.ExactGuarantee
	}
	return runs.BestEffort
}
