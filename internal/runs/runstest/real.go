package runstest

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"indelible/internal/runs"
)

// realFile holds real workflow runs, beside the repository where they are. Tests
// run in the directory of a driver.
var realFile = filepath.Join("..", "..", "..", "..", "shared", "data", "workflow-runs", "wfinstances.jsonl.gz")

// realRun is a row of them.
type realRun struct {
	ID              string  `json:"id"`
	TenantID        string  `json:"tenant_id"`
	WorkflowName    string  `json:"workflow_name"`
	WorkflowVersion string  `json:"workflow_version"`
	Status          string  `json:"status"`
	StartedAt       *string `json:"started_at"`
	CompletedAt     *string `json:"completed_at"`
	DurationMS      *int64  `json:"duration_ms"`
	StepsCompleted  *int64  `json:"steps_completed"`
	StepsTotal      *int64  `json:"steps_total"`
	ErrorMessage    *string `json:"error_message"`
	Metadata        json.RawMessage
	CreatedAt       *string `json:"created_at"`
}

// realRows inserts them, every value as the source writes it, reads them back and
// compares each with its source by way of the standard library.
func realRows(t *testing.T, d Database) {
	lines := realLines(t)
	d.Fill(1, 0)
	var b strings.Builder
	quoted := func(s *string) string {
		if s == nil {
			return "NULL"
		}
		return "'" + strings.ReplaceAll(*s, "'", "''") + "'"
	}
	number := func(n *int64) string {
		if n == nil {
			return "NULL"
		}
		return strconv.FormatInt(*n, 10)
	}
	parsed := make([]realRun, len(lines))
	for i, line := range lines {
		r := &parsed[i]
		if err := json.Unmarshal(line, r); err != nil {
			t.Fatal(err)
		}
		metadata := string(r.Metadata)
		if b.Len() == 0 {
			b.WriteString("INSERT INTO workflow_runs (" + strings.Join(runs.Columns, ", ") + ") VALUES ")
		} else {
			b.WriteString(", ")
		}
		b.WriteString("(" + strings.Join([]string{
			quoted(&r.ID), quoted(&r.TenantID), quoted(&r.WorkflowName), quoted(&r.WorkflowVersion), quoted(&r.Status), quoted(r.StartedAt), quoted(r.CompletedAt),
			number(r.DurationMS), number(r.StepsCompleted), number(r.StepsTotal), quoted(r.ErrorMessage), quoted(&metadata), quoted(r.CreatedAt),
		}, ", ") + ")")
		if (i+1)%500 == 0 || i == len(lines)-1 {
			d.Exec(b.String())
			b.Reset()
		}
	}
	got, _ := Read(t, d.Source(), Everything)
	if len(got) != len(lines) {
		t.Fatalf("%d rows of %d", len(got), len(lines))
	}
	// A table keeps rows where there is room.
	byID := make(map[string]*runs.Run, len(got))
	for _, r := range got {
		byID[string(r.ID)] = r
	}
	for i := range parsed {
		r := byID[parsed[i].ID]
		if r == nil || !parsed[i].is(r) {
			t.Fatalf("row %d: %s\nwas read as %+v", i, lines[i], r)
		}
	}
}

func (r *realRun) is(got *runs.Run) bool {
	text := func(want string, got []byte) bool { return got != nil && want == string(got) }
	at := func(want *string, got runs.Time) bool {
		if want == nil {
			return !got.Valid
		}
		t, err := time.Parse(time.RFC3339, *want)
		return err == nil && got == runs.TimeOf(t)
	}
	number := func(want *int64, got runs.Int) bool {
		if want == nil {
			return !got.Valid
		}
		return got == runs.Int{N: *want, Valid: true}
	}
	var want, have any
	if json.Unmarshal(r.Metadata, &want) != nil || json.Unmarshal(got.Metadata, &have) != nil {
		return false
	}
	return text(r.ID, got.ID) && text(r.TenantID, got.TenantID) && text(r.WorkflowName, got.WorkflowName) && text(r.WorkflowVersion, got.WorkflowVersion) &&
		text(r.Status, got.Status) && at(r.StartedAt, got.StartedAt) && at(r.CompletedAt, got.CompletedAt) && at(r.CreatedAt, got.CreatedAt) &&
		number(r.DurationMS, got.DurationMS) && number(r.StepsCompleted, got.StepsCompleted) && number(r.StepsTotal, got.StepsTotal) &&
		(r.ErrorMessage == nil) == (got.ErrorMessage == nil) && reflect.DeepEqual(want, have)
}

// realLines are the rows of the file; the test is skipped where it is not.
func realLines(t *testing.T) [][]byte {
	t.Helper()
	f, err := os.Open(realFile)
	if err != nil {
		t.Skipf("real input is not here: %v", err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	in := bufio.NewScanner(z)
	in.Buffer(nil, 16<<20)
	var lines [][]byte
	for in.Scan() {
		lines = append(lines, append([]byte(nil), in.Bytes()...))
	}
	if err := in.Err(); err != nil {
		t.Fatal(err)
	}
	if len(lines) < 60_000 {
		t.Fatalf("%d rows in %s", len(lines), f.Name())
	}
	return lines
}
