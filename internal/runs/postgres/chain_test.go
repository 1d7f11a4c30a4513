package postgres

import (
	"encoding/json"
	"strings"
	"testing"

	"indelible/internal/runs"
)

// chain reads link after link as an export does.
type chain struct {
	t    testing.TB
	s    *Source
	q    runs.Query
	info runs.Info
}

func newChain(t testing.TB, s *Source) *chain {
	q := everything
	q.Range = &runs.Range{}
	return &chain{t: t, s: s, q: q}
}

func (c *chain) try() ([]*runs.Run, error) {
	c.t.Helper()
	got, info, err := tryRead(c.t, c.s, c.q)
	if err == nil {
		c.info = info
		c.q.Range = &runs.Range{From: info.Cursor}
	}
	return got, err
}

func (c *chain) link(want string) {
	c.t.Helper()
	got, err := c.try()
	if err != nil {
		c.t.Fatal(err)
	}
	if ids(got) != want {
		c.t.Errorf("got %q, want %q", ids(got), want)
	}
}

func revised(t testing.TB, m runs.Migration) *database {
	d := newDatabase(t)
	d.sql(CreateTable + ";" + row("old"))
	m.NoRLS = true
	d.migrate(m)
	return d
}

func TestChain(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]runs.Migration{"with an index": {}, "without": {NoIndex: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := revised(t, m)
			c := newChain(t, d.source(""))
			c.link("old")
			if !c.info.Revision || c.info.Repeats || c.info.Guarantee != runs.ExactGuarantee {
				t.Errorf("info %+v", c.info)
			}
			c.link("")
			d.sql(row("a") + row("b"))
			c.link("a b")
			d.sql("UPDATE workflow_runs SET status = 'failed' WHERE id IN ('old', 'b'); DELETE FROM workflow_runs WHERE id = 'a'")
			c.link("old b")

			// A transaction that commits late: begun before others, seen after them.
			late, later := d.session(), d.session()
			late.do("BEGIN;" + row("late"))
			d.sql(row("early"))
			c.link("early")
			later.do("BEGIN; SAVEPOINT s;" + row("sub") + "RELEASE s;" + row("later"))
			c.link("")
			late.do("COMMIT")
			c.link("late")
			d.sql(row("more"))
			later.do("COMMIT")
			c.link("sub later more")
			late.do("BEGIN;" + row("never") + "ROLLBACK; BEGIN; SAVEPOINT s;" + row("undone") + "ROLLBACK TO s;" + row("done") + "COMMIT")
			c.link("done")

			// A revision of one's own making counts for nothing, nor does replication.
			d.sql(row("high", revisionColumn, "'9999999999999'") + row("null", revisionColumn, "NULL"))
			d.sql("SET session_replication_role = replica;" + row("replicated", revisionColumn, "'3'") + "UPDATE workflow_runs SET indelible_revision = '5' WHERE id = 'high'")
			c.link("null replicated high")
			// A prepared transaction.
			d.sql("BEGIN;" + row("prepared") + "PREPARE TRANSACTION 'p_" + d.name + "'")
			c.link("")
			if !strings.Contains(strings.Join(c.info.Notes, "\n"), "p_"+d.name) {
				t.Errorf("notes %q", c.info.Notes)
			}
			d.sql("COMMIT PREPARED 'p_" + d.name + "'")
			c.link("prepared")
		})
	}
}

// TestLongTransactionElsewhere: what somebody does in another database holds
// nothing back here.
func TestLongTransactionElsewhere(t *testing.T) {
	t.Parallel()
	d, other := revised(t, runs.Migration{}), newDatabase(t)
	c := newChain(t, d.source(""))
	c.link("old")
	long := other.session()
	long.do("BEGIN ISOLATION LEVEL REPEATABLE READ; CREATE TABLE x (y int); SELECT txid_current()")
	d.sql(row("a"))
	c.link("a")
	d.sql(row("b"))
	c.link("b")
	long.do("COMMIT")
	c.link("")
}

// TestChainByTenant: the conditions of a chain and of tenants meet.
func TestChainByTenant(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	d.sql(CreateTable + ";" + row("old"))
	d.migrate(runs.Migration{})
	c := newChain(t, d.source(exportRole))
	c.q.AllTenants, c.q.NoRLS, c.q.Tenants = false, false, []string{"t", "u"}
	c.link("old")
	d.sql(row("other", "tenant_id", "'v'") + row("u", "tenant_id", "'u'") + row("t"))
	c.link("t u")
}

// TestPlanAgain: an attempt that did not end is read again as it was, without
// the rows that have moved on, which come in the next link.
func TestPlanAgain(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	d.fill(1, 6000)
	d.migrate(runs.Migration{NoRLS: true})
	c := newChain(t, d.source(""))
	snap := open1(t, c.s, c.q)
	want := all(t, snap, c.q)
	info := snap.Info()
	snap.Close()
	c.q.Plan = info.Plan
	still := read(t, c.s, c.q)
	if ids(still) != ids(want) {
		t.Error("a still table is read differently the second time")
	}
	moved := string(want[17].ID)
	d.sql(row("later") + "UPDATE workflow_runs SET status = 'moved' WHERE id = '" + moved + "'")
	got, again, err := tryRead(t, c.s, c.q)
	if err != nil || len(got) != len(want)-1 || strings.Contains(ids(got), moved) || strings.Contains(ids(got), "later") {
		t.Errorf("%d rows, then %d, %v", len(want), len(got), err)
	}
	if string(again.Cursor) != string(info.Cursor) || again.Shards != info.Shards {
		t.Errorf("%s, then %s", info.Cursor, again.Cursor)
	}
	c.q.Plan, c.q.Range.From = nil, info.Cursor
	c.link("later " + moved)
}

// TestAnotherDatabase: a chain does not go on where it was not begun, nor in the
// past of where it was.
func TestAnotherDatabase(t *testing.T) {
	t.Parallel()
	d := revised(t, runs.Migration{})
	c := newChain(t, d.source(""))
	c.link("old")
	good := c.q.Range.From
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
		c.q.Range = &runs.Range{From: b}
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
		_, err := c.try()
		wantError(t, err, runs.OtherSource, says)
	}
	c.q.Range = &runs.Range{From: json.RawMessage(`{`)}
	_, err := c.try()
	wantError(t, err, runs.OtherSource, "cannot be read")

	// After a restore: stamp anew, read everything, go on.
	change(func(x *cursor) { x.System = "1" })
	d.migrate(runs.Migration{NoRLS: true, Restamp: true})
	c.q.Range.Resync = true
	c.link("old")
	d.sql(row("next"))
	c.link("next")
}

// TestDisabledTrigger: a chain that could lose rows does not go on.
func TestDisabledTrigger(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"DISABLE TRIGGER zz_indelible_revision", "ENABLE TRIGGER zz_indelible_revision", "ENABLE REPLICA TRIGGER zz_indelible_revision"} {
		d := revised(t, runs.Migration{})
		c := newChain(t, d.source(""))
		c.link("old")
		d.sql("ALTER TABLE workflow_runs " + how)
		_, err := c.try()
		wantError(t, err, runs.Schema, "does not always fire on public.workflow_runs")
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
	d.sql(CreateTable + ";" + row("old"))
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
	d.sql("ALTER TABLE workflow_runs DISABLE TRIGGER zz_indelible_revision;" + row("foreign", revisionColumn, "'88888888888'") + "ALTER TABLE workflow_runs ENABLE ALWAYS TRIGGER zz_indelible_revision")
	if f := finding(d.source("").Check(t.Context()), "revisions"); f.OK || !strings.Contains(f.Detail, "row foreign has the revision of a transaction that has not been yet") {
		t.Errorf("found %+v", f)
	}
	_, err := newChain(t, d.source("")).try()
	wantError(t, err, runs.OtherSource, "row foreign has the revision")
	d.sql("DROP TABLE workflow_runs")
	if f := finding(d.source("").Check(t.Context()), "table"); f.OK || f.Hint == "" {
		t.Errorf("found %+v", f)
	}
}

func TestChainByTime(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	d.sql(CreateTable + ";" + row("a", "completed_at", "now() - interval '3 days'") + row("b", "completed_at", "now() - interval '1 hour'") +
		row("null") + row("running", "status", "'running'") + row("future", "completed_at", "now() + interval '1 hour'"))
	c := newChain(t, d.source(""))
	c.link("a b")
	if c.info.NullCursor != 1 || c.info.Repeats || c.info.Guarantee != runs.BestEffort || c.info.Revision {
		t.Errorf("info %+v", c.info)
	}
	d.sql(row("late", "completed_at", "now() - interval '20 hours'") + row("too late", "completed_at", "now() - interval '30 hours'"))
	c.link("b late")
	if !c.info.Repeats {
		t.Errorf("info %+v", c.info)
	}
	c.q.Range.Overlap = 1
	c.link("")
	// The clock of the database jumped back: what ended since then is read again.
	var at cursor
	if err := json.Unmarshal(c.q.Range.From, &at); err != nil {
		t.Fatal(err)
	}
	at.Until += 1000 * 3600 * 1_000_000
	b, err := json.Marshal(at)
	if err != nil {
		t.Fatal(err)
	}
	c.q.Range = &runs.Range{From: b, Column: "completed_at"}
	c.link("b late")
	c.q.Range = &runs.Range{Column: "status"}
	_, err = c.try()
	wantError(t, err, runs.Usage, "not a time")
}
