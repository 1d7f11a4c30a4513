package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"indelible/internal/jobs"
	"indelible/internal/runs/postgres/pgtest"
)

// mainAt is the program with a clock that a test moves: the time stands in the
// file TEST_CLOCK names. Leases are short, so that dying shows soon.
func mainAt() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	a := &app{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, env: os.Getenv}
	a.clock = func() time.Time {
		b, _ := os.ReadFile(os.Getenv("TEST_CLOCK"))
		t, err := time.Parse(time.RFC3339, string(b))
		if err != nil {
			panic(err)
		}
		return t
	}
	a.pace = jobs.Pace{
		Tick: 20 * time.Millisecond, Beat: 500 * time.Millisecond, Expiry: 5 * time.Second, Look: 100 * time.Millisecond, Poll: 20 * time.Millisecond, Later: 100 * time.Millisecond,
		Retry: func(int) time.Duration { return time.Second },
	}
	code := a.run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// timed is a machine whose processes go by a clock of the test.
type timed struct {
	*machine
	clock string
}

func newTimed(t *testing.T, now string) *timed {
	m := newMachine(t, nil)
	x := &timed{m, filepath.Join(m.env["HOME"], "clock")}
	x.at(now)
	return x
}

// at sets the clock.
func (x *timed) at(now string) {
	x.t.Helper()
	if err := writeFileAtomic(x.clock, []byte(now)); err != nil {
		x.t.Fatal(err)
	}
}

// process is one that goes on in the background.
type process struct {
	x   *timed
	cmd *exec.Cmd
	mu  sync.Mutex
	out bytes.Buffer
}

func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

func (p *process) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// begin starts a process, and returns once it has said something.
func (x *timed) begin(says string, args ...string) *process {
	x.t.Helper()
	exe, err := os.Executable()
	if err != nil {
		x.t.Fatal(err)
	}
	p := &process{x: x, cmd: exec.Command(exe)}
	p.cmd.Args = append([]string{"indelible-at", "--dir", x.dir}, args...)
	p.cmd.Env = append(os.Environ(), "TEST_CLOCK="+x.clock)
	for name, value := range x.env {
		p.cmd.Env = append(p.cmd.Env, name+"="+value)
	}
	p.cmd.Stderr = p
	if err := p.cmd.Start(); err != nil {
		x.t.Fatal(err)
	}
	x.t.Cleanup(func() {
		p.cmd.Process.Kill()
		p.cmd.Wait()
		if x.t.Failed() {
			x.t.Logf("%s:\n%s", strings.Join(args, " "), p.text())
		}
	})
	x.until(args[0]+" says "+says, func() bool { return strings.Contains(p.text(), says) })
	return p
}

// kill ends a process as a power cut does.
func (p *process) kill() {
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

// end ends a process in order.
func (p *process) end() {
	p.x.t.Helper()
	p.cmd.Process.Signal(syscall.SIGTERM)
	if err := p.cmd.Wait(); err != nil {
		p.x.t.Errorf("%v\n%s", err, p.text())
	}
}

func (x *timed) until(what string, is func() bool) {
	x.t.Helper()
	for deadline := time.Now().Add(90 * time.Second); !is(); <-time.After(30 * time.Millisecond) {
		if time.Now().After(deadline) {
			x.t.Fatalf("never: %s", what)
		}
	}
}

// list are the runs there are.
func (x *timed) list(args ...string) (list []*jobs.Run) {
	x.t.Helper()
	o := x.run(append([]string{"jobs", "list", "--json"}, args...)...).want(exitOK)
	if err := json.Unmarshal([]byte(o.out), &list); err != nil {
		x.t.Fatal(err)
	}
	return list
}

// state waits until a run is in a state.
func (x *timed) state(id, state string) *jobs.Run {
	x.t.Helper()
	var found *jobs.Run
	x.until(id+" is "+state, func() bool {
		for _, r := range x.list() {
			if r.ID == id && r.State == jobs.StateFailed && state != r.State {
				x.t.Fatalf("%s failed: %s", id, r.Error)
			}
			if r.ID == id && r.State == state {
				found = r
				return true
			}
		}
		return false
	})
	return found
}

// walkThrough is the configuration docs/operations.md shows.
func walkThrough(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range strings.Split(string(b), "```yaml\n")[1:] {
		if text, _, ok := strings.Cut(block, "```"); ok && strings.Contains(text, "daily-export:") {
			return text
		}
	}
	t.Fatal("docs/operations.md shows no daily export")
	return ""
}

// change has the text stand in place of another, which must be there once.
func change(t *testing.T, text, old, new string) string {
	t.Helper()
	if strings.Count(text, old) != 1 {
		t.Fatalf("%q stands %d times in\n%s", old, strings.Count(text, old), text)
	}
	return strings.Replace(text, old, new, 1)
}

// wantDays looks at what three days have brought: three links, each verified
// against the ledger, with every revision; and each run once.
func (x *timed) wantDays(rows int) {
	x.t.Helper()
	chain := filepath.Join(x.dir, "datasets", "flows")
	var r struct {
		Result string
		Rows   int
		Links  int
	}
	o := x.run("dataset", "verify", "--json", chain).want(exitOK)
	if err := json.Unmarshal([]byte(o.out), &r); err != nil {
		x.t.Fatal(err)
	}
	links, err := filepath.Glob(filepath.Join(chain, "manifests", "????????.json"))
	if err != nil || len(links) != 3 {
		x.t.Errorf("%d links, want 3: %v", len(links), err)
	}
	if r.Result != "ok" || r.Rows != rows {
		x.t.Errorf("the chain: %s, want %d rows", o.out, rows)
	}
	for _, run := range x.list() {
		if run.State != jobs.StateSucceeded {
			x.t.Errorf("run %+v", run)
		}
		if n := x.events(run.ID, "job.succeeded"); n != 1 {
			x.t.Errorf("%s: %d events say that it succeeded", run.ID, n)
		}
		if n := x.events(run.ID, "job.started"); n < 1 {
			x.t.Errorf("%s: no event says that it began", run.ID)
		}
	}
	if n := len(x.list()); n != 6 {
		x.t.Errorf("%d runs, want 6", n)
	}
	x.run("verify").want(exitOK)
}

// events counts events about a resource.
func (x *timed) events(resource, eventType string) int {
	x.t.Helper()
	o := x.run("search", "--tenant-id", "_system", "--resource-id", resource, "--event-type", eventType, "--json").want(exitOK)
	return strings.Count(o.out, "\n")
}

// TestThreeDays is the walk-through of docs/operations.md: a daily export and a
// nightly verification, three days, and a crash in between.
func TestThreeDays(t *testing.T) {
	t.Parallel()
	x := newTimed(t, "2026-03-01T12:00:00Z")
	x.run("init", "--origin", "test.example/log").want(exitOK)
	db := filepath.Join(x.dir, "runs.db")
	x.run("sample", "runs", "--rows", "1000", "--sqlite", db).want(exitOK)
	x.run("runs", "migrate", "--sqlite", db, "--apply").want(exitOK)
	x.configure(change(t, walkThrough(t), "incremental: daily", "incremental: daily, max_rate: 500"))
	serve := func() *process {
		return x.begin("listening", "serve", "--listen", "127.0.0.1:0", "--verify-every", "0")
	}

	p := serve()
	x.at("2026-03-02T02:00:00Z")
	x.state("daily-export@2026-03-02T00:30:00Z", jobs.StateSucceeded)
	x.state("nightly-verification@2026-03-02T01:00:00Z", jobs.StateSucceeded)

	execSQLite(t, db, `UPDATE workflow_runs SET error_message = 'changed' WHERE rowid <= 700`)
	x.at("2026-03-03T02:00:00Z")
	x.state("daily-export@2026-03-03T00:30:00Z", jobs.StateRunning)
	p.kill()
	execSQLite(t, db, `UPDATE workflow_runs SET error_message = 'changed while nothing ran' WHERE rowid > 900`)
	p = serve()
	r := x.state("daily-export@2026-03-03T00:30:00Z", jobs.StateSucceeded)
	if r.Attempt < 2 {
		t.Errorf("the run was not taken over: %+v", r)
	}
	x.state("nightly-verification@2026-03-03T01:00:00Z", jobs.StateSucceeded)

	execSQLite(t, db, `UPDATE workflow_runs SET error_message = 'and again' WHERE rowid <= 50`)
	x.at("2026-03-04T02:00:00Z")
	x.state("daily-export@2026-03-04T00:30:00Z", jobs.StateSucceeded)
	x.state("nightly-verification@2026-03-04T01:00:00Z", jobs.StateSucceeded)
	p.end()
	x.wantDays(1000 + 700 + 100 + 50)
	if n := x.events("daily-export", "schedule.created"); n != 1 {
		t.Errorf("%d events say that the schedule is there", n)
	}
}

// TestThreeWorkers is the same with three workers on PostgreSQL, one of which is
// killed while it exports, and a database that is started again in between.
func TestThreeWorkers(t *testing.T) {
	t.Parallel()
	cluster, err := pgtest.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cluster.Stop() })
	x := newTimed(t, "2026-03-01T12:00:00Z")
	x.run("init", "--origin", "test.example/log").want(exitOK)
	db := filepath.Join(x.dir, "runs.db")
	x.run("sample", "runs", "--rows", "1000", "--sqlite", db).want(exitOK)
	x.run("runs", "migrate", "--sqlite", db, "--apply").want(exitOK)
	dsn := cluster.DSN(cluster.NewDatabase(t), "")
	x.configure(change(t, walkThrough(t), "incremental: daily", "incremental: daily, max_rate: 500") + "jobs: {dsn: \"" + dsn + "\"}\n")
	p := x.begin("listening", "serve", "--listen", "127.0.0.1:0", "--verify-every", "0")
	var workers []*process
	for range 3 {
		workers = append(workers, x.begin("working", "worker"))
	}
	x.at("2026-03-02T02:00:00Z")
	x.state("daily-export@2026-03-02T00:30:00Z", jobs.StateSucceeded)
	x.state("nightly-verification@2026-03-02T01:00:00Z", jobs.StateSucceeded)

	execSQLite(t, db, `UPDATE workflow_runs SET error_message = 'changed'`)
	x.at("2026-03-03T02:00:00Z")
	r := x.state("daily-export@2026-03-03T00:30:00Z", jobs.StateRunning)
	all := append(slices.Clone(workers), p)
	holder := slices.IndexFunc(all, func(p *process) bool { return strings.Contains(r.Worker, fmt.Sprintf("-%d-", p.cmd.Process.Pid)) })
	if holder < 0 {
		t.Fatalf("nobody is the worker %s", r.Worker)
	}
	all[holder].kill()
	cluster.Resume(t)
	if holder == 3 {
		p = x.begin("listening", "serve", "--listen", "127.0.0.1:0", "--verify-every", "0")
	}
	if r = x.state("daily-export@2026-03-03T00:30:00Z", jobs.StateSucceeded); r.Attempt < 2 {
		t.Errorf("the run was not taken over: %+v", r)
	}
	x.state("nightly-verification@2026-03-03T01:00:00Z", jobs.StateSucceeded)

	execSQLite(t, db, `UPDATE workflow_runs SET error_message = 'and again' WHERE rowid <= 50`)
	x.at("2026-03-04T02:00:00Z")
	x.state("daily-export@2026-03-04T00:30:00Z", jobs.StateSucceeded)
	x.state("nightly-verification@2026-03-04T01:00:00Z", jobs.StateSucceeded)
	for i, w := range workers {
		if i != holder {
			w.end()
		}
	}
	p.end()
	x.wantDays(1000 + 1000 + 50)
}
