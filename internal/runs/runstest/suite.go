package runstest

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"indelible/internal/runs"
	"indelible/internal/runs/sample"
)

// Source is all a source can do.
type Source interface {
	runs.Source
	runs.Migrator
	Check(ctx context.Context) []runs.Finding
}

// Database is a database of a test's own, with a driver for it.
type Database interface {
	Source() Source
	Fill(seed uint64, n int) // makes the table
	Exec(sql string)         // as an application would
}

// Run judges a driver. Each test asks for a database of its own.
func Run(t *testing.T, make func(t testing.TB) Database) {
	RunMadeUp(t, make)
	t.Run("real rows", func(t *testing.T) {
		t.Parallel()
		realRows(t, make(t))
	})
}

// RunMadeUp is Run without real rows, which take long.
func RunMadeUp(t *testing.T, make func(t testing.TB) Database) {
	for name, test := range map[string]func(*testing.T, Database){
		"sample is read back":  sampleReadBack,
		"shards at once":       shardsAtOnce,
		"filters":              filters,
		"order and limit":      orderAndLimit,
		"columns":              columns,
		"wrong questions":      wrongQuestions,
		"errors of the reader": readerErrors,
		"rate and age":         rateAndAge,
		"chain":                chain,
		"chain by time":        chainByTime,
		"plan again":           planAgain,
		"migration":            migration,
		"large rows":           largeRows,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, make(t))
		})
	}
}

func sampleReadBack(t *testing.T, d Database) {
	const n = 5017
	d.Fill(7, n)
	got, info := Read(t, d.Source(), Everything)
	if !info.Sample || info.Shards < 2 || info.Rows != n || info.Revision || info.Kind == "" || info.Version == "" || info.Isolation == "" ||
		info.Guarantee != runs.OneSnapshot || info.Cursor != nil || info.Plan == nil || !info.Time.Valid || len(info.Columns) != len(runs.Columns) {
		t.Errorf("info %+v", info)
	}
	i := 0
	for want := range sample.Runs(7, n) {
		if i == len(got) {
			break
		}
		if diff := cmp.Diff(Keep(want), got[i]); diff != "" {
			t.Fatalf("row %d:\n%s", i, diff)
		}
		i++
	}
	if i != n || len(got) != n {
		t.Errorf("%d rows of %d", len(got), n)
	}
	// Made again there is only the second.
	d.Fill(8, 10)
	if got, _ := Read(t, d.Source(), Everything); len(got) != 10 {
		t.Errorf("%d rows of the second sample", len(got))
	}
}

func shardsAtOnce(t *testing.T, d Database) {
	d.Fill(1, 6000)
	want, _ := Read(t, d.Source(), Everything)
	q := Everything
	q.Jobs = 3
	snap := Open(t, d.Source(), q)
	parts := make([][]*runs.Run, snap.Info().Shards)
	var group sync.WaitGroup
	for shard := range parts {
		group.Go(func() {
			err := snap.Scan(t.Context(), "", shard, func(r *runs.Run) error { parts[shard] = append(parts[shard], Keep(r)); return nil })
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	got := slices.Concat(parts...)
	if len(parts) < 2 || !slices.EqualFunc(want, got, func(a, b *runs.Run) bool { return reflect.DeepEqual(a, b) }) {
		t.Errorf("%d rows one after the other, %d at the same time in %d shards, not the same", len(want), len(got), len(parts))
	}
}

func filters(t *testing.T, d Database) {
	const hostile = `o'neill" & {sons}\`
	d.Fill(1, 0)
	d.Exec(Row("a", "metadata", `'{"pool": "spot", "n": 1, "ok": true}'`) + Row("b", "tenant_id", `'o''neill" & {sons}\'`, "metadata", `'{"pool": "it''s \"x\""}'`) +
		Row("c", "created_at", "'2025-01-07T00:00:00+02:00'", "status", "'failed'"))
	const day = 1736121600_000_000
	at := func(micros int64) runs.Time { return runs.Time{Micros: micros, Valid: true} }
	for _, c := range []struct {
		name string
		q    runs.Query
		want string
	}{
		{"tenant", runs.Query{Tenants: []string{"t"}}, "a c"},
		{"a tenant with quotes", runs.Query{Tenants: []string{hostile}}, "b"},
		{"an unknown tenant", runs.Query{Tenants: []string{"t' OR 1=1 --"}}, ""},
		{"two tenants", runs.Query{Tenants: []string{hostile, "t"}}, "b a c"},
		{"since, by the moment", runs.Query{AllTenants: true, Since: at(day + 1)}, "c"},
		{"until", runs.Query{AllTenants: true, Until: at(day + 1)}, "a b"},
		{"another column", runs.Query{AllTenants: true, TimeColumn: "completed_at", Until: at(day)}, ""},
		{"status", runs.Query{AllTenants: true, Statuses: []string{"failed", `"},{`, ""}}, "c"},
		{"workflow", runs.Query{AllTenants: true, Workflows: []string{`w"`}}, ""},
		{"metadata", runs.Query{AllTenants: true, Metadata: []runs.Member{{Name: "pool", Value: "spot"}, {Name: "n", Value: "1"}, {Name: "ok", Value: "true"}}}, "a"},
		{"metadata with quotes", runs.Query{AllTenants: true, Metadata: []runs.Member{{Name: "pool", Value: `it's "x"`}}}, "b"},
	} {
		c.q.NoRLS = true
		if got, _ := Read(t, d.Source(), c.q); IDs(got) != c.want {
			t.Errorf("%s: got %q, want %q", c.name, IDs(got), c.want)
		}
	}
}

func orderAndLimit(t *testing.T, d Database) {
	d.Fill(1, 0)
	d.Exec(Row("b") + Row("a") + Row("B") + Row("z", "created_at", "'2025-01-06T00:00:00+02:00'"))
	q := Everything
	q.Ordered = true
	got, info := Read(t, d.Source(), q)
	if IDs(got) != "z B a b" || info.Shards != 1 {
		t.Errorf("got %q in %d shards", IDs(got), info.Shards)
	}
	for n, want := range []string{"", "z", "z B"} {
		q.Limit = runs.Int{N: int64(n), Valid: true}
		if got, _ := Read(t, d.Source(), q); IDs(got) != want {
			t.Errorf("limit %d: got %q", n, IDs(got))
		}
	}
}

func columns(t *testing.T, d Database) {
	d.Fill(1, 0)
	d.Exec(`ALTER TABLE workflow_runs ADD COLUMN "odd ""name" text; ALTER TABLE workflow_runs ADD COLUMN cost integer;` + Row("a", `"odd ""name"`, `'x"y'`, "cost", "7") + Row("b"))
	q := Everything
	q.Columns = []string{`odd "name`, "status", "cost", "id"}
	got, info := Read(t, d.Source(), q)
	var names []string
	for _, c := range info.Columns {
		names = append(names, c.Name)
	}
	if diff := cmp.Diff([]string{"id", "status", `odd "name`, "cost"}, names); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([][]byte{[]byte(`"x\"y"`), []byte("7")}, got[0].Extra); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([][]byte{nil, nil}, got[1].Extra); diff != "" {
		t.Error(diff)
	}
	if got[0].WorkflowName != nil || string(got[0].TenantID) != "t" || string(got[0].Status) != "completed" {
		t.Errorf("got %+v", got[0])
	}
}

func wrongQuestions(t *testing.T, d Database) {
	d.Fill(1, 3)
	for _, c := range []struct {
		q    runs.Query
		code runs.Code
		says string
	}{
		{runs.Query{}, runs.Usage, "no tenant is named"},
		{runs.Query{AllTenants: true, Tenants: []string{"a"}}, runs.Usage, "exclude each other"},
		{runs.Query{Tenants: []string{"*"}}, runs.Usage, "no tenant"},
		{runs.Query{Tenants: []string{""}}, runs.Usage, "no tenant"},
		{runs.Query{AllTenants: true, Columns: []string{"id", "colour"}}, runs.Schema, "has no column colour"},
		{runs.Query{AllTenants: true, Columns: []string{"id", "id"}}, runs.Usage, "asked for twice"},
		{runs.Query{AllTenants: true, TimeColumn: "ended", Since: runs.Time{Valid: true}}, runs.Schema, "has no column ended"},
		{runs.Query{AllTenants: true, Limit: runs.Int{N: -1, Valid: true}}, runs.Usage, "--limit -1"},
		{runs.Query{AllTenants: true, Limit: runs.Int{Valid: true}, Range: &runs.Range{}}, runs.Usage, "do not go with a chain"},
		{runs.Query{AllTenants: true, Range: &runs.Range{IncludeRunning: true}}, runs.Usage, "running"},
		{runs.Query{AllTenants: true, Range: &runs.Range{Column: "ended"}}, runs.Schema, "has no column ended"},
		{runs.Query{AllTenants: true, Plan: []byte(`{"shards":65}`)}, runs.Usage, "plan"},
	} {
		c.q.NoRLS = true
		_, _, err := Try(t.Context(), d.Source(), c.q)
		WantError(t, err, c.code, c.says)
	}
	snap := Open(t, d.Source(), runs.Query{Tenants: []string{"acme"}, NoRLS: true})
	never := func(*runs.Run) error { t.Error("a row"); return nil }
	for _, err := range []error{snap.Scan(t.Context(), "acme", 1, never), snap.Scan(t.Context(), "acme", -1, never), snap.Scan(t.Context(), "globex", 0, never), snap.Scan(t.Context(), "", 0, never)} {
		if err == nil {
			t.Error("what was not asked for is scanned")
		}
	}
}

func readerErrors(t *testing.T, d Database) {
	d.Fill(1, 5000)
	snap := Open(t, d.Source(), Everything)
	full, n := errors.New("disk full"), 0
	if err := snap.Scan(t.Context(), "", 0, func(*runs.Run) error { n++; return full }); err != full || n != 1 {
		t.Errorf("got %v after %d rows", err, n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	snap = Open(t, d.Source(), Everything)
	rows := 0
	if err := snap.Scan(ctx, "", 0, func(*runs.Run) error { cancel(); rows++; return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v after %d rows", err, rows)
	}
}

func rateAndAge(t *testing.T, d Database) {
	d.Fill(1, 300)
	q := Everything
	q.MaxRate = 1000
	begun := time.Now()
	if got, _ := Read(t, d.Source(), q); len(got) != 300 {
		t.Errorf("%d rows", len(got))
	}
	if took := time.Since(begun); took < 250*time.Millisecond {
		t.Errorf("300 rows at 1000 a second took %s", took)
	}
	q = Everything
	q.MaxAge = time.Nanosecond
	_, _, err := Try(t.Context(), d.Source(), q)
	WantError(t, err, runs.Timeout, "the snapshot is")
}

func largeRows(t *testing.T, d Database) {
	d.Fill(1, 0)
	text := make([]byte, 3_000_000)
	for i := range text {
		text[i] = "0123456789abcdef"[i%16]
	}
	d.Exec(Row("small") + Row("big", "metadata", `'{"a":"`+string(text)+`"}'`))
	got, _ := Read(t, d.Source(), Everything)
	if len(got) != 2 || len(got[1].Metadata) != 3_000_008 {
		t.Fatalf("%d rows", len(got))
	}
	for _, limit := range []int64{2_999_999, 1000} { // seen after reading it, and before
		q := Everything
		q.MaxRow = limit
		_, _, err := Try(t.Context(), d.Source(), q)
		WantError(t, err, runs.Data, "row big has 300")
	}
}
