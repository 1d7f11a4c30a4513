package main

import (
	"strconv"
	"testing"

	"indelible/internal/runs/postgres/pgtest"
)

// TestExportVersions: a chain from each supported version of PostgreSQL, read as
// the role that sees one tenant.
func TestExportVersions(t *testing.T) {
	t.Parallel()
	for _, major := range pgtest.VersionsFor(testing.Short()) {
		t.Run(strconv.Itoa(major), func(t *testing.T) {
			t.Parallel()
			c, err := pgtest.StartVersion(major)
			if err != nil {
				t.Fatal(err)
			}
			x := newExporterFrom(t, c, 2000, nil)
			x.run("runs", "migrate", "--apply").want(exitOK)
			x.env["POSTGRES_DSN"] = c.DSN(x.database, "indelible_export")
			export := func(args ...string) output {
				t.Helper()
				return x.run(append([]string{"export", "--tenant", "acme", "--out", x.path("chain"), "--incremental", "nightly", "--include-running"}, args...)...)
			}
			export().want(exitOK, "source      postgresql "+strconv.Itoa(major)+".", "link 1", "exactly one")
			c.SQL(t, x.database, "UPDATE workflow_runs SET status = 'failed' WHERE id IN (SELECT id FROM workflow_runs WHERE tenant_id = 'acme' LIMIT 3)")
			export().want(exitOK, "rows        3 in 1 file", "link 2")
			x.run("dataset", "verify", x.path("chain")).want(exitOK, "chain       2 links", "proved by ledger and evidence")
			x.run("doctor").want(exitOK, "PostgreSQL")
			x.env["POSTGRES_DSN"] = c.DSN(x.database, "")
			x.run("runs", "migrate", "--revert", "--apply").want(exitOK)
		})
	}
}
