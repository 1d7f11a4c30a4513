package sqlite

import (
	"os"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"indelible/internal/runs"
)

func number(n int64) string { return strconv.FormatInt(n, 10) }

func write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// row inserts a row that is sound but for what is given.
func row(id, column, value string) string {
	cols, vals := "id, tenant_id, workflow_name, workflow_version, status, created_at", "'"+id+"', 't', 'w', '1', 'completed', '2025-01-06T00:00:00Z'"
	switch column {
	case "":
	case "created_at":
		vals = "'" + id + "', 't', 'w', '1', 'completed', " + value
	case "workflow_name":
		vals = "'" + id + "', 't', " + value + ", '1', 'completed', '2025-01-06T00:00:00Z'"
	default:
		cols, vals = cols+", "+column, vals+", "+value
	}
	return "INSERT INTO workflow_runs (" + cols + ") VALUES (" + vals + ");"
}

func TestBadRows(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, column, value, says string }{
		{"invalid UTF-8", "workflow_name", "CAST(x'66ff' AS TEXT)", "row r7: workflow_name is not valid UTF-8"},
		{"blob", "error_message", "x'00'", "row r7: error_message is a blob"},
		{"no JSON", "metadata", "'{\"a\":'", "row r7: metadata is not JSON"},
		{"metadata in a blob", "metadata", "x'7b7d'", "row r7: metadata is a blob"},
		{"infinite duration", "duration_ms", "9e999", "row r7: duration_ms is not a whole number"},
		{"half a step", "steps_total", "1.5", "row r7: steps_total is not a whole number: 1.5"},
		{"words for a number", "steps_total", "'many'", "row r7: steps_total is not a whole number"},
		{"words for a time", "started_at", "'yesterday'", `row r7: started_at is no time known here: "yesterday"`},
		{"infinity for a time", "started_at", "'infinity'", "row r7: started_at is no time"},
		{"the 30th of February", "started_at", "'2025-02-30'", "row r7: started_at is no time"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			file := newFile(t, 1, 0)
			exec1(t, file, row("r7", c.column, c.value))
			_, _, err := tryRead(t, source(t, file), everything)
			wantError(t, err, runs.Data, c.says)
		})
	}
}

func TestStrangeRows(t *testing.T) {
	t.Parallel()
	file := newFile(t, 1, 0)
	exec1(t, file, row("nul", "error_message", "'a' || char(0) || 'b'")+
		row("empty", "error_message", "''")+
		row("spaced", "metadata", "' { \"a\" : [ 1 , \"x y\" ] , \"b\\\"\" : 1.50 } '")+
		row("seconds", "created_at", "1736121600")+
		row("millis", "created_at", "1736121600123")+
		row("offset", "created_at", "'2025-01-05 14:00:00.25-10:00'")+
		row("real", "duration_ms", "12.0")+
		row("array", "metadata", "'[]'"))
	got, _ := read(t, source(t, file), everything)
	if len(got) != 8 {
		t.Fatalf("%d rows", len(got))
	}
	base := int64(1736121600_000_000)
	checks := map[string]bool{
		"NUL":     string(got[0].ErrorMessage) == "a\x00b",
		"empty":   got[1].ErrorMessage != nil && len(got[1].ErrorMessage) == 0,
		"absent":  got[0].Metadata == nil,
		"spaced":  string(got[2].Metadata) == `{"a":[1,"x y"],"b\"":1.50}`,
		"seconds": got[3].CreatedAt.Micros == base,
		"millis":  got[4].CreatedAt.Micros == base+123_000,
		"offset":  got[5].CreatedAt.Micros == base+250_000,
		"real":    got[6].DurationMS == runs.Int{N: 12, Valid: true},
		"array":   string(got[7].Metadata) == "[]",
	}
	for name, ok := range checks {
		if !ok {
			t.Errorf("%s: wrong in %+v", name, got)
		}
	}
}

func TestLargeRows(t *testing.T) {
	t.Parallel()
	file := newFile(t, 1, 0)
	exec1(t, file, row("big", "metadata", `'{"a":"' || printf('%.*c', 30000000, 'x') || '"}'`)) // 30 MB
	got, _ := read(t, source(t, file), everything)
	if len(got) != 1 || len(got[0].Metadata) != 30_000_008 {
		t.Fatalf("%d rows", len(got))
	}
	q := everything
	for _, limit := range []int64{29_999_999, 1000} { // seen after reading it, and before
		q.MaxRow = limit
		_, _, err := tryRead(t, source(t, file), q)
		wantError(t, err, runs.Data, "row big has 3")
	}
}

func TestFilters(t *testing.T) {
	t.Parallel()
	file := newFile(t, 1, 0)
	exec1(t, file, `ALTER TABLE workflow_runs ADD COLUMN note;`+
		row("a", "metadata", `'{"pool":"spot","n":1,"ok":true}'`)+row("b", "metadata", `'{"pool":"large"}'`)+row("c", "created_at", "'2025-01-07T00:00:00+02:00'")+
		`UPDATE workflow_runs SET tenant_id = 'o''neill" & {sons}', note = 7 WHERE id = 'b'; UPDATE workflow_runs SET status = 'failed', note = 'x"y' WHERE id = 'c'`)
	at := func(micros int64) runs.Time { return runs.Time{Micros: micros, Valid: true} }
	const day = 1736121600_000_000
	for _, c := range []struct {
		name string
		q    runs.Query
		want string
	}{
		{"tenant", runs.Query{Tenants: []string{"t"}}, "a c"},
		{"a tenant with quotes", runs.Query{Tenants: []string{`o'neill" & {sons}`}}, "b"},
		{"an unknown tenant", runs.Query{Tenants: []string{"t' OR 1=1 --"}}, ""},
		{"two tenants", runs.Query{Tenants: []string{`o'neill" & {sons}`, "t"}}, "b a c"},
		{"since, by the moment", runs.Query{AllTenants: true, Since: at(day + 1)}, "c"},
		{"until", runs.Query{AllTenants: true, Until: at(day + 1)}, "a b"},
		{"status", runs.Query{AllTenants: true, Statuses: []string{"failed", "x"}}, "c"},
		{"workflow", runs.Query{AllTenants: true, Workflows: []string{"none"}}, ""},
		{"metadata", runs.Query{AllTenants: true, Metadata: []runs.Member{{Name: "pool", Value: "spot"}}}, "a"},
		{"metadata number", runs.Query{AllTenants: true, Metadata: []runs.Member{{Name: "n", Value: "1"}}}, "a"},
		{"metadata bool", runs.Query{AllTenants: true, Metadata: []runs.Member{{Name: "ok", Value: "true"}}}, "a"},
		{"limit 0", runs.Query{AllTenants: true, Limit: runs.Int{Valid: true}}, ""},
		{"limit 2", runs.Query{AllTenants: true, Limit: runs.Int{N: 2, Valid: true}}, "a b"},
		{"ordered", runs.Query{AllTenants: true, Ordered: true}, "a b c"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, _ := read(t, source(t, file), c.q)
			if ids(got) != c.want {
				t.Errorf("got %q, want %q", ids(got), c.want)
			}
		})
	}
	got, info := read(t, source(t, file), runs.Query{AllTenants: true, Columns: []string{"note", "id", "status"}})
	var notes []string
	for _, r := range got {
		notes = append(notes, string(r.Extra[0]))
	}
	if diff := cmp.Diff([]string{"", "7", `"x\"y"`}, notes); diff != "" {
		t.Error(diff)
	}
	if n := len(info.Columns); n != 3 || info.Columns[2].Name != "note" || !info.Columns[2].Extra {
		t.Errorf("columns %+v", info.Columns)
	}
}

func FuzzMoment(f *testing.F) {
	for _, s := range []string{"2025-01-06T10:00:00.123456789+02:00", "2025-01-06 10:00", "2025-01-06", "0001-01-01T00:00:00+23:59", "9999-12-31 23:59:59.9 UTC", "2025-01-06T10:00:00 +0200"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if micros, ok := parseMoment(s); ok && !runs.Representable(micros) {
			t.Errorf("%q is %d", s, micros)
		}
	})
}
