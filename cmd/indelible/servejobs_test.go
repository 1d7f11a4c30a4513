package main

import (
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"indelible/internal/jobs"
)

// TestTamperingIsTold: a scheduled verification that finds tampering is a run
// that failed, an event, and what alerting reads.
func TestTamperingIsTold(t *testing.T) {
	t.Parallel()
	x := newTimed(t, "2026-03-01T12:00:00Z")
	x.run("init", "--origin", "test.example/log").want(exitOK)
	x.runWith(`{"timestamp":"2025-01-02T03:04:05Z","event_type":"login","user_id":"ann","tenant_id":"acme","resource_type":"door","resource_id":"d","action":"open","outcome":"success"}`+"\n", "append", "-q").want(exitOK)
	x.configure("schedules: {often: {when: daily 02:00, run: verify}, checks: {when: daily 02:00, run: check-index}, keys: {when: daily 02:00, run: key-age}, tidy: {when: daily 02:00, run: retention}}\n")
	s := x.serve("--metrics", "127.0.0.1:0")
	metrics := s.said("metrics").Address
	kinds := func() map[string]jobs.Last {
		t.Helper()
		_, text := s.ask("GET", "/readyz", "", "")
		var r struct {
			Status string
			Jobs   jobs.Health
		}
		if err := json.Unmarshal([]byte(text), &r); err != nil || r.Status != "ready" {
			t.Fatalf("%v: %s", err, text)
		}
		return r.Jobs.Kinds
	}
	ended := func(name string) *jobs.Run {
		t.Helper()
		id := strings.TrimSpace(x.run("schedule", "run", name).want(exitOK).out)
		var r jobs.Run
		s.until(id+" ends", func() bool {
			r = jobs.Run{}
			o := x.run("jobs", "show", id, "--json").want(exitOK)
			return json.Unmarshal([]byte(o.out), &r) == nil && r.Finished != nil
		})
		return &r
	}
	for _, name := range []string{"often", "checks", "keys", "tidy"} {
		if r := ended(name); r.State != jobs.StateSucceeded {
			t.Errorf("%s: %+v", name, r)
		}
	}
	s.until("all that succeeded is recorded", func() bool {
		return strings.Count(x.run("search", "--tenant-id", "_system", "--event-type", "job.succeeded", "--json").want(exitOK).out, "\n") == 4
	})

	var segment string
	filepath.WalkDir(filepath.Join(x.dir, "store"), func(name string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && strings.Contains(name, "/wal/") && segment == "" {
			segment = name
		}
		return nil
	})
	b, err := os.ReadFile(segment)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.Chmod(segment, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(segment, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if r := ended("often"); r.State != jobs.StateFailed || r.Attempt != 1 || !strings.HasPrefix(r.Error, "tampered: ") {
		t.Errorf("a verification of what was tampered with: %+v", r)
	}
	s.until("it is told", func() bool { return kinds()["verify"].State == jobs.StateFailed })
	s.until("it is measured", func() bool {
		resp, err := http.Get(metrics)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(text), "indelible_verify_exit_code 20\n") && strings.Contains(string(text), "indelible_schedules_failed 1\n")
	})
	s.until("it is recorded", func() bool {
		return strings.Contains(x.run("search", "--tenant-id", "_system", "--event-type", "job.failed", "--json").want(exitOK).out, "tampered")
	})
	s.stop()
}
