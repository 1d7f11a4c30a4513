package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// realRuns are real workflow runs, as lines of JSON: beside the repository
// where they are. Without them there is nothing to compare.
func realRuns(t *testing.T) []byte {
	f, err := os.Open(filepath.Join("..", "..", "..", "shared", "data", "workflow-runs", "wfinstances.jsonl.gz"))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("the real workflow runs are not here")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestExportReal loads real runs into PostgreSQL with psql and into SQLite with
// sqlite3, exports them, and compares every row with its source, by way of the
// standard library.
func TestExportReal(t *testing.T) {
	t.Parallel()
	source := realRuns(t)
	x := newExporter(t, 0, nil)
	lines := x.path("source.jsonl")
	write(t, lines, source)
	columns := []string{"id", "tenant_id", "workflow_name", "workflow_version", "status", "started_at", "completed_at", "duration_ms", "steps_completed", "steps_total", "error_message", "metadata", "created_at"}
	var postgres, sqlite []string
	for _, c := range columns {
		value := "j->>'" + c + "'"
		switch c {
		case "started_at", "completed_at", "created_at":
			value = "(" + value + ")::timestamptz"
		case "duration_ms", "steps_completed", "steps_total":
			value = "(" + value + ")::bigint"
		case "metadata":
			value = "j->'metadata'"
		}
		postgres, sqlite = append(postgres, value), append(sqlite, "json_extract(j, '$."+c+"')")
	}
	into := "INSERT INTO workflow_runs (" + strings.Join(columns, ", ") + ") SELECT "
	x.cluster.SQL(t, x.database, "CREATE TABLE raw (j jsonb);\n\\copy raw from '"+lines+"' with (format csv, quote e'\\x01', delimiter e'\\x02')\n"+into+strings.Join(postgres, ", ")+" FROM raw")
	db := x.path("runs.db")
	x.run("sample", "runs", "--rows", "0", "--sqlite", db).want(exitOK)
	load := exec.Command("sqlite3", db)
	load.Stdin = strings.NewReader("CREATE TEMP TABLE raw (j TEXT);\n.mode ascii\n.separator \"\\002\" \"\\n\"\n.import " + lines + " raw\n" + into + strings.Join(sqlite, ", ") + " FROM raw;\n")
	if out, err := load.CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("sqlite3: %v\n%s", err, out)
	}
	want := rowsOf(t, source)
	for _, from := range [][]string{{"--no-rls"}, {"--sqlite", db}} {
		out := x.path("real" + from[0] + ".jsonl")
		x.run(append([]string{"export", "--mask", "off", "--all-tenants", "--out", out}, from...)...).want(exitOK)
		x.run("dataset", "verify", out).want(exitOK)
		b, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		got := rowsOf(t, b)
		if len(got) != len(want) {
			t.Fatalf("%v: %d rows of %d", from, len(got), len(want))
		}
		for id, w := range want {
			g := got[id]
			for name := range g {
				if strings.HasPrefix(name, "_") {
					delete(g, name)
				}
			}
			if !reflect.DeepEqual(g, w) {
				t.Fatalf("%v: row %s:\n%v\nits source:\n%v", from, id, g, w)
			}
		}
	}
}

// rowsOf reads lines of JSON by their ids. Times become moments.
func rowsOf(t *testing.T, lines []byte) map[string]map[string]any {
	t.Helper()
	rows := map[string]map[string]any{}
	for line := range bytes.SplitSeq(bytes.TrimSpace(lines), []byte("\n")) {
		var row map[string]any
		if err := json.Unmarshal(line, &row); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		for _, name := range []string{"started_at", "completed_at", "created_at"} {
			if text, ok := row[name].(string); ok {
				at, err := time.Parse(time.RFC3339Nano, text)
				if err != nil {
					t.Fatal(err)
				}
				row[name] = at.UTC().String()
			}
		}
		id := row["id"].(string)
		if rows[id] != nil {
			t.Fatalf("%s stands twice", id)
		}
		rows[id] = row
	}
	return rows
}
