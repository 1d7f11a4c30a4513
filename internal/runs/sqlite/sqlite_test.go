package sqlite

import (
	"bytes"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"indelible/internal/runs"
	"indelible/internal/runs/sample"
)

var everything = runs.Query{AllTenants: true}

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

func read(t testing.TB, s *Source, q runs.Query) ([]*runs.Run, runs.Info) {
	t.Helper()
	got, info, err := tryRead(t, s, q)
	if err != nil {
		t.Fatal(err)
	}
	return got, info
}

func tryRead(t testing.TB, s *Source, q runs.Query) (got []*runs.Run, info runs.Info, err error) {
	t.Helper()
	snap, err := s.Open(t.Context(), q)
	if err != nil {
		return nil, info, err
	}
	defer snap.Close()
	info = snap.Info()
	tenants := q.Tenants
	if q.AllTenants {
		tenants = []string{""}
	}
	for _, tenant := range tenants {
		for shard := range info.Shards {
			if err := snap.Scan(t.Context(), tenant, shard, func(r *runs.Run) error { got = append(got, keep(r)); return nil }); err != nil {
				return got, info, err
			}
		}
	}
	return got, info, nil
}

func keep(r *runs.Run) *runs.Run {
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

func ids(rows []*runs.Run) string {
	var out []string
	for _, r := range rows {
		out = append(out, string(r.ID))
	}
	return strings.Join(out, " ")
}

func TestSampleIsReadBack(t *testing.T) {
	t.Parallel()
	const n = 5017
	file := newFile(t, 7, n)
	got, info := read(t, source(t, file), everything)
	if !info.Sample || info.Shards < 2 || info.Rows != n || info.Revision {
		t.Errorf("info %+v", info)
	}
	i := 0
	for want := range sample.Runs(7, n) {
		if i == len(got) {
			break
		}
		if diff := cmp.Diff(keep(want), got[i]); diff != "" {
			t.Fatalf("row %d:\n%s", i, diff)
		}
		i++
	}
	if i != n || len(got) != n {
		t.Errorf("%d rows of %d", len(got), n)
	}
	// Made again it is the same, also over an earlier one.
	if err := Fill(t.Context(), file, sample.Runs(8, 10), "test"); err != nil {
		t.Fatal(err)
	}
	if got, _ := read(t, source(t, file), everything); len(got) != 10 {
		t.Errorf("%d rows of the second sample", len(got))
	}
}

// TestIndependently compares with what the sqlite3 program says is there.
func TestIndependently(t *testing.T) {
	t.Parallel()
	file := newFile(t, 3, 500)
	out, err := exec.Command("sqlite3", "-readonly", file, "SELECT id || '|' || tenant_id || '|' || status || '|' || coalesce(duration_ms, '') || '|' || json(metadata) FROM workflow_runs ORDER BY rowid").Output()
	if err != nil {
		t.Fatalf("sqlite3 is needed: %v", err)
	}
	got, _ := read(t, source(t, file), everything)
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

func TestWrongQuestions(t *testing.T) {
	t.Parallel()
	file := newFile(t, 1, 3)
	empty := filepath.Join(t.TempDir(), "empty.db")
	exec1(t, empty, "CREATE TABLE other (x)")
	text := filepath.Join(t.TempDir(), "text.db")
	write(t, text, strings.Repeat("this is no database\n", 100))
	for _, c := range []struct {
		name, file string
		q          runs.Query
		code       runs.Code
		says       string
	}{
		{"no table", empty, everything, runs.Schema, "there is no table workflow_runs"},
		{"no database", text, everything, runs.Usage, "is not a SQLite database"},
		{"no tenant", file, runs.Query{}, runs.Usage, "no tenant is named"},
		{"tenant *", file, runs.Query{Tenants: []string{"*"}}, runs.Usage, "no tenant"},
		{"unknown column", file, runs.Query{AllTenants: true, Columns: []string{"id", "colour"}}, runs.Schema, "has no column colour"},
		{"unknown time", file, runs.Query{AllTenants: true, TimeColumn: "ended", Since: runs.Time{Valid: true}}, runs.Schema, "has no column ended"},
		{"negative limit", file, runs.Query{AllTenants: true, Limit: runs.Int{N: -1, Valid: true}}, runs.Usage, "--limit -1"},
		{"running without revisions", file, runs.Query{AllTenants: true, Range: &runs.Range{IncludeRunning: true}}, runs.Usage, "running"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := tryRead(t, source(t, c.file), c.q)
			wantError(t, err, c.code, c.says)
		})
	}
	_, err := New(filepath.Join(t.TempDir(), "absent.db"))
	wantError(t, err, runs.Usage, "there is no file")
	_, err = New(t.TempDir())
	wantError(t, err, runs.Usage, "is a directory")
}

func wantError(t testing.TB, err error, code runs.Code, says string) {
	t.Helper()
	var e *runs.Error
	if !errors.As(err, &e) || e.Code != code || !strings.Contains(e.What, says) || e.Hint == "" {
		t.Errorf("got %v (%#v), want %s: %q", err, e, code, says)
	}
}
