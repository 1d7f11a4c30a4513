// Package runstest is the suite every source of workflow runs passes, and what
// tests of sources read and compare with.
package runstest

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"indelible/internal/runs"
)

// Everything is all rows, as whoever reads.
var Everything = runs.Query{AllTenants: true, NoRLS: true}

// Try reads every shard of every tenant, in order, up to the first error.
func Try(ctx context.Context, s runs.Source, q runs.Query) (got []*runs.Run, info runs.Info, err error) {
	snap, err := s.Open(ctx, q)
	if err != nil {
		return nil, info, err
	}
	defer snap.Close()
	got, err = All(ctx, snap, q)
	return got, snap.Info(), err
}

// Read is Try for what must go well.
func Read(t testing.TB, s runs.Source, q runs.Query) ([]*runs.Run, runs.Info) {
	t.Helper()
	got, info, err := Try(t.Context(), s, q)
	if err != nil {
		t.Fatal(err)
	}
	return got, info
}

// All reads a snapshot.
func All(ctx context.Context, snap runs.Snapshot, q runs.Query) (got []*runs.Run, err error) {
	tenants := q.Tenants
	if q.AllTenants {
		tenants = []string{""}
	}
	for _, tenant := range tenants {
		for shard := range snap.Info().Shards {
			err := snap.Scan(ctx, tenant, shard, func(r *runs.Run) error { got = append(got, Keep(r)); return nil })
			if err != nil {
				return got, err
			}
		}
	}
	return got, nil
}

// Open takes a snapshot that ends with the test.
func Open(t testing.TB, s runs.Source, q runs.Query) runs.Snapshot {
	t.Helper()
	snap, err := s.Open(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { snap.Close() })
	return snap
}

// Keep copies a row, which belongs to the source.
func Keep(r *runs.Run) *runs.Run {
	c := *r
	for _, b := range []*[]byte{&c.ID, &c.TenantID, &c.WorkflowName, &c.WorkflowVersion, &c.Status, &c.ErrorMessage, &c.Metadata} {
		*b = bytes.Clone(*b)
	}
	c.Extra = nil
	for _, e := range r.Extra {
		c.Extra = append(c.Extra, bytes.Clone(e))
	}
	return &c
}

// IDs are the ids of rows, with a space between.
func IDs(rows []*runs.Run) string {
	var out []string
	for _, r := range rows {
		out = append(out, string(r.ID))
	}
	return strings.Join(out, " ")
}

// WantError checks for an error with a code, words and a hint.
func WantError(t testing.TB, err error, code runs.Code, says string) {
	t.Helper()
	var e *runs.Error
	if !errors.As(err, &e) || e.Code != code || !strings.Contains(e.What, says) || e.Hint == "" {
		t.Errorf("got %v (%#v), want %s: %q", err, e, code, says)
	}
}

// Row is a statement that inserts a row which is sound but for what is given:
// column, value, …
func Row(id string, set ...string) string {
	cols := []string{"id", "tenant_id", "workflow_name", "workflow_version", "status", "created_at"}
	vals := []string{"'" + id + "'", "'t'", "'w'", "'1'", "'completed'", "'2025-01-06T00:00:00Z'"}
next:
	for i := 0; i < len(set); i += 2 {
		for j, c := range cols {
			if c == set[i] {
				vals[j] = set[i+1]
				continue next
			}
		}
		cols, vals = append(cols, set[i]), append(vals, set[i+1])
	}
	return "INSERT INTO workflow_runs (" + strings.Join(cols, ", ") + ") VALUES (" + strings.Join(vals, ", ") + ");"
}
