package sqlite

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"indelible/internal/runs"
)

func migrate(t testing.TB, file string, m runs.Migration) int {
	t.Helper()
	n := 0
	if err := source(t, file).Apply(t.Context(), m, func(runs.Step) { n++ }); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestChainWithRevisions(t *testing.T) {
	t.Parallel()
	file := newFile(t, 1, 0)
	exec1(t, file, row("old", "", ""))
	if n := migrate(t, file, runs.Migration{}); n != 5 {
		t.Errorf("%d steps", n)
	}
	if n := migrate(t, file, runs.Migration{}); n != 0 {
		t.Errorf("%d steps the second time", n)
	}
	q := everything
	q.Range = &runs.Range{}
	link := func(want string) {
		t.Helper()
		got, info := read(t, source(t, file), q)
		if ids(got) != want || !info.Revision || info.Repeats || info.Guarantee != runs.ExactGuarantee {
			t.Errorf("got %q, want %q (%+v)", ids(got), want, info)
		}
		q.Range.From = info.Cursor
	}
	link("old")
	link("")
	exec1(t, file, row("a", "", "")+"UPDATE workflow_runs SET status = 'failed' WHERE id = 'a'")
	link("a")
	// The row that was written last is written again, and nothing else before it.
	exec1(t, file, "UPDATE workflow_runs SET status = 'completed' WHERE id = 'a'")
	link("a")
	// A revision of one's own making counts for nothing.
	exec1(t, file, "PRAGMA recursive_triggers = 1;"+row("b", revisionColumn, "99999999")+row("c", revisionColumn, "-5")+"UPDATE workflow_runs SET indelible_revision = 3 WHERE id = 'old'")
	link("old b c")
	exec1(t, file, "INSERT OR REPLACE INTO workflow_runs SELECT * FROM workflow_runs WHERE id = 'b'; DELETE FROM workflow_runs WHERE id = 'c'")
	link("b")
	exec1(t, file, "BEGIN;"+row("lost", "", "")+"ROLLBACK")
	link("")

	cursor := q.Range.From
	migrate(t, file, runs.Migration{Restamp: true})
	_, _, err := tryRead(t, source(t, file), q)
	wantError(t, err, runs.OtherSource, "another database file")
	q.Range.Resync = true
	link("old a b")
	q.Range = &runs.Range{From: cursor}
	if n := migrate(t, file, runs.Migration{Revert: true}); n != 5 {
		t.Errorf("%d steps back", n)
	}
	_, _, err = tryRead(t, source(t, file), q)
	wantError(t, err, runs.OtherSource, "revisions")
}

func TestOlderFile(t *testing.T) {
	t.Parallel()
	file := newFile(t, 1, 5)
	migrate(t, file, runs.Migration{NoIndex: true})
	backup, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	exec1(t, file, row("new", "", ""))
	q := everything
	q.Range = &runs.Range{}
	_, info := read(t, source(t, file), q)
	q.Range.From = info.Cursor
	older := filepath.Join(t.TempDir(), "older.db")
	write(t, older, string(backup))
	_, _, err = tryRead(t, source(t, older), q)
	wantError(t, err, runs.OtherSource, "older than the chain")
	q.Range.From = []byte(`{"kind":"postgresql"}`)
	_, _, err = tryRead(t, source(t, file), q)
	wantError(t, err, runs.OtherSource, "another kind of database")
	q.Range.From = []byte(`[`)
	_, _, err = tryRead(t, source(t, file), q)
	wantError(t, err, runs.OtherSource, "cannot be read")
}

// TestPlanAgain: an attempt that did not end is read again as it was.
func TestPlanAgain(t *testing.T) {
	t.Parallel()
	file := newFile(t, 1, 5000)
	migrate(t, file, runs.Migration{})
	q := everything
	q.Range = &runs.Range{}
	want, info := read(t, source(t, file), q)
	exec1(t, file, row("later", "", ""))
	q.Plan = info.Plan
	got, again := read(t, source(t, file), q)
	if ids(got) != ids(want) || string(again.Cursor) != string(info.Cursor) || again.Shards != info.Shards {
		t.Errorf("%d rows, then %d; %s, then %s", len(want), len(got), info.Cursor, again.Cursor)
	}
	q.Plan, q.Range.From = nil, info.Cursor
	if got, _ := read(t, source(t, file), q); ids(got) != "later" {
		t.Errorf("then %q", ids(got))
	}
}

func TestChainByTime(t *testing.T) {
	t.Parallel()
	file := newFile(t, 1, 0)
	for i, ended := range []string{"'2025-01-06T10:00:00Z'", "'2025-01-08T23:00:00-10:00'", "NULL"} {
		exec1(t, file, row(fmt.Sprint(i), "completed_at", ended))
	}
	exec1(t, file, row("running", "completed_at", "NULL")+"UPDATE workflow_runs SET status = 'running' WHERE id = 'running'")
	q := everything
	q.Range = &runs.Range{}
	got, info := read(t, source(t, file), q)
	if ids(got) != "0 1" || info.NullCursor != 1 || info.Repeats || info.Guarantee != runs.BestEffort {
		t.Errorf("got %q, %+v", ids(got), info)
	}
	q.Range.From = []byte(`{"kind":"sqlite","column":"completed_at","until":1736416800000000}`) // 2025-01-09T10:00:00Z
	if got, info := read(t, source(t, file), q); ids(got) != "1" || !info.Repeats {
		t.Errorf("got %q, %+v", ids(got), info)
	}
}
