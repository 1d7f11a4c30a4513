package api_test

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"indelible/internal/access"
	"indelible/internal/api"
	"indelible/internal/jobs"
	"indelible/internal/jobs/sqlite"
)

// nightly is a queue with one schedule, of the file.
func nightly(t *testing.T) *jobs.Queue {
	t.Helper()
	db, err := sqlite.Open(filepath.Join(t.TempDir(), "jobs.db"))
	if err != nil {
		t.Fatal(err)
	}
	fine := func(json.RawMessage) (string, error) { return "", nil }
	q, err := jobs.Open(t.Context(), jobs.Config{DB: db, Kinds: jobs.Kinds{{Name: "verify", Check: fine}, {Name: "export", Check: fine}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := q.Sync(t.Context(), []jobs.Schedule{{Name: "nightly", When: "daily 02:00", Run: "verify"}}); err != nil {
		t.Fatal(err)
	}
	return q
}

// TestSchedules makes, runs and removes a schedule over HTTP.
func TestSchedules(t *testing.T) {
	t.Parallel()
	w := start(t, func(c *api.Config) { c.Schedules = nightly(t) })
	w.add("ops", access.Operator)
	w.add("ops of acme", access.Operator, "acme")
	var s jobs.State
	w.do("ops", "PUT", "/v1/schedules/weekly", `{"when":"weekly mon 03:00","zone":"Europe/Berlin","run":"verify"}`).into(t, &s)
	if s.Name != "weekly" || s.Source != jobs.SourceAPI || s.Missed != jobs.MissedOnce || s.Next == nil {
		t.Errorf("made: %+v", s)
	}
	var list struct{ Schedules []jobs.State }
	w.get("ops", "/v1/schedules").into(t, &list)
	if len(list.Schedules) != 2 || list.Schedules[0].Name != "nightly" {
		t.Errorf("list: %+v", list)
	}
	a := w.do("ops", "POST", "/v1/schedules/weekly/runs", "")
	var r jobs.Run
	if json.Unmarshal(a.body, &r) != nil || a.status != 202 || r.Schedule != "weekly" || r.State != jobs.StateWaiting {
		t.Errorf("run: %d %s", a.status, a.body)
	}
	for _, c := range []struct {
		who, method, path, body string
		status                  int
	}{
		{"ops of acme", "GET", "/v1/schedules", "", 403},
		{"ops", "PUT", "/v1/schedules/weekly", `{"when":"sometimes","run":"verify"}`, 400},
		{"ops", "PUT", "/v1/schedules/weekly", `{"when":"daily 02:00","run":"verify","often":1}`, 400},
		{"ops", "PUT", "/v1/schedules/weekly", `{"name":"other","when":"daily 02:00","run":"verify"}`, 400},
		{"ops", "PUT", "/v1/schedules/weekly", `{"when":"daily 02:00","run":"export"}`, 400},
		{"ops", "PUT", "/v1/schedules/a%20b", `{"when":"daily 02:00","run":"verify"}`, 400},
		{"ops", "PUT", "/v1/schedules/nightly", `{"when":"daily 03:00","run":"verify"}`, 409},
		{"ops", "DELETE", "/v1/schedules/nightly", "", 409},
		{"ops", "DELETE", "/v1/schedules/weekly", "", 200},
		{"ops", "DELETE", "/v1/schedules/weekly", "", 404},
		{"ops", "POST", "/v1/schedules/weekly/runs", "", 404},
	} {
		if a := w.do(c.who, c.method, c.path, c.body); a.status != c.status {
			t.Errorf("%s %s %s by %s: %d %s, want %d", c.method, c.path, c.body, c.who, a.status, a.body, c.status)
		}
	}
}
