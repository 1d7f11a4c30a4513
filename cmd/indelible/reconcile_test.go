package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestReconcile: a trail is complete, then an event is missing, then there is
// one too many; what is found is recorded, and events of others do not count.
func TestReconcile(t *testing.T) {
	t.Parallel()
	m := newMachine(t, nil)
	m.run("init", "--origin", "test.example/log").want(exitOK)
	db, out := m.runsOf("2000"), filepath.Join(t.TempDir(), "runs.jsonl")
	m.run("export", "--sqlite", db, "--all-tenants", "--mask", "off", "--out", out).want(exitOK)
	rows, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	type run struct {
		ID        string     `json:"id"`
		TenantID  string     `json:"tenant_id"`
		CreatedAt time.Time  `json:"created_at"`
		Completed *time.Time `json:"completed_at"`
	}
	execution := func(r run) string {
		return fmt.Sprintf(`{"timestamp":%q,"event_type":"workflow_execution","user_id":"scheduler","tenant_id":%q,"resource_type":"run","resource_id":%q,"action":"execute","outcome":"success","details":{}}`+"\n",
			r.CreatedAt.Format(time.RFC3339Nano), r.TenantID, r.ID)
	}
	var ended []run
	for line := range bytes.Lines(rows) {
		var r run
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		if r.Completed != nil {
			ended = append(ended, r)
		}
	}
	if len(ended) < 1000 {
		t.Fatalf("%d runs have ended", len(ended))
	}
	var events strings.Builder
	for _, r := range ended[1:] {
		events.WriteString(execution(r))
	}
	// A login at the same resource, and the same run in another tenant, are no
	// event of the first run.
	other := ended[0]
	other.TenantID = "another"
	events.WriteString(strings.Replace(execution(ended[0]), "workflow_execution", "login", 1))
	m.runWith(events.String(), "append", "-").want(exitOK)

	day := ended[0].CreatedAt.Truncate(24 * time.Hour)
	compare := func(code int, args ...string) (r reconciled) {
		t.Helper()
		args = append([]string{"reconcile", "--sqlite", db, "--since", day.Format(time.RFC3339), "--until", day.Add(72 * time.Hour).Format(time.RFC3339), "--json"}, args...)
		if err := json.Unmarshal([]byte(m.run(args...).want(code).out), &r); err != nil {
			t.Fatal(err)
		}
		return r
	}
	r := compare(exitPartial)
	if r.Result != "difference" || r.Runs != len(ended) || r.Unrecorded.Count != 1 || r.Unrecorded.First[0].ResourceID != ended[0].ID || r.Unknown.Count != 0 {
		t.Errorf("without the event of one run: %+v", r)
	}

	m.runWith(execution(ended[0]), "append", "-").want(exitOK)
	if r := compare(exitOK); r.Result != "ok" || r.Runs != len(ended) || r.Events != len(ended) {
		t.Errorf("with the event of each run: %+v", r)
	}

	m.runWith(execution(other), "append", "-").want(exitOK)
	r = compare(exitPartial)
	if r.Unrecorded.Count != 0 || r.Unknown.Count != 1 || r.Unknown.First[0].TenantID != "another" || r.Unknown.First[0].ResourceID != other.ID {
		t.Errorf("with an event of another tenant's: %+v", r)
	}
	if r := compare(exitOK, "--tenant", ended[0].TenantID); r.Result != "ok" || r.Runs == 0 || r.Runs >= len(ended) {
		t.Errorf("one tenant: %+v", r)
	}

	found := m.run("search", "--tenant-id", "_system", "--event-type", "runs.reconciled", "--json").want(exitOK).out
	if n, bad := strings.Count(found, `"runs.reconciled"`), strings.Count(found, `"outcome":"failure"`); n != 4 || bad != 2 {
		t.Errorf("%d comparisons are recorded, %d of them as failures", n, bad)
	}
	m.run("reconcile", "--sqlite", db, "--since", "2024-02-02", "--until", "2024-01-01").want(exitUsage, "--since is not before --until")
	m.run("reconcile", "--sqlite", filepath.Join(t.TempDir(), "absent.db")).want(exitUsage, "absent.db")
}
