package postgres

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"indelible/internal/runs"
	"indelible/internal/runs/runstest"
)

func revised(t testing.TB, m runs.Migration) *database {
	t.Helper()
	d := newDatabase(t)
	d.revise(m)
	return d
}

// revise gives a database a table with revisions and one row.
func (d *database) revise(m runs.Migration) {
	d.t.Helper()
	d.sql(CreateTable + ";" + runstest.Row("old"))
	m.NoRLS = true
	d.migrate(m)
}

func TestChain(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]runs.Migration{"with an index": {}, "without": {NoIndex: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := revised(t, m)
			lateCommits(t, d)
		})
	}
}

// lateCommits: every revision is in one link, however its transaction went.
func lateCommits(t *testing.T, d *database) {
	c := runstest.NewChain(t, d.source(""))
	c.Link("old")
	if !c.Info.Revision || c.Info.Repeats || c.Info.Guarantee != runs.ExactGuarantee {
		t.Errorf("info %+v", c.Info)
	}
	c.Link("")
	d.sql(runstest.Row("a") + runstest.Row("b"))
	c.Link("a b")
	d.sql("UPDATE workflow_runs SET status = 'failed' WHERE id IN ('old', 'b'); DELETE FROM workflow_runs WHERE id = 'a'")
	c.Link("old b")

	// A transaction that commits late: begun before others, seen after them.
	late, later := d.session(), d.session()
	late.do("BEGIN;" + runstest.Row("late"))
	d.sql(runstest.Row("early"))
	c.Link("early")
	later.do("BEGIN; SAVEPOINT s;" + runstest.Row("sub") + "RELEASE s;" + runstest.Row("later"))
	c.Link("")
	late.do("COMMIT")
	c.Link("late")
	d.sql(runstest.Row("more"))
	later.do("COMMIT")
	c.Link("sub later more")
	late.do("BEGIN;" + runstest.Row("never") + "ROLLBACK; BEGIN; SAVEPOINT s;" + runstest.Row("undone") + "ROLLBACK TO s;" + runstest.Row("done") + "COMMIT")
	c.Link("done")

	// A revision of one's own making counts for nothing, nor does replication.
	d.sql(runstest.Row("high", revisionColumn, "'9999999999999'") + runstest.Row("null", revisionColumn, "NULL"))
	d.sql("SET session_replication_role = replica;" + runstest.Row("replicated", revisionColumn, "'3'") + "UPDATE workflow_runs SET indelible_revision = '5' WHERE id = 'high'")
	c.Link("null replicated high")
	// A prepared transaction.
	d.sql("BEGIN;" + runstest.Row("prepared") + "PREPARE TRANSACTION 'p_" + d.name + "'")
	c.Link("")
	if !strings.Contains(strings.Join(c.Info.Notes, "\n"), "p_"+d.name) {
		t.Errorf("notes %q", c.Info.Notes)
	}
	d.sql("COMMIT PREPARED 'p_" + d.name + "'")
	c.Link("prepared")
}

// TestLongTransactionElsewhere: what somebody does in another database holds
// nothing back here.
func TestLongTransactionElsewhere(t *testing.T) {
	t.Parallel()
	d, other := revised(t, runs.Migration{}), newDatabase(t)
	c := runstest.NewChain(t, d.source(""))
	c.Link("old")
	long := other.session()
	long.do("BEGIN ISOLATION LEVEL REPEATABLE READ; CREATE TABLE x (y int); SELECT txid_current()")
	d.sql(runstest.Row("a"))
	c.Link("a")
	d.sql(runstest.Row("b"))
	c.Link("b")
	long.do("COMMIT")
	c.Link("")
}

// TestWhoHoldsRowsBack: a user without rights to see others' sessions is told.
func TestWhoHoldsRowsBack(t *testing.T) { t.Parallel(); whoHoldsRowsBack(t, newDatabase(t)) }

func whoHoldsRowsBack(t *testing.T, d *database) {
	d.sql(CreateTable + ";" + runstest.Row("old"))
	d.migrate(runs.Migration{})
	c := runstest.NewChain(t, d.source(exportAllRole))
	c.Query.NoRLS = false
	c.Link("old")
	long := d.session()
	long.do("BEGIN;" + runstest.Row("late"))
	// Every block with a handler is a transaction of its own.
	d.sql("CREATE TABLE x (i int); DO $$ BEGIN FOR i IN 1..1100 LOOP BEGIN INSERT INTO x VALUES (i); EXCEPTION WHEN others THEN NULL; END; END LOOP; END $$")
	c.Link("")
	want := fmt.Sprintf("process %d has a transaction open", long.c.pg.PID())
	if notes := strings.Join(c.Info.Notes, "\n"); !strings.Contains(notes, want) {
		t.Errorf("notes %q, want %q", notes, want)
	}
	long.do("COMMIT")
	c.Link("late")
}

// TestChainByTenant: the conditions of a chain and of tenants meet.
func TestChainByTenant(t *testing.T) { t.Parallel(); chainByTenant(t, newDatabase(t)) }

func chainByTenant(t *testing.T, d *database) {
	d.sql(CreateTable + ";" + runstest.Row("old"))
	d.migrate(runs.Migration{})
	c := runstest.NewChain(t, d.source(exportRole))
	c.Query.AllTenants, c.Query.NoRLS, c.Query.Tenants = false, false, []string{"t", "u"}
	c.Link("old")
	d.sql(runstest.Row("other", "tenant_id", "'v'") + runstest.Row("u", "tenant_id", "'u'") + runstest.Row("t"))
	c.Link("t u")
}

// TestAnotherDatabase: a chain does not go on where it was not begun, nor in the
// past of where it was.
func TestAnotherDatabase(t *testing.T) {
	t.Parallel()
	d := revised(t, runs.Migration{})
	c := runstest.NewChain(t, d.source(""))
	c.Link("old")
	good := c.Query.Range.From
	change := func(f func(*cursor)) {
		var at cursor
		if err := json.Unmarshal(good, &at); err != nil {
			t.Fatal(err)
		}
		f(&at)
		b, err := json.Marshal(at)
		if err != nil {
			t.Fatal(err)
		}
		c.Query.Range = &runs.Range{From: b}
	}
	for says, f := range map[string]func(*cursor){
		"another kind of database":      func(x *cursor) { x.Kind = "sqlite" },
		"another database system":       func(x *cursor) { x.System = "1" },
		"made anew":                     func(x *cursor) { x.Table = "1" },
		"the table was made anew":       func(x *cursor) { x.Database = "1" },
		"restored or a standby":         func(x *cursor) { x.Timeline = 7 },
		"(WAL position ":                func(x *cursor) { x.LSN = "FFFFFF/0" },
		"(transaction ":                 func(x *cursor) { x.Snapshot = "4000000000000:4000000000000:" },
		"its cursor is damaged":         func(x *cursor) { x.Snapshot = "x" },
		"has revisions now, or has the": func(x *cursor) { x.Snapshot = "" },
	} {
		change(f)
		_, err := c.Try()
		runstest.WantError(t, err, runs.OtherSource, says)
	}
	c.Query.Range = &runs.Range{From: json.RawMessage(`{`)}
	_, err := c.Try()
	runstest.WantError(t, err, runs.OtherSource, "cannot be read")

	// After a restore: stamp anew, read everything, go on.
	change(func(x *cursor) { x.System = "1" })
	d.migrate(runs.Migration{NoRLS: true, Restamp: true})
	c.Query.Range.Resync = true
	c.Link("old")
	d.sql(runstest.Row("next"))
	c.Link("next")
}

// TestDisabledTrigger: a chain that could lose rows does not go on.
func TestDisabledTrigger(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"DISABLE TRIGGER zz_indelible_revision", "ENABLE TRIGGER zz_indelible_revision", "ENABLE REPLICA TRIGGER zz_indelible_revision"} {
		d := revised(t, runs.Migration{})
		c := runstest.NewChain(t, d.source(""))
		c.Link("old")
		d.sql("ALTER TABLE workflow_runs " + how)
		_, err := c.Try()
		runstest.WantError(t, err, runs.Schema, "does not always fire on public.workflow_runs")
		if f := finding(d.source("").Check(t.Context()), "revisions"); f.OK || f.Hint == "" {
			t.Errorf("found %+v", f)
		}
	}
}

func finding(found []runs.Finding, name string) runs.Finding {
	for _, f := range found {
		if f.Name == name {
			return f
		}
	}
	return runs.Finding{}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	d.sql(CreateTable + ";" + runstest.Row("old"))
	if f := finding(d.source("").Check(t.Context()), "revisions"); !f.OK || !strings.Contains(f.Detail, "none") {
		t.Errorf("found %+v", f)
	}
	d.migrate(runs.Migration{})
	for _, f := range d.source(exportRole).Check(t.Context()) {
		if !f.OK {
			t.Errorf("found %+v", f)
		}
	}
	if f := finding(d.source("").Check(t.Context()), "tenants kept apart"); f.OK || f.Hint == "" {
		t.Errorf("found %+v", f)
	}
	// Rows that came from another database, with its transactions.
	d.sql("ALTER TABLE workflow_runs DISABLE TRIGGER zz_indelible_revision;" + runstest.Row("foreign", revisionColumn, "'88888888888'") + "ALTER TABLE workflow_runs ENABLE ALWAYS TRIGGER zz_indelible_revision")
	if f := finding(d.source("").Check(t.Context()), "revisions"); f.OK || !strings.Contains(f.Detail, "row foreign has the revision of a transaction that has not been yet") {
		t.Errorf("found %+v", f)
	}
	_, err := runstest.NewChain(t, d.source("")).Try()
	runstest.WantError(t, err, runs.OtherSource, "row foreign has the revision")
	d.sql("DROP TABLE workflow_runs")
	if f := finding(d.source("").Check(t.Context()), "table"); f.OK || f.Hint == "" {
		t.Errorf("found %+v", f)
	}
}

func TestChainByTime(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	d.sql(CreateTable + ";" + runstest.Row("a", "completed_at", "now() - interval '3 days'") + runstest.Row("b", "completed_at", "now() - interval '1 hour'") +
		runstest.Row("null") + runstest.Row("running", "status", "'running'") + runstest.Row("future", "completed_at", "now() + interval '1 hour'"))
	c := runstest.NewChain(t, d.source(""))
	c.Link("a b")
	if c.Info.NullCursor != 1 || c.Info.Repeats || c.Info.Guarantee != runs.BestEffort || c.Info.Revision {
		t.Errorf("info %+v", c.Info)
	}
	d.sql(runstest.Row("late", "completed_at", "now() - interval '20 hours'") + runstest.Row("too late", "completed_at", "now() - interval '30 hours'"))
	c.Link("b late")
	if !c.Info.Repeats {
		t.Errorf("info %+v", c.Info)
	}
	c.Query.Range.Overlap = 1
	c.Link("")
	// The clock of the database jumped back: what ended since then is read again.
	var at cursor
	if err := json.Unmarshal(c.Query.Range.From, &at); err != nil {
		t.Fatal(err)
	}
	at.Until += 1000 * 3600 * 1_000_000
	b, err := json.Marshal(at)
	if err != nil {
		t.Fatal(err)
	}
	c.Query.Range = &runs.Range{From: b, Column: "completed_at"}
	c.Link("b late")
	c.Query.Range = &runs.Range{Column: "status"}
	_, err = c.Try()
	runstest.WantError(t, err, runs.Usage, "not a time")
}
