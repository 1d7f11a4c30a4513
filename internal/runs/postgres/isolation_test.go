package postgres

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"indelible/internal/runs"
	"indelible/internal/runs/postgres/pgtest"
	"indelible/internal/runs/runstest"
)

// TestRolesComeAndGo: roles belong to the cluster, so this test has one of its
// own. All others share the roles.
func TestRolesComeAndGo(t *testing.T) {
	t.Parallel()
	c, err := pgtest.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Stop() })
	d := &database{t, c, c.NewDatabase(t)}
	roles := func() string {
		return d.sql("SELECT string_agg(rolname || ' ' || rolcanlogin || rolinherit || rolsuper || rolbypassrls || rolcreaterole || rolcreatedb, ', ' ORDER BY 1) FROM pg_roles WHERE rolname LIKE 'indelible%'")
	}
	d.sql(CreateTable)
	d.migrate(runs.Migration{})
	if got := roles(); got != "indelible_export truefalsefalsefalsefalsefalse, indelible_export_all truefalsefalsefalsefalsefalse" {
		t.Errorf("roles %q", got)
	}
	if _, err := c.PSQL(c.TCP(d.name, exportRole, ""), "SELECT 1"); err == nil {
		t.Error("a role without a password can log in")
	}
	other := &database{t, c, c.NewDatabase(t)}
	other.sql(CreateTable)
	other.migrate(runs.Migration{})
	d.migrate(runs.Migration{Revert: true})
	if roles() == "" {
		t.Error("roles another database needs are gone")
	}
	other.migrate(runs.Migration{Revert: true})
	if got := roles(); got != "" {
		t.Errorf("roles %q are left", got)
	}
}

func TestTenantsAreKeptApart(t *testing.T) { t.Parallel(); tenantsAreKeptApart(t, newDatabase(t)) }

func tenantsAreKeptApart(t *testing.T, d *database) {
	d.fill(3, 4000)
	d.migrate(runs.Migration{})
	acme := d.sql("SELECT count(*) FROM workflow_runs WHERE tenant_id = 'acme'")

	q := runs.Query{Tenants: []string{"acme", "o'neill & sons", "nobody"}, Jobs: 2}
	snap := runstest.Open(t, d.source(exportRole), q)
	counts := map[string]int{}
	for _, tenant := range q.Tenants {
		for shard := range snap.Info().Shards {
			if err := snap.Scan(t.Context(), tenant, shard, func(r *runs.Run) error { counts[string(r.TenantID)]++; return nil }); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(counts) != 2 || itoa(counts["acme"]) != acme || counts["o'neill & sons"] == 0 {
		t.Errorf("got %v, %s of acme", counts, acme)
	}
	if err := snap.Scan(t.Context(), "globex", 0, func(*runs.Run) error { return nil }); err == nil {
		t.Error("a tenant nobody asked for was scanned")
	}

	// The role of one tenant does not read all, and the other reads one as well.
	_, _, err := runstest.Try(t.Context(), d.source(exportRole), runs.Query{AllTenants: true})
	runstest.WantError(t, err, runs.Isolation, "no policy lets this user read all tenants")
	if got := read(t, d.source(exportAllRole), runs.Query{AllTenants: true}); len(got) != 4000 {
		t.Errorf("%d rows of all tenants", len(got))
	}
	if got := read(t, d.source(exportAllRole), runs.Query{Tenants: []string{"acme"}}); itoa(len(got)) != acme {
		t.Errorf("%d rows of acme", len(got))
	}

	// The policy leaves a range of pages a range of pages.
	if plan := d.sql("SET ROLE " + exportRole + "; EXPLAIN SELECT * FROM workflow_runs WHERE ctid >= '(10,0)' AND ctid < '(20,0)'"); !strings.Contains(plan, "Tid Range Scan") {
		t.Errorf("the plan is\n%s", plan)
	}

	// Whoever asks for nothing sees nothing, before and after a transaction that did.
	for _, sql := range []string{
		"SELECT count(*) FROM workflow_runs",
		"BEGIN; SELECT set_config('app.tenant_id', 'acme', true) \\g /dev/null\nCOMMIT; SELECT count(*) FROM workflow_runs",
		"SET app.tenant_id = '*'; SELECT count(*) FROM workflow_runs",
	} {
		if got, err := d.c.PSQL(d.c.DSN(d.name, exportRole), sql); err != nil || got != "0" {
			t.Errorf("%s: %q %v", sql, got, err)
		}
	}
	if _, err := d.c.PSQL(d.c.DSN(d.name, exportAllRole), "DELETE FROM workflow_runs"); err == nil {
		t.Error("the exporter may delete")
	}
}

// TestOthersReadAndWriteAsBefore: the owner and an application's own role.
func TestOthersReadAndWriteAsBefore(t *testing.T) {
	t.Parallel()
	othersReadAndWriteAsBefore(t, newDatabase(t))
}

func othersReadAndWriteAsBefore(t *testing.T, d *database) {
	owner, app := "owner_"+d.name, "app_"+d.name
	d.sql("CREATE ROLE " + owner + " LOGIN CREATEROLE; CREATE ROLE " + app + " LOGIN; GRANT CREATE ON SCHEMA public TO " + owner)
	if err := d.source(owner).Fill(t.Context(), func(func(*runs.Run) bool) {}, "test"); err != nil {
		t.Fatal(err)
	}
	// No sample marks: it is the table of an application.
	d.sql("COMMENT ON TABLE workflow_runs IS NULL; GRANT SELECT, INSERT, UPDATE, DELETE ON workflow_runs TO " + app)
	work := func(user, id string) (said []string) {
		t.Helper()
		for _, sql := range []string{
			runstest.Row(id), runstest.Row(id+"2", "tenant_id", "'other'"), "SELECT count(*), count(DISTINCT tenant_id) FROM workflow_runs WHERE id LIKE '" + id + "%'",
			"UPDATE workflow_runs SET status = 'failed' WHERE id = '" + id + "' RETURNING status", "DELETE FROM workflow_runs WHERE id LIKE '" + id + "%' RETURNING id",
			runstest.Row(id) + "INSERT INTO workflow_runs SELECT * FROM workflow_runs WHERE id = '" + id + "' ON CONFLICT (id) DO UPDATE SET status = 'x' RETURNING status",
			"COPY (SELECT id FROM workflow_runs WHERE id = '" + id + "') TO STDOUT", "DELETE FROM workflow_runs WHERE id = '" + id + "'",
		} {
			got, err := d.c.PSQL(d.c.DSN(d.name, user), sql)
			if err != nil {
				t.Errorf("%s as %s: %v", sql, user, err)
			}
			said = append(said, got)
		}
		return said
	}
	before := [][]string{work(owner, "x"), work(app, "x")}
	if err := d.source(owner).Apply(t.Context(), runs.Migration{}, func(runs.Step) {}); err != nil {
		t.Fatal(err)
	}
	after := [][]string{work(owner, "x"), work(app, "x")}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Error(diff)
	}
	if err := d.source(owner).Apply(t.Context(), runs.Migration{Revert: true}, func(runs.Step) {}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, [][]string{work(owner, "x"), work(app, "x")}); diff != "" {
		t.Error(diff)
	}
	_, err := d.source(app).Plan(t.Context(), runs.Migration{})
	runstest.WantError(t, err, runs.Refused, "only the owner")
}

// schema is what a migration may change, as the catalog says it.
const schema = `SELECT string_agg(x, E'\n' ORDER BY x) FROM (
  SELECT 'column ' || attname || ' ' || format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'workflow_runs'::regclass AND attnum > 0 AND NOT attisdropped
  UNION ALL SELECT 'trigger ' || tgname || ' ' || tgenabled::text FROM pg_trigger WHERE tgrelid = 'workflow_runs'::regclass
  UNION ALL SELECT 'policy ' || polname || coalesce(pg_get_expr(polqual, polrelid), '') FROM pg_policy
  UNION ALL SELECT 'index ' || indexdef FROM pg_indexes WHERE tablename = 'workflow_runs'
  UNION ALL SELECT 'function ' || proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
  UNION ALL SELECT 'secured ' || relrowsecurity::text || relforcerowsecurity::text FROM pg_class WHERE oid = 'workflow_runs'::regclass
  UNION ALL SELECT 'grant ' || a::text FROM pg_class, unnest(relacl) a WHERE oid = 'workflow_runs'::regclass AND a::text NOT LIKE 'postgres=%'
) s (x)`

func TestMigrationAgainAndBack(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, before string }{
		{"plain", ""},
		{"in another schema", "CREATE SCHEMA flows; ALTER TABLE workflow_runs SET SCHEMA flows; DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || current_database() || ' SET search_path = flows, public'; END $$"},
		{"with policies of its own", "ALTER TABLE workflow_runs ENABLE ROW LEVEL SECURITY; CREATE POLICY mine ON workflow_runs FOR ALL TO PUBLIC USING (tenant_id = current_setting('my.tenant', true))"},
		{"tenants of another type", "ALTER TABLE workflow_runs ALTER COLUMN tenant_id TYPE varchar(40)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := newDatabase(t)
			d.fill(3, 300)
			d.sql(c.before)
			before := d.sql(schema)
			planned, err := d.source("").Plan(t.Context(), runs.Migration{})
			if err != nil {
				t.Fatal(err)
			}
			if d.sql(schema) != before {
				t.Error("a plan changed something")
			}
			var done []runs.Step
			if err := d.source("").Apply(t.Context(), runs.Migration{}, func(s runs.Step) { done = append(done, s) }); err != nil {
				t.Fatal(err)
			}
			// The roles may have been made by another test in between.
			if len(done) == 0 || len(done) > len(planned) {
				t.Errorf("%d steps planned, %d done", len(planned), len(done))
			}
			if again, err := d.source("").Plan(t.Context(), runs.Migration{}); err != nil || len(again) != 0 {
				t.Errorf("again %+v, %v", again, err)
			}
			if got := read(t, d.source(exportRole), runs.Query{Tenants: []string{"acme"}}); itoa(len(got)) != d.sql("SELECT count(*) FROM workflow_runs WHERE tenant_id = 'acme'") {
				t.Errorf("%d rows of acme", len(got))
			}
			if len(read(t, d.source(exportAllRole), runs.Query{AllTenants: true})) != 300 {
				t.Error("not all rows of all tenants")
			}
			// Half of it is gone: what is missing comes back.
			d.sql("DROP POLICY indelible_tenant ON workflow_runs; ALTER TABLE workflow_runs DISABLE TRIGGER zz_indelible_revision; DROP INDEX workflow_runs_indelible_revision")
			d.migrate(runs.Migration{})
			if again, err := d.source("").Plan(t.Context(), runs.Migration{}); err != nil || len(again) != 0 {
				t.Errorf("after a repair %+v, %v", again, err)
			}
			d.migrate(runs.Migration{Revert: true})
			if diff := cmp.Diff(before, d.sql(schema)); diff != "" {
				t.Error(diff)
			}
			if again, err := d.source("").Plan(t.Context(), runs.Migration{Revert: true}); err != nil || len(again) > 2 { // roles other databases use
				t.Errorf("back again %+v, %v", again, err)
			}
		})
	}
}

// TestPoliciesOfItsOwnStay: where rows were hidden from somebody they stay so.
func TestPoliciesOfItsOwnStay(t *testing.T) { t.Parallel(); policiesOfItsOwnStay(t, newDatabase(t)) }

func policiesOfItsOwnStay(t *testing.T, d *database) {
	d.fill(3, 300)
	app := "app_" + d.name
	d.sql("CREATE ROLE " + app + " LOGIN; GRANT SELECT ON workflow_runs TO " + app + "; ALTER TABLE workflow_runs ENABLE ROW LEVEL SECURITY; CREATE POLICY mine ON workflow_runs USING (tenant_id = 'acme')")
	count := func() string {
		got, err := d.c.PSQL(d.c.DSN(d.name, app), "SELECT count(*) FROM workflow_runs")
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	before := count()
	d.migrate(runs.Migration{})
	if got := count(); got != before {
		t.Errorf("%s rows before, %s after", before, got)
	}
	d.migrate(runs.Migration{Revert: true})
	if got := count(); got != before {
		t.Errorf("%s rows before, %s after it was taken back", before, got)
	}
}

// TestNoWayAround: whoever could get around the policy does not export, unless
// that is said.
func TestNoWayAround(t *testing.T) { t.Parallel(); noWayAround(t, newDatabase(t)) }

func noWayAround(t *testing.T, d *database) {
	d.fill(3, 30)
	d.migrate(runs.Migration{})
	one := runs.Query{Tenants: []string{"acme"}}
	role := func(name, more string) string {
		name += "_" + d.name
		d.sql("CREATE ROLE " + name + " LOGIN " + more + "; GRANT " + exportRole + " TO " + name)
		return name
	}
	owner := "ow_" + d.name
	d.sql("CREATE ROLE " + owner + "; ALTER TABLE workflow_runs OWNER TO " + owner)
	member := role("member", "NOINHERIT")
	d.sql("GRANT " + owner + " TO " + member)
	for name, user := range map[string]string{
		"superuser": "", "BYPASSRLS": role("bypass", "BYPASSRLS"), "CREATEROLE": role("maker", "CREATEROLE"), "can become the owner": member,
	} {
		_, _, err := runstest.Try(t.Context(), d.source(user), one)
		runstest.WantError(t, err, runs.Isolation, "do not bind this user")
		q := one
		q.NoRLS = true
		if user == "" {
			if got, info, err := runstest.Try(t.Context(), d.source(user), q); err != nil || len(got) == 0 || info.Isolation == "" {
				t.Errorf("%s without policies: %d rows, %v", name, len(got), err)
			}
		}
	}
	// A member of the exporter's role is bound as it is.
	if got := read(t, d.source(role("plain", "")), one); len(got) == 0 {
		t.Error("a member of the exporters sees nothing")
	}
	stranger := "stranger_" + d.name
	d.sql("CREATE ROLE " + stranger + " LOGIN; GRANT SELECT ON workflow_runs TO " + stranger)
	_, _, err := runstest.Try(t.Context(), d.source(stranger), one)
	runstest.WantError(t, err, runs.Isolation, "no policy confines this user")
	d.sql("CREATE POLICY loose ON workflow_runs AS RESTRICTIVE TO " + stranger + " USING (tenant_id = current_setting('app.tenant_id', true) OR true)")
	_, _, err = runstest.Try(t.Context(), d.source(stranger), one)
	runstest.WantError(t, err, runs.Isolation, "no policy confines this user")
	// A policy that asks for the setting row by row says the same.
	d.sql("DROP POLICY indelible_tenant ON workflow_runs; CREATE POLICY mine ON workflow_runs AS RESTRICTIVE FOR SELECT TO indelible_export USING (tenant_id = current_setting('app.tenant_id', true))")
	if got := read(t, d.source(exportRole), one); len(got) == 0 {
		t.Error("no rows by a policy that asks each time")
	}
	d.sql("ALTER TABLE workflow_runs DISABLE ROW LEVEL SECURITY")
	_, _, err = runstest.Try(t.Context(), d.source(exportRole), one)
	runstest.WantError(t, err, runs.Isolation, "not in force")
}
