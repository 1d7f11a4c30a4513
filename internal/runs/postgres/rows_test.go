package postgres

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"indelible/internal/runs"
	"indelible/internal/runs/runstest"
)

func TestColumnTypes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, alter, row, id, metadata string }{
		{"text and jsonb", "", runstest.Row("a b", "metadata", `'{"b": [1, 2.50], "a": "x y"}'`), "a b", `{"a":"x y","b":[1,2.50]}`},
		{"uuid", "ALTER COLUMN id TYPE uuid USING id::uuid, ALTER COLUMN metadata TYPE json", runstest.Row("0198c0de-0000-7000-8000-00000000000f", "metadata", "'{ \"b\" : 1,\n \"a\":\t2 }'"), "0198c0de-0000-7000-8000-00000000000f", `{"b":1,"a":2}`},
		{"number", "ALTER COLUMN id TYPE bigint USING id::bigint, ALTER COLUMN metadata TYPE text", runstest.Row("-42", "metadata", `' {"a" : "\u0000"} '`), "-42", `{"a":"\u0000"}`},
		{"varchar", "ALTER COLUMN id TYPE varchar(9), ALTER COLUMN metadata TYPE varchar(100), ALTER COLUMN created_at TYPE timestamp, ALTER COLUMN duration_ms TYPE numeric, ALTER COLUMN steps_total TYPE smallint",
			runstest.Row("é\U0001F680", "metadata", `'[]'`, "duration_ms", "12.00", "steps_total", "-7", "created_at", "'2025-01-06 00:00:00'"), "é\U0001F680", `[]`},
		{"double", "ALTER COLUMN duration_ms TYPE double precision, ALTER COLUMN created_at TYPE date", runstest.Row("x", "duration_ms", "12", "error_message", "''"), "x", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := newDatabase(t)
			d.sql(CreateTable)
			if c.alter != "" {
				d.sql("ALTER TABLE workflow_runs " + c.alter)
			}
			d.sql(c.row)
			got := read(t, d.source(""), everything)
			if len(got) != 1 {
				t.Fatalf("%d rows", len(got))
			}
			r := got[0]
			if string(r.ID) != c.id || string(r.Metadata) != c.metadata || r.CreatedAt.Micros != 1736121600_000_000 {
				t.Errorf("got %q %q %+v", r.ID, r.Metadata, r.CreatedAt)
			}
			if c.name == "double" && (r.DurationMS != runs.Int{N: 12, Valid: true} || r.ErrorMessage == nil) {
				t.Errorf("got %+v", r)
			}
			if c.name == "varchar" && (r.DurationMS.N != 12 || r.StepsTotal.N != -7) {
				t.Errorf("got %+v", r)
			}
		})
	}
}

func TestStatusAsEnum(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	d.sql(CreateTable + `; CREATE TYPE state AS ENUM ('completed', 'failed'); CREATE DOMAIN name AS text;
ALTER TABLE workflow_runs ALTER COLUMN status TYPE state USING status::state, ALTER COLUMN workflow_name TYPE public.name;` + runstest.Row("a") + runstest.Row("b", "status", "'failed'"))
	q := everything
	q.Statuses, q.Workflows = []string{"failed"}, []string{"w"}
	if got := read(t, d.source(""), q); runstest.IDs(got) != "b" || string(got[0].Status) != "failed" {
		t.Errorf("got %q", runstest.IDs(got))
	}
}

func TestBadRows(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, alter, column, value, says string }{
		{"infinity", "", "completed_at", "'infinity'", "row r7: completed_at is infinity"},
		{"minus infinity", "", "started_at", "'-infinity'", "row r7: started_at is infinity"},
		{"year 10000", "", "started_at", "'10000-01-01T00:00:00Z'", "row r7: started_at is outside the years"},
		{"before Christ", "", "started_at", "'0001-01-01 BC'", "row r7: started_at is outside the years"},
		{"NaN", "ALTER COLUMN duration_ms TYPE double precision", "duration_ms", "'NaN'", "row r7: duration_ms is NaN, not a whole number"},
		{"infinite number", "ALTER COLUMN duration_ms TYPE numeric", "duration_ms", "'Infinity'", "row r7: duration_ms is Infinity"},
		{"half", "ALTER COLUMN steps_total TYPE numeric", "steps_total", "0.5", "row r7: steps_total is 0.5, not a whole number"},
		{"no JSON", "ALTER COLUMN metadata TYPE text", "metadata", "'{'", "row r7: metadata is not JSON"},
		{"no id", "DROP CONSTRAINT workflow_runs_pkey, ALTER COLUMN id DROP NOT NULL", "", "", "a row has no id"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := newDatabase(t)
			d.sql(CreateTable)
			if c.alter != "" {
				d.sql("ALTER TABLE workflow_runs " + c.alter)
			}
			if c.column == "" {
				d.sql(runstest.Row("r7") + "UPDATE workflow_runs SET id = NULL")
			} else {
				d.sql(runstest.Row("r7", c.column, c.value))
			}
			_, _, err := runstest.Try(t.Context(), d.source(""), everything)
			runstest.WantError(t, err, runs.Data, c.says)
		})
	}
}

// TestTextOfNoEncoding: a database that does not know how its texts are encoded
// may hold anything.
func TestTextOfNoEncoding(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	d.name += "_ascii"
	d.c.SQL(t, "postgres", "CREATE DATABASE "+d.name+" TEMPLATE template0 ENCODING SQL_ASCII LC_COLLATE 'C' LC_CTYPE 'C'")
	d.sql(CreateTable + ";" + runstest.Row("good", "error_message", "'é'"))
	if got := read(t, d.source(""), everything); len(got) != 1 || string(got[0].ErrorMessage) != "é" {
		t.Errorf("got %+v", got)
	}
	d.sql(runstest.Row("bad", "error_message", `E'\xff'`))
	_, _, err := runstest.Try(t.Context(), d.source(""), everything)
	runstest.WantError(t, err, runs.Data, "row bad: error_message is not valid UTF-8")
}

func TestLargeRows(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	d.sql(CreateTable + ";" + runstest.Row("small") + runstest.Row("big", "metadata", `('{"a":"' || repeat('x', 30000000) || '"}')::jsonb`))
	got := read(t, d.source(""), everything)
	if len(got) != 2 || len(got[1].Metadata) != 30_000_008 {
		t.Fatalf("%d rows", len(got))
	}
	for _, limit := range []int64{29_999_999, 1000} { // seen after reading it, and before
		q := everything
		q.MaxRow = limit
		_, _, err := runstest.Try(t.Context(), d.source(""), q)
		runstest.WantError(t, err, runs.Data, "row big has 3")
	}
}

func TestExtraColumns(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	d.sql(CreateTable + `; ALTER TABLE workflow_runs ADD COLUMN cost double precision, ADD COLUMN "odd ""name" text[], ADD COLUMN seen timestamptz;` +
		runstest.Row("a", "cost", "'NaN'", `"odd ""name"`, `ARRAY['x', NULL, 'y"']`, "seen", "'infinity'") + runstest.Row("b"))
	q := everything
	q.Columns = []string{`odd "name`, "status", "cost", "id", "seen"}
	got, info, err := runstest.Try(t.Context(), d.source(""), q)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][]byte{[]byte(`["x",null,"y\""]`), []byte(`"NaN"`), []byte(`"infinity"`)}, got[0].Extra); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([][]byte{nil, nil, nil}, got[1].Extra); diff != "" {
		t.Error(diff)
	}
	var names []string
	for _, c := range info.Columns {
		names = append(names, c.Name)
	}
	if diff := cmp.Diff([]string{"id", "status", `odd "name`, "cost", "seen"}, names); diff != "" {
		t.Error(diff)
	}
	if got[0].WorkflowName != nil || string(got[0].TenantID) != "t" {
		t.Errorf("got %+v", got[0])
	}
}

func TestPartitions(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	d.sql(strings.Replace(CreateTable, "text PRIMARY KEY", "text NOT NULL", 1) + ` PARTITION BY LIST (tenant_id);
CREATE TABLE part_a PARTITION OF workflow_runs FOR VALUES IN ('acme', 'globex');
CREATE TABLE part_b PARTITION OF workflow_runs DEFAULT PARTITION BY LIST (status);
CREATE TABLE part_b1 PARTITION OF part_b FOR VALUES IN ('completed');
CREATE TABLE part_b2 PARTITION OF part_b DEFAULT`)
	d.fill(5, 8000)
	d.migrate(runs.Migration{})
	snap := runstest.Open(t, d.source(""), everything)
	first, err := runstest.All(t.Context(), snap, everything)
	if err != nil {
		t.Fatal(err)
	}
	if n := snap.Info().Shards; n < 2 {
		t.Errorf("%d shards", n)
	}
	if len(first) != 8000 || runstest.IDs(first) != runstest.IDs(read(t, d.source(""), everything)) {
		t.Errorf("%d rows", len(first))
	}
	seen := map[string]bool{}
	for _, r := range first {
		seen[string(r.ID)] = true
	}
	if len(seen) != 8000 {
		t.Errorf("%d different rows", len(seen))
	}
	if got := d.sql("SELECT count(*) FROM pg_trigger WHERE tgname = 'zz_indelible_revision' AND tgenabled <> 'A'"); got != "0" {
		t.Errorf("%s triggers do not always fire", got)
	}
	// A chain goes on over partitions, and over those that come later.
	q := everything
	q.Range = &runs.Range{}
	_, info, err := runstest.Try(t.Context(), d.source(""), q)
	if err != nil {
		t.Fatal(err)
	}
	q.Range.From = info.Cursor
	d.sql("UPDATE workflow_runs SET tenant_id = 'acme' WHERE tenant_id = 'initech-eu' AND status = 'skipped'")
	moved := d.sql("SELECT count(*) FROM workflow_runs WHERE indelible_revision > '3'")
	got, _, err := runstest.Try(t.Context(), d.source(""), q)
	if err != nil || len(got) == 0 || d.sql("SELECT "+moved+" = "+itoa(8000+len(got))+" OR "+moved+" = "+itoa(len(got))) != "t" {
		t.Errorf("%d rows moved, %s stamped: %v", len(got), moved, err)
	}
}
