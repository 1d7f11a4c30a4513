package sqlite

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"indelible/internal/runs"
	"indelible/internal/runs/runstest"
	"indelible/internal/runs/sample"
)

var everything = runstest.Everything

func newFile(t testing.TB, seed uint64, n int) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "runs.db")
	if err := Fill(t.Context(), file, sample.Runs(seed, n), "test"); err != nil {
		t.Fatal(err)
	}
	return file
}

func source(t testing.TB, file string) *Source {
	t.Helper()
	s, err := New(file)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// exec changes a file by the way of an application: its own connection.
func exec1(t testing.TB, file, statement string) {
	t.Helper()
	db, err := (&Source{file}).open("rwc")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatalf("%v\n%s", err, statement)
	}
}

// file is a database for the suite.
type file struct {
	t    testing.TB
	name string
}

func (f file) Source() runstest.Source { return source(f.t, f.name) }

func (f file) Exec(sql string) { f.t.Helper(); exec1(f.t, f.name, sql) }

func (f file) Fill(seed uint64, n int) {
	f.t.Helper()
	if err := Fill(f.t.Context(), f.name, sample.Runs(seed, n), "test"); err != nil {
		f.t.Fatal(err)
	}
}

func TestSuite(t *testing.T) {
	t.Parallel()
	runstest.Run(t, func(t testing.TB) runstest.Database { return file{t, filepath.Join(t.TempDir(), "runs.db")} })
}

// TestIndependently compares with what the sqlite3 program says is there.
func TestIndependently(t *testing.T) {
	t.Parallel()
	file := newFile(t, 3, 500)
	out, err := exec.Command("sqlite3", "-readonly", file, "SELECT id || '|' || tenant_id || '|' || status || '|' || coalesce(duration_ms, '') || '|' || json(metadata) FROM workflow_runs ORDER BY rowid").Output()
	if err != nil {
		t.Fatalf("sqlite3 is needed: %v", err)
	}
	got, _ := runstest.Read(t, source(t, file), everything)
	var b strings.Builder
	for _, r := range got {
		duration := ""
		if r.DurationMS.Valid {
			duration = number(r.DurationMS.N)
		}
		b.WriteString(string(r.ID) + "|" + string(r.TenantID) + "|" + string(r.Status) + "|" + duration + "|" + string(r.Metadata) + "\n")
	}
	if diff := cmp.Diff(string(out), b.String()); diff != "" {
		t.Error(diff)
	}
}

func TestFilesThatAreNone(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty.db")
	exec1(t, empty, "CREATE TABLE other (x)")
	_, _, err := runstest.Try(t.Context(), source(t, empty), everything)
	runstest.WantError(t, err, runs.Schema, "there is no table workflow_runs")
	text := filepath.Join(t.TempDir(), "text.db")
	write(t, text, strings.Repeat("this is no database\n", 100))
	_, _, err = runstest.Try(t.Context(), source(t, text), everything)
	runstest.WantError(t, err, runs.Usage, "is not a SQLite database")
	_, err = New(filepath.Join(t.TempDir(), "absent.db"))
	runstest.WantError(t, err, runs.Usage, "there is no file")
	_, err = New(t.TempDir())
	runstest.WantError(t, err, runs.Usage, "is a directory")
	view := newFile(t, 1, 3)
	exec1(t, view, "ALTER TABLE workflow_runs RENAME TO x; CREATE VIEW workflow_runs AS SELECT * FROM x")
	_, _, err = runstest.Try(t.Context(), source(t, view), everything)
	runstest.WantError(t, err, runs.Schema, "there is no table workflow_runs")
}

// TestWithoutRowid: such a table is read in the order of its key, in one piece.
func TestWithoutRowid(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "runs.db")
	exec1(t, name, createTable+" WITHOUT ROWID;"+runstest.Row("b")+runstest.Row("a"))
	if got, info := runstest.Read(t, source(t, name), everything); runstest.IDs(got) != "a b" || info.Shards != 1 {
		t.Errorf("got %q, %+v", runstest.IDs(got), info)
	}
	_, err := source(t, name).Plan(t.Context(), runs.Migration{})
	runstest.WantError(t, err, runs.Schema, "has no rowid")
}

// TestWriterMeanwhile: what is committed while several connections begin is in
// the snapshot of all or of none, and what comes later in none.
func TestWriterMeanwhile(t *testing.T) {
	t.Parallel()
	name := newFile(t, 1, 5000)
	exec1(t, name, "PRAGMA journal_mode = wal")
	q := everything
	q.Jobs = 3
	snap := runstest.Open(t, source(t, name), q)
	exec1(t, name, "DELETE FROM workflow_runs WHERE rowid % 2")
	got, err := runstest.All(t.Context(), snap, q)
	if err != nil || len(got) != 5000 {
		t.Errorf("%d rows, %v", len(got), err)
	}
	if got, _ := runstest.Read(t, source(t, name), q); len(got) != 2500 {
		t.Errorf("%d rows after that", len(got))
	}
}
