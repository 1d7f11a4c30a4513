package postgres

import (
	"context"
	"fmt"
	"strings"

	"indelible/internal/runs"
)

// Names of what `runs migrate` makes.
const (
	triggerName  = "zz_indelible_revision" // triggers fire by name: this one last
	functionName = "indelible_stamp_revision"
	indexName    = "workflow_runs_indelible_revision"

	// policyOpen lets everybody see what they saw before; policyReader lets the
	// exporters see rows where other policies were there already.
	policyOpen      = "indelible_open"
	policyReader    = "indelible_reader"
	policyTenant    = "indelible_tenant"
	policyTenantAll = "indelible_tenant_or_all"
)

// Plan says what a migration has to do: nothing if all is there.
func (s *Source) Plan(ctx context.Context, m runs.Migration) ([]runs.Step, error) {
	c, err := connect(ctx, s.config, 0)
	if err != nil {
		return nil, err
	}
	defer c.close()
	steps, err := planMigration(ctx, c, m)
	return steps, explain(ctx, "look at the database", err)
}

// Apply carries out a migration and says what it did, step by step. What fits
// into one transaction is one: either all of it happens or nothing.
func (s *Source) Apply(ctx context.Context, m runs.Migration, done func(runs.Step)) error {
	c, err := connect(ctx, s.config, 0)
	if err != nil {
		return err
	}
	defer c.close()
	return explain(ctx, "change the database", apply(ctx, c, m, done))
}

// lockTimeout is how long a change waits for the table: everybody who comes
// after it waits as well.
const lockTimeout = "SET lock_timeout = '3s'; SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET client_encoding = 'UTF8'"

func apply(ctx context.Context, c *conn, m runs.Migration, done func(runs.Step)) error {
	steps, err := planMigration(ctx, c, m)
	if err != nil {
		return err
	}
	if err := c.exec(ctx, lockTimeout); err != nil {
		return err
	}
	var together []runs.Step
	flush := func() error {
		if len(together) == 0 {
			return nil
		}
		var sql strings.Builder
		for _, step := range together {
			sql.WriteString(step.SQL + ";\n")
		}
		if err := c.exec(ctx, "BEGIN;\n"+sql.String()+"COMMIT;"); err != nil {
			c.exec(ctx, "ROLLBACK")
			return err
		}
		for _, step := range together {
			done(step)
		}
		together = nil
		return nil
	}
	for _, step := range steps {
		if !step.Alone {
			together = append(together, step)
			continue
		}
		if err := flush(); err != nil {
			return err
		}
		// It waits for transactions, and nobody for it.
		if err := c.exec(ctx, "SET lock_timeout = '10min'"); err != nil {
			return err
		}
		if err := c.exec(ctx, step.SQL); err != nil {
			return err
		}
		done(step)
	}
	return flush()
}

func planMigration(ctx context.Context, c *conn, m runs.Migration) ([]runs.Step, error) {
	if _, err := c.version(ctx); err != nil {
		return nil, err
	}
	// In a transaction of its own, which also gives the search path back.
	if err := c.begin(ctx, "", 0, false); err != nil {
		return nil, err
	}
	defer c.exec(context.WithoutCancel(ctx), "ROLLBACK")
	t, err := c.describe(ctx)
	if err != nil {
		return nil, err
	}
	if t.relkind == "m" {
		return nil, runs.Failf(runs.Schema, "migrate the table it is made from", "%s is a materialized view", TableName)
	}
	row, err := c.one(ctx, "SELECT pg_has_role(current_user, relowner, 'USAGE') FROM pg_class WHERE oid = $1::oid", t.oid)
	if err != nil {
		return nil, err
	}
	if row[0] != "t" {
		return nil, runs.Failf(runs.Refused, "run it as "+t.owner, "only the owner of %s can change it", TableName)
	}
	have, err := c.inventory(ctx, t)
	if err != nil {
		return nil, err
	}
	if m.Revert {
		return revert(t, have), nil
	}
	var steps []runs.Step
	steps = append(steps, revisionSteps(t, have)...)
	if !m.NoRLS {
		steps = append(steps, isolationSteps(t, have)...)
	}
	if !m.NoIndex {
		steps = append(steps, indexSteps(t, have)...)
	}
	if m.Restamp {
		steps = append(steps, runs.Step{
			What: fmt.Sprintf("stamp every row anew: writes each of about %s rows once, in one transaction", about(t.rows)),
			SQL:  "UPDATE " + t.name + " SET " + revisionColumn + " = " + revisionColumn,
		})
	}
	return steps, nil
}

// inventory is what of a migration is there already.
type inventory struct {
	function   bool
	trigger    bool // on the table
	stale      []string
	policies   map[string]bool
	foreign    bool              // policies of somebody else
	roles      map[string]bool   // that exist
	grants     map[string]bool   // roles that may read
	indexes    map[string]string // leaf → index of ours, with ! when it is invalid
	leafTables [][2]string       // schema-qualified name, name of the index
}

func (c *conn) inventory(ctx context.Context, t *table) (*inventory, error) {
	have := &inventory{policies: map[string]bool{}, roles: map[string]bool{}, grants: map[string]bool{}, indexes: map[string]string{}}
	row, err := c.one(ctx, `SELECT to_regprocedure($1) IS NOT NULL, EXISTS (SELECT FROM pg_trigger WHERE tgrelid = $2::oid AND tgname = $3)`,
		ident(t.schema)+"."+functionName+"()", t.oid, triggerName)
	if err != nil {
		return nil, err
	}
	have.function, have.trigger = row[0] == "t", row[1] == "t"
	rows, err := c.query(ctx, `SELECT polname FROM pg_policy WHERE polrelid = $1::oid`, t.oid)
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		switch r[0] {
		case policyOpen, policyReader, policyTenant, policyTenantAll:
			have.policies[r[0]] = true
		default:
			have.foreign = true
		}
	}
	if rows, err = c.query(ctx, `SELECT rolname, has_table_privilege(oid, $1::oid, 'SELECT') AND has_schema_privilege(oid, $4, 'USAGE') FROM pg_roles WHERE rolname IN ($2, $3)`,
		t.oid, exportRole, exportAllRole, t.schema); err != nil {
		return nil, err
	}
	for _, r := range rows {
		have.roles[r[0]], have.grants[r[0]] = true, r[1] == "t"
	}
	// The trigger must fire always, on every part.
	if rows, err = c.query(ctx, `SELECT c.oid::regclass::text FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid
WHERE g.tgname = $2 AND g.tgenabled <> 'A' AND (c.oid = $1::oid OR c.oid IN (SELECT relid FROM pg_partition_tree($1::oid::regclass))) ORDER BY 1`, t.oid, triggerName); err != nil {
		return nil, err
	}
	for _, r := range rows {
		have.stale = append(have.stale, r[0])
	}
	return have, c.ourIndexes(ctx, t, have)
}

// ourIndexes finds the index of each part, and those a broken attempt left.
func (c *conn) ourIndexes(ctx context.Context, t *table, have *inventory) error {
	for i, leaf := range t.leaves {
		name := indexName
		if t.partitioned() || len(t.leaves) > 1 {
			name = fmt.Sprintf("%s_%d", indexName, i)
		}
		rows, err := c.query(ctx, `SELECT ic.relname, i.indisvalid FROM pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
WHERE i.indrelid = $1::regclass AND i.indpred IS NULL AND a.attname = $2 ORDER BY i.indisvalid DESC LIMIT 1`, leaf, revisionColumn)
		if err != nil {
			return err
		}
		if len(rows) > 0 {
			have.indexes[leaf] = rows[0][0]
			if rows[0][1] != "t" {
				have.indexes[leaf] = "!" + rows[0][0]
			}
		}
		have.leafTables = append(have.leafTables, [2]string{leaf, name})
	}
	return nil
}

// revisionSteps add the column and the trigger that stamps it.
func revisionSteps(t *table, have *inventory) []runs.Step {
	var steps []runs.Step
	function := ident(t.schema) + "." + functionName
	if !t.hasColumn {
		// A constant default is kept in the catalog: no row is written. Rows there
		// are become revision 3, the first any transaction can have.
		steps = append(steps, runs.Step{
			What: "a revision for each row: the transaction that wrote it. Quick, no row is rewritten; the table is locked for a moment",
			SQL: "ALTER TABLE " + t.name + " ADD COLUMN " + revisionColumn + " xid8 NOT NULL DEFAULT '3';\n" +
				"ALTER TABLE " + t.name + " ALTER COLUMN " + revisionColumn + " DROP DEFAULT",
		})
	}
	if !have.function {
		steps = append(steps, runs.Step{
			What: "what stamps a row",
			SQL: "CREATE FUNCTION " + function + "() RETURNS trigger LANGUAGE plpgsql AS $$\nBEGIN\n" +
				"  NEW." + revisionColumn + " := pg_catalog.pg_current_xact_id();\n  RETURN NEW;\nEND $$",
		})
	}
	if !have.trigger {
		steps = append(steps, runs.Step{
			What: "stamp every row that is written: a few microseconds for each",
			SQL:  "CREATE TRIGGER " + triggerName + " BEFORE INSERT OR UPDATE ON " + t.name + " FOR EACH ROW EXECUTE FUNCTION " + function + "()",
		})
	}
	if !have.trigger || len(have.stale) > 0 {
		parts := t.leaves
		if t.partitioned() || len(parts) == 0 {
			parts = append([]string{t.name}, parts...)
		}
		var sql []string
		for _, part := range parts {
			sql = append(sql, "ALTER TABLE "+part+" ENABLE ALWAYS TRIGGER "+triggerName)
		}
		steps = append(steps, runs.Step{What: "stamp rows that replication writes, too", SQL: strings.Join(sql, ";\n")})
	}
	return steps
}

// isolationSteps keep tenants apart for the exporters, and change nothing for
// everybody else.
func isolationSteps(t *table, have *inventory) []runs.Step {
	var steps []runs.Step
	for _, role := range []string{exportRole, exportAllRole} {
		if !have.roles[role] {
			steps = append(steps, runs.Step{
				What: "a role to export with; it has no password until you give it one: \\password " + role,
				SQL:  "CREATE ROLE " + role + " LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT NOBYPASSRLS",
			})
		}
		if !have.grants[role] {
			steps = append(steps, runs.Step{
				What: "let it read this table and nothing else",
				SQL:  "GRANT USAGE ON SCHEMA " + ident(t.schema) + " TO " + role + ";\nGRANT SELECT ON " + t.name + " TO " + role,
			})
		}
	}
	policy := func(name, what, rest string) {
		if !have.policies[name] {
			steps = append(steps, runs.Step{What: what, SQL: "CREATE POLICY " + name + " ON " + t.name + " " + rest})
		}
	}
	// Whoever has policies of their own keeps them as they are: opening the table
	// to everybody would undo them.
	if t.secured && !have.policies[policyOpen] {
		policy(policyReader, "the exporters may see rows beside the policies that are there", "FOR SELECT TO "+exportRole+", "+exportAllRole+" USING (true)")
	} else {
		policy(policyOpen, "everybody else sees and writes what they did before", "TO PUBLIC USING (true) WITH CHECK (true)")
	}
	equal := "tenant_id = " + policySetting
	if c, _ := t.column("tenant_id"); c.oid != typeText && c.oid != typeVarchar {
		equal = "tenant_id::text = " + policySetting
	}
	policy(policyTenant, "an exporter sees the rows of one tenant", "AS RESTRICTIVE FOR SELECT TO "+exportRole+" USING ("+equal+")")
	policy(policyTenantAll, "the exporter of everything sees one tenant, or all when it says so", "AS RESTRICTIVE FOR SELECT TO "+exportAllRole+
		" USING ("+policySetting+" = '*' OR "+equal+")")
	if !t.secured {
		steps = append(steps, runs.Step{What: "put the policies in force", SQL: "ALTER TABLE " + t.name + " ENABLE ROW LEVEL SECURITY"})
	}
	return steps
}

// indexSteps make the index a link of a chain finds its rows with.
func indexSteps(t *table, have *inventory) []runs.Step {
	var steps []runs.Step
	for _, leaf := range have.leafTables {
		name, ours := have.indexes[leaf[0]], true
		if broken, is := strings.CutPrefix(name, "!"); is {
			schema, _, _ := strings.Cut(leaf[0], ".")
			steps = append(steps, runs.Step{What: "an index that was never finished goes", SQL: "DROP INDEX CONCURRENTLY IF EXISTS " + schema + "." + ident(broken), Alone: true})
			name = ""
		}
		ours = name == ""
		if ours {
			steps = append(steps, runs.Step{
				What: fmt.Sprintf("find new rows quickly: built while others read and write, %s of disk; updates of a row touch its indexes from now on (measured: 2.5 times the time, a third more WAL). --no-index goes without and reads the whole table each time",
					indexSize(t.rows)),
				SQL:   "CREATE INDEX CONCURRENTLY " + leaf[1] + " ON " + leaf[0] + " (" + revisionColumn + ")",
				Alone: true,
			})
		}
	}
	return steps
}

// revert takes out what a migration made, and nothing else.
func revert(t *table, have *inventory) []runs.Step {
	var steps []runs.Step
	add := func(cond bool, what, sql string) {
		if cond {
			steps = append(steps, runs.Step{What: what, SQL: sql})
		}
	}
	for _, name := range []string{policyTenant, policyTenantAll, policyReader} {
		add(have.policies[name], "the policy goes", "DROP POLICY "+name+" ON "+t.name)
	}
	if have.policies[policyOpen] {
		// It was ours to put policies in force, unless somebody made others since.
		add(!have.foreign, "policies are out of force again", "ALTER TABLE "+t.name+" DISABLE ROW LEVEL SECURITY")
		add(true, "the policy goes", "DROP POLICY "+policyOpen+" ON "+t.name)
	}
	add(t.hasColumn, "the column goes, its index with it", "ALTER TABLE "+t.name+" DROP COLUMN "+revisionColumn)
	add(have.trigger, "the trigger goes", "DROP TRIGGER "+triggerName+" ON "+t.name)
	add(have.function, "the function goes", "DROP FUNCTION "+ident(t.schema)+"."+functionName+"()")
	for _, role := range []string{exportRole, exportAllRole} {
		if have.roles[role] {
			steps = append(steps, runs.Step{
				What: "the role loses its rights here, and goes if no other database uses it",
				SQL: "REVOKE ALL ON " + t.name + " FROM " + role + ";\nREVOKE ALL ON SCHEMA " + ident(t.schema) + " FROM " + role + ";\n" +
					"DO $$ BEGIN DROP ROLE " + role + "; EXCEPTION WHEN dependent_objects_still_exist OR insufficient_privilege OR object_in_use THEN NULL; END $$",
			})
		}
	}
	return steps
}

func about(rows int64) string {
	if rows < 0 {
		return "an unknown number of"
	}
	return fmt.Sprint(rows)
}

func indexSize(rows int64) string {
	if rows < 0 {
		return "about 22 bytes a row"
	}
	return fmt.Sprintf("about %d MiB", rows*22>>20+1)
}
