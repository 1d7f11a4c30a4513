package postgres

import (
	"strconv"
	"strings"
	"testing"

	"indelible/internal/runs"
	"indelible/internal/runs/postgres/pgtest"
	"indelible/internal/runs/runstest"
)

// TestVersions: what depends on the server holds on each version that is
// supported. The system's own, which all other tests use, is not run again.
func TestVersions(t *testing.T) {
	t.Parallel()
	for _, major := range pgtest.VersionsFor(testing.Short()) {
		t.Run(strconv.Itoa(major), func(t *testing.T) {
			t.Parallel()
			c, err := pgtest.StartVersion(major)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Stop() })
			makeRoles(t, c)
			fresh := func(t testing.TB) *database { return &database{t, c, c.NewDatabase(t)} }
			if got := c.SQL(t, "postgres", "SHOW server_version"); !strings.HasPrefix(got, strconv.Itoa(major)+".") {
				t.Fatalf("the server is %s", got)
			}
			runstest.RunMadeUp(t, func(t testing.TB) runstest.Database { return fresh(t) })
			for name, test := range map[string]func(*testing.T, *database){
				"tenants are kept apart":          tenantsAreKeptApart,
				"others read and write as before": othersReadAndWriteAsBefore,
				"policies of its own stay":        policiesOfItsOwnStay,
				"no way around":                   noWayAround,
				"chain by tenant":                 chainByTenant,
				"who holds rows back":             whoHoldsRowsBack,
				"late commits": func(t *testing.T, d *database) {
					d.revise(runs.Migration{})
					lateCommits(t, d)
				},
			} {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					test(t, fresh(t))
				})
			}
		})
	}
}
