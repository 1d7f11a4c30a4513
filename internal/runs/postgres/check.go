package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"indelible/internal/runs"
)

// Check looks at what exports from this database rest on.
func (s *Source) Check(ctx context.Context) []runs.Finding {
	var found []runs.Finding
	bad := func(name string, err error) []runs.Finding {
		err = explain(ctx, "look at the database", err)
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
	c, err := connect(ctx, s.config, 0)
	if err != nil {
		return bad("connection", err)
	}
	defer c.close()
	if _, err = c.version(ctx); err == nil {
		err = c.begin(ctx, "", 0, true)
	}
	var p *place
	if err == nil {
		p, err = c.locate(ctx)
	}
	if err != nil {
		return bad("connection", err)
	}
	good("connection", "PostgreSQL %s%s", p.version, map[bool]string{true: ", a standby"}[p.standby])
	for _, note := range s.notes {
		good("connection", "%s", note)
	}
	t, err := c.describe(ctx)
	if err == nil {
		_, _, err = t.selection(nil)
	}
	if err != nil {
		return bad("table", err)
	}
	parts := ""
	if len(t.leaves) > 1 {
		parts = fmt.Sprintf(", in %d parts", len(t.leaves))
	}
	good("table", "%s with all columns%s, about %s rows", TableName, parts, about(t.rows))
	if err := c.checkRevisions(ctx, t, p); err != nil {
		found = bad("revisions", err)
	} else if !t.stamped {
		found = append(found, runs.Finding{Name: "revisions", OK: true, Detail: "none: chains are best effort", Hint: "run `indelible runs migrate` to see what exact ones cost"})
	} else {
		good("revisions", "each row is stamped; index: %v", t.indexed)
	}
	if err := c.isolates(ctx, t, false); err != nil {
		found = bad("tenants kept apart", err)
	} else {
		good("tenants kept apart", "by a policy of the database, for this user")
	}
	notes, err := c.lag(ctx, p)
	if err != nil {
		return bad("writers", err)
	}
	if len(notes) > 0 {
		good("writers", "%s", strings.Join(notes, "; "))
	}
	return found
}

// checkRevisions looks for what would make a chain lose rows: a trigger that
// does not always fire, and rows of transactions that have not been yet.
func (c *conn) checkRevisions(ctx context.Context, t *table, p *place) error {
	if !t.hasColumn {
		return nil
	}
	if !t.stamped {
		return runs.Failf(runs.Schema, "run `indelible runs migrate --apply`, then again with --restamp", "the trigger that stamps revisions does not always fire on %s", t.badStamp)
	}
	_, xmax, err := parseSnapshot(p.snapshot)
	if err != nil {
		return err
	}
	if p.standby {
		return nil // it does not know where transactions end
	}
	rows, err := c.query(ctx, "SELECT id::text FROM "+t.name+" WHERE "+revisionColumn+" >= $1::xid8 LIMIT 1", fmt.Sprint(xmax))
	if err != nil {
		return err
	}
	if len(rows) > 0 {
		return notYet(rows[0][0])
	}
	return nil
}

func notYet(id string) error {
	return runs.Failf(runs.OtherSource, "run `indelible runs migrate --restamp --apply`, and go on with --resync", "row %s has the revision of a transaction that has not been yet: the table came from another database", clip(id))
}
