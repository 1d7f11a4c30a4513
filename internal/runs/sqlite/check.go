package sqlite

import (
	"context"
	"errors"
	"fmt"

	"indelible/internal/runs"
)

// Check looks at what exports from this file rest on.
func (s *Source) Check(ctx context.Context) []runs.Finding {
	var found []runs.Finding
	bad := func(name string, err error) []runs.Finding {
		err = s.explain(ctx, err)
		f := runs.Finding{Name: name, Detail: err.Error()}
		var known *runs.Error
		if errors.As(err, &known) {
			f.Hint = known.Hint
		}
		return append(found, f)
	}
	good := func(name, format string, args ...any) {
		found = append(found, runs.Finding{Name: name, OK: true, Detail: fmt.Sprintf(format, args...)})
	}
	db, err := s.open("ro")
	if err != nil {
		return bad("connection", err)
	}
	defer db.Close()
	t, err := describe(ctx, db)
	if err == nil {
		_, _, _, err = t.selection(nil)
	}
	if err != nil {
		return bad("table", err)
	}
	good("table", "%s with all columns", TableName)
	switch {
	case t.stamped:
		good("revisions", "each row is stamped; index: %v", t.indexed)
	case t.hasColumn:
		return bad("revisions", runs.Failf(runs.Schema, "run `indelible runs migrate --apply`, then again with --restamp", "the triggers that stamp revisions are not all there"))
	default:
		found = append(found, runs.Finding{Name: "revisions", OK: true, Detail: "none: chains are best effort", Hint: "run `indelible runs migrate` to see what exact ones cost"})
	}
	good("tenants kept apart", "by a condition on each query: SQLite has no users")
	return found
}
