package runstest

import (
	"slices"
	"testing"

	"indelible/internal/runs"
)

// Chain reads link after link, as a chain of exports does.
type Chain struct {
	T      testing.TB
	Source runs.Source
	Query  runs.Query
	Info   runs.Info // of the link read last
}

// NewChain begins a chain of everything.
func NewChain(t testing.TB, s runs.Source) *Chain {
	q := Everything
	q.Range = &runs.Range{}
	return &Chain{T: t, Source: s, Query: q}
}

// Try reads the next link; if that fails the chain is where it was.
func (c *Chain) Try() ([]*runs.Run, error) {
	c.T.Helper()
	got, info, err := Try(c.T.Context(), c.Source, c.Query)
	if err == nil {
		c.Info = info
		c.Query.Range = &runs.Range{From: info.Cursor}
	}
	return got, err
}

// Link reads the next link, which holds these ids.
func (c *Chain) Link(want string) {
	c.T.Helper()
	got, err := c.Try()
	if err != nil {
		c.T.Fatal(err)
	}
	if IDs(got) != want {
		c.T.Errorf("got %q, want %q", IDs(got), want)
	}
}

// Migrate prepares a database.
func Migrate(t testing.TB, s runs.Migrator, m runs.Migration) []runs.Step {
	t.Helper()
	var done []runs.Step
	if err := s.Apply(t.Context(), m, func(step runs.Step) { done = append(done, step) }); err != nil {
		t.Fatal(err)
	}
	return done
}

func chain(t *testing.T, d Database) {
	d.Fill(1, 0)
	d.Exec(Row("old"))
	Migrate(t, d.Source(), runs.Migration{NoRLS: true})
	c := NewChain(t, d.Source())
	c.Link("old")
	if !c.Info.Revision || c.Info.Repeats || c.Info.Guarantee != runs.ExactGuarantee {
		t.Errorf("info %+v", c.Info)
	}
	c.Link("")
	d.Exec(Row("a") + "UPDATE workflow_runs SET status = 'failed' WHERE id = 'a'")
	c.Link("a")
	// The row that was written last is written again, and nothing else before it.
	d.Exec("UPDATE workflow_runs SET status = 'completed' WHERE id = 'a'")
	c.Link("a")
	// A revision of one's own making counts for nothing.
	d.Exec(Row("b", "indelible_revision", "'999999999999'") + Row("c", "indelible_revision", "'1'") + "UPDATE workflow_runs SET indelible_revision = '3' WHERE id = 'old'")
	got, err := c.Try()
	if err != nil {
		t.Fatal(err)
	}
	ids := []string{}
	last := uint64(0)
	for _, r := range got {
		ids = append(ids, string(r.ID))
		last = max(last, r.Revision)
	}
	slices.Sort(ids)
	if !slices.Equal(ids, []string{"b", "c", "old"}) || last >= 999999999999 {
		t.Errorf("got %v, up to revision %d", ids, last)
	}
	d.Exec("DELETE FROM workflow_runs WHERE id = 'c'; BEGIN;" + Row("lost") + "ROLLBACK")
	c.Link("")
	d.Exec("ALTER TABLE workflow_runs ADD COLUMN later integer; UPDATE workflow_runs SET later = 1 WHERE id = 'b'")
	c.Link("b")

	cursor := c.Query.Range.From
	Migrate(t, d.Source(), runs.Migration{NoRLS: true, Restamp: true})
	c.Query.Range = &runs.Range{From: cursor, Resync: true}
	got, err = c.Try()
	if err != nil || len(got) != 3 {
		t.Errorf("%d rows again, %v", len(got), err)
	}
	c.Link("")
	c.Query.Range.From = []byte(`{`)
	_, err = c.Try()
	WantError(t, err, runs.OtherSource, "cannot be read")
	c.Query.Range.From = []byte(`{"kind":"elsewhere"}`)
	_, err = c.Try()
	WantError(t, err, runs.OtherSource, "another kind of database")
	Migrate(t, d.Source(), runs.Migration{Revert: true})
	c.Query.Range.From = cursor
	_, err = c.Try()
	WantError(t, err, runs.OtherSource, "")
}

func chainByTime(t *testing.T, d Database) {
	d.Fill(1, 0)
	d.Exec(Row("a", "completed_at", "'2025-01-06T10:00:00Z'") + Row("b", "completed_at", "'2025-01-08T23:00:00-10:00'") + Row("null") + Row("running", "status", "'running'") +
		Row("future", "completed_at", "'9000-01-01T00:00:00Z'"))
	c := NewChain(t, d.Source())
	c.Link("a b")
	if c.Info.NullCursor != 1 || c.Info.Repeats || c.Info.Guarantee != runs.BestEffort || c.Info.Revision {
		t.Errorf("info %+v", c.Info)
	}
	c.Link("")
	if !c.Info.Repeats {
		t.Errorf("info %+v", c.Info)
	}
	c.Query.Range.Overlap = 100 * 365 * 24 * 3600 * 1e9
	c.Link("a b")
}

// planAgain: an attempt that did not end is read again as it was, without the
// rows that have moved on, which come in the next link.
func planAgain(t *testing.T, d Database) {
	d.Fill(1, 5000)
	Migrate(t, d.Source(), runs.Migration{NoRLS: true})
	c := NewChain(t, d.Source())
	want, info := Read(t, c.Source, c.Query)
	c.Query.Plan = info.Plan
	if still, _ := Read(t, c.Source, c.Query); IDs(still) != IDs(want) {
		t.Error("a still table is read differently the second time")
	}
	moved := string(want[17].ID)
	d.Exec(Row("later") + "UPDATE workflow_runs SET status = 'moved' WHERE id = '" + moved + "'")
	got, again := Read(t, c.Source, c.Query)
	if len(got) != len(want)-1 || slices.ContainsFunc(got, func(r *runs.Run) bool { return string(r.ID) == moved || string(r.ID) == "later" }) {
		t.Errorf("%d rows, then %d", len(want), len(got))
	}
	if string(again.Cursor) != string(info.Cursor) || again.Shards != info.Shards {
		t.Errorf("%s, then %s", info.Cursor, again.Cursor)
	}
	c.Query.Plan, c.Query.Range.From = nil, info.Cursor
	got, _ = Read(t, c.Source, c.Query)
	if len(got) != 2 {
		t.Errorf("then %q", IDs(got))
	}
}

func migration(t *testing.T, d Database) {
	d.Fill(1, 100)
	m := runs.Migration{NoRLS: true}
	planned, err := d.Source().Plan(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	if _, info := Read(t, d.Source(), Everything); info.Revision {
		t.Error("a plan changed something")
	}
	done := Migrate(t, d.Source(), m)
	if len(done) == 0 || len(done) != len(planned) {
		t.Errorf("%d steps planned, %d done", len(planned), len(done))
	}
	if again := Migrate(t, d.Source(), m); len(again) != 0 {
		t.Errorf("done again: %+v", again)
	}
	for _, f := range d.Source().Check(t.Context()) {
		if f.Name == "revisions" && !f.OK {
			t.Errorf("found %+v", f)
		}
	}
	if _, info := Read(t, d.Source(), Everything); !info.Revision {
		t.Error("no revisions")
	}
	Migrate(t, d.Source(), runs.Migration{Revert: true})
	if got, info := Read(t, d.Source(), Everything); info.Revision || len(got) != 100 {
		t.Errorf("after it was taken back: %d rows, %+v", len(got), info)
	}
}
