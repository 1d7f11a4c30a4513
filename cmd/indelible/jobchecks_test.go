package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"indelible/internal/jobs"
)

// TestChecksThatFind: scheduled checks that find something are runs that failed,
// and say what they found.
func TestChecksThatFind(t *testing.T) {
	t.Parallel()
	x := newTimed(t, "2029-12-31T12:00:00Z") // the keys are of today
	x.run("init", "--origin", "test.example/log").want(exitOK)
	db := filepath.Join(x.dir, "runs.db")
	x.run("sample", "runs", "--rows", "2000", "--sqlite", db).want(exitOK)
	events := x.run("sample", "events", "--rows", "300").want(exitOK).out
	x.runWith(events, "append", "-q").want(exitOK)
	x.run("search", "rebuild").want(exitOK)
	execSQLite(t, filepath.Join(x.dir, "search", "index.db"), "DELETE FROM events WHERE idx % 3 = 0")
	x.configure(`sources:
  flows: {sqlite: runs.db}
schedules:
  index: {when: daily 01:00, run: check-index}
  trail: {when: daily 01:00, run: reconcile, with: {source: flows, period: 2000d}}
  keys: {when: daily 01:00, run: key-age, with: {max: 400d}}
`)
	p := x.begin("listening", "serve", "--listen", "127.0.0.1:0", "--verify-every", "0")
	x.at("2030-01-01T01:00:00Z")
	failed := func(schedule string, result any) *jobs.Run {
		t.Helper()
		id := schedule + "@2030-01-01T01:00:00Z"
		x.until(id+" has ended", func() bool {
			for _, r := range x.list() {
				if r.ID == id && r.Finished != nil {
					return true
				}
			}
			return false
		})
		var r jobs.Run
		if err := json.Unmarshal([]byte(x.run("jobs", "show", id, "--json").want(exitOK).out), &r); err != nil {
			t.Fatal(err)
		}
		if r.State != jobs.StateFailed || r.Attempt != 1 {
			t.Fatalf("%s: %+v", schedule, r)
		}
		if err := json.Unmarshal(r.Result, result); err != nil {
			t.Fatalf("%s: %v in %s", schedule, err, r.Result)
		}
		return &r
	}
	var index indexChecked
	if r := failed("index", &index); len(index.Missing) < 90 || len(index.Missing) > 110 || !strings.Contains(r.Error, "search rebuild") {
		t.Errorf("of an index with a third gone: %s, %+v", r.Error, index)
	}
	var trail reconciled
	if r := failed("trail", &trail); trail.Unrecorded.Count < 1000 || trail.Result != "difference" || !strings.Contains(r.Error, "runs have no event") {
		t.Errorf("of runs without events: %s, %+v", r.Error, trail)
	}
	var keys keyAges
	if r := failed("keys", &keys); len(keys.Old) != 2 || keys.Old[0].Kind != "log key" || keys.Old[1].Kind != "root key" || keys.Old[1].Days < 400 || !strings.Contains(r.Error, "keys rotate-signer") {
		t.Errorf("of old keys: %s, %+v", r.Error, keys)
	}
	p.end()
	for _, schedule := range []string{"index", "trail", "keys"} {
		if n := x.events(schedule+"@2030-01-01T01:00:00Z", "job.failed"); n != 1 {
			t.Errorf("%s: %d events say that it failed", schedule, n)
		}
	}
	if n := strings.Count(x.run("search", "--tenant-id", "_system", "--event-type", "runs.reconciled", "--outcome", "failure", "--json").want(exitOK).out, "\n"); n != 1 {
		t.Errorf("%d events say that runs have no event", n)
	}
}
