package jobs_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"indelible"
	"indelible/internal/jobs"
	"indelible/internal/jobs/postgres"
	"indelible/internal/jobs/sqlite"
	"indelible/internal/runs/postgres/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m.Run)) }

// database is one that several queues can be opened on.
type database struct {
	dialect jobs.Dialect
	open    func() (*sql.DB, error)
}

// onEach runs a test on every database there is.
func onEach(t *testing.T, test func(t *testing.T, d database)) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		name := filepath.Join(t.TempDir(), "jobs.db")
		test(t, database{jobs.SQLite, func() (*sql.DB, error) { return sqlite.Open(name) }})
	})
	t.Run("postgresql", func(t *testing.T) {
		t.Parallel()
		c := pgtest.Shared(t)
		dsn := c.DSN(c.NewDatabase(t), c.User)
		test(t, database{jobs.PostgreSQL, func() (*sql.DB, error) { return postgres.Open(dsn, "") }})
	})
}

// clock is one that tests move.
type clock struct{ ns atomic.Int64 }

func newClock(t testing.TB, text string) *clock {
	c := new(clock)
	c.ns.Store(at(t, text).UnixNano())
	return c
}

func (c *clock) Now() time.Time          { return time.Unix(0, c.ns.Load()).UTC() }
func (c *clock) Advance(d time.Duration) { c.ns.Add(int64(d)) }
func (c *clock) Set(to time.Time)        { c.ns.Store(to.UnixNano()) }

// ledger keeps events, each id once.
type ledger struct {
	mu     sync.Mutex
	away   error
	events []*indelible.Event
	ids    map[string]bool
}

func (l *ledger) Record(_ context.Context, events []*indelible.Event) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.away != nil {
		return l.away
	}
	for _, e := range events {
		if l.ids == nil {
			l.ids = make(map[string]bool)
		}
		if !l.ids[e.ID] {
			l.ids[e.ID] = true
			l.events = append(l.events, e)
		}
	}
	return nil
}

func (l *ledger) setAway(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.away = err
}

// of are the types of the events about a resource, in order.
func (l *ledger) of(resource string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var types []string
	for _, e := range l.events {
		if e.ResourceID == resource {
			types = append(types, e.EventType)
		}
	}
	return types
}

// work is a kind whose runs do what the test says.
func work(name string, run func(ctx context.Context, t *jobs.Turn) (any, error)) jobs.Kind {
	return jobs.Kind{Name: name, Run: run, AtOnce: 100, Check: func(with json.RawMessage) (string, error) {
		var o struct{ Tenant string }
		return o.Tenant, json.Unmarshal(with, &o)
	}}
}

// openQueue opens a queue that takes over from nobody: on a slow machine a
// process that lives can be silent for longer than tests want to wait.
func openQueue(t *testing.T, d database, cfg jobs.Config) *jobs.Queue {
	t.Helper()
	return openEager(t, d, cfg.Quick().Patient())
}

// openEager opens a queue that takes over soon, if cfg is Quick.
func openEager(t *testing.T, d database, cfg jobs.Config) *jobs.Queue {
	t.Helper()
	db, err := d.open()
	if err != nil {
		t.Fatal(err)
	}
	cfg.DB, cfg.Dialect = db, d.dialect
	if cfg.Record == nil {
		cfg.Record = new(ledger).Record
	}
	return openConfig(t, cfg)
}

func openConfig(t *testing.T, cfg jobs.Config) *jobs.Queue {
	t.Helper()
	q, err := jobs.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	})
	return q
}

// start has a queue work until the test ends, or stop is called.
func start(t *testing.T, q *jobs.Queue) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- q.Work(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("work: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// until waits for something that other goroutines bring about.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func runOf(t *testing.T, q *jobs.Queue, id string) *jobs.Run {
	t.Helper()
	r, err := q.Run(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func untilState(t *testing.T, q *jobs.Queue, id, state string) *jobs.Run {
	t.Helper()
	until(t, id+" is "+state, func() bool {
		r, err := q.Run(t.Context(), id)
		return err == nil && r.State == state
	})
	return runOf(t, q, id)
}

func daily(name string) jobs.Schedule {
	return jobs.Schedule{Name: name, When: "daily 02:00", Run: "work"}
}

// TestDays: what is planned runs once a day, whatever ends and begins again.
func TestDays(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		c := newClock(t, "2026-01-01T12:00:00Z")
		var mu sync.Mutex
		done := make(map[string]int)
		l := new(ledger)
		cfg := jobs.Config{Clock: c.Now, Record: l.Record, Kinds: jobs.Kinds{work("work", func(_ context.Context, turn *jobs.Turn) (any, error) {
			mu.Lock()
			defer mu.Unlock()
			done[turn.ID]++
			return map[string]int{"n": done[turn.ID]}, nil
		})}}
		q := openQueue(t, d, cfg)
		if err := q.Sync(t.Context(), []jobs.Schedule{daily("nightly")}); err != nil {
			t.Fatal(err)
		}
		for day := 2; day <= 4; day++ {
			stop := start(t, q)
			c.Set(at(t, fmt.Sprintf("2026-01-%02dT02:00:01Z", day)))
			r := untilState(t, q, fmt.Sprintf("nightly@2026-01-%02dT02:00:00Z", day), jobs.StateSucceeded)
			if r.Attempt != 1 || string(r.Result) != `{"n":1}` || r.Finished == nil {
				t.Errorf("run: %+v", r)
			}
			stop()
		}
		if len(done) != 3 {
			t.Errorf("%d runs", len(done))
		}
		if got := l.of("nightly"); !slices.Equal(got, []string{"schedule.created"}) {
			t.Errorf("events of the schedule: %v", got)
		}
		for id, n := range done {
			if got := l.of(id); n != 1 || !slices.Equal(got, []string{"job.started", "job.succeeded"}) {
				t.Errorf("%s: done %d times, events %v", id, n, got)
			}
		}
		states, err := q.Schedules(t.Context())
		if err != nil || len(states) != 1 || states[0].Last == nil || states[0].Last.ID != "nightly@2026-01-04T02:00:00Z" || !states[0].Next.Equal(at(t, "2026-01-05T02:00:00Z")) {
			t.Errorf("schedules: %+v, %v", states, err)
		}
	})
}

// TestTogether: several processes start together, on a database nobody has
// prepared, and share the work; each run is done once.
func TestTogether(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		const processes, schedules = 3, 40
		c := newClock(t, "2026-01-01T12:00:00Z")
		var mu sync.Mutex
		done, by := make(map[string]int), make(map[string]int)
		l := new(ledger)
		var queues [processes]*jobs.Queue
		var all sync.WaitGroup
		for i := range queues {
			all.Go(func() {
				db, err := d.open()
				if err != nil {
					t.Error(err)
					return
				}
				cfg := jobs.Config{DB: db, Dialect: d.dialect, Clock: c.Now, Record: l.Record, Worker: fmt.Sprint(i), Kinds: jobs.Kinds{work("work", func(_ context.Context, turn *jobs.Turn) (any, error) {
					mu.Lock()
					defer mu.Unlock()
					done[turn.ID]++
					by[turn.Worker]++
					return nil, nil
				})}}
				queues[i] = openConfig(t, cfg.Quick().Patient())
			})
		}
		all.Wait()
		if t.Failed() {
			return
		}
		var list []jobs.Schedule
		for i := range schedules {
			list = append(list, daily(fmt.Sprintf("s%d", i)))
		}
		for _, q := range queues {
			all.Go(func() {
				if err := q.Sync(t.Context(), list); err != nil {
					t.Error(err)
				}
				start(t, q)
			})
		}
		all.Wait()
		c.Advance(24 * time.Hour)
		until(t, "all is done", func() bool {
			finished, err := queues[0].Runs(t.Context(), jobs.Filter{State: jobs.StateSucceeded})
			return err == nil && len(finished) == schedules
		})
		mu.Lock()
		defer mu.Unlock()
		for id, n := range done {
			if n != 1 {
				t.Errorf("%s was done %d times", id, n)
			}
		}
		if len(done) != schedules {
			t.Errorf("%d runs of %d; by worker: %v", len(done), schedules, by)
		}
	})
}

// TestFailures: an error is tried again, up to a limit; a panic ends nothing
// but its run; what is final is not tried again.
func TestFailures(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		var n atomic.Int64
		l := new(ledger)
		q := openQueue(t, d, jobs.Config{Record: l.Record, Kinds: jobs.Kinds{
			work("flaky", func(context.Context, *jobs.Turn) (any, error) {
				if n.Add(1) < 3 {
					return nil, errors.New("not yet")
				}
				return nil, nil
			}),
			work("broken", func(context.Context, *jobs.Turn) (any, error) { panic("oh") }),
			work("final", func(context.Context, *jobs.Turn) (any, error) {
				return map[string]bool{"found": true}, jobs.Final(errors.New("tampered"))
			}),
		}})
		start(t, q)
		for _, name := range []string{"flaky", "broken", "final"} {
			if err := q.Put(t.Context(), jobs.Schedule{Name: name, When: "daily 02:00", Run: name}); err != nil {
				t.Fatal(err)
			}
			r, err := q.RunNow(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			until(t, name+" ends", func() bool { return runOf(t, q, r.ID).Finished != nil })
			switch r = runOf(t, q, r.ID); name {
			case "flaky":
				if r.State != jobs.StateSucceeded || r.Attempt != 3 || r.Error != "" {
					t.Errorf("%+v", r)
				}
				until(t, "its events", func() bool {
					return slices.Equal(l.of(r.ID), []string{"job.ordered", "job.started", "job.retrying", "job.started", "job.retrying", "job.started", "job.succeeded"})
				})
			case "broken":
				if r.State != jobs.StateFailed || r.Attempt != jobs.MaxAttempts || r.Error != "panic: oh" {
					t.Errorf("%+v", r)
				}
			case "final":
				if h, err := q.Health(t.Context()); err != nil || h.Failed != 2 || h.Kinds["final"].State != jobs.StateFailed {
					t.Errorf("health: %+v, %v", h, err)
				}
				if r.State != jobs.StateFailed || r.Attempt != 1 || r.Error != "tampered" || string(r.Result) != `{"found":true}` {
					t.Errorf("%+v", r)
				}
			}
		}
	})
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	for attempt, want := range map[int]time.Duration{1: 30 * time.Second, 2: time.Minute, 4: 4 * time.Minute, 50: time.Hour} {
		if got := jobs.Backoff(attempt); got != want {
			t.Errorf("after attempt %d: %s, want %s", attempt, got, want)
		}
	}
	var waited time.Duration
	for attempt := 1; attempt < jobs.MaxAttempts; attempt++ {
		waited += jobs.Backoff(attempt)
	}
	if waited <= time.Hour {
		t.Errorf("a run is given up after %s: what is away for an hour fails it", waited)
	}
}

// TestLocked: another process has the database locked for longer than anybody
// waits for a lock, while this one begins to work or after. What was due
// meanwhile is done afterwards, once.
func TestLocked(t *testing.T) {
	t.Parallel()
	for _, when := range []string{"beginning", "working"} {
		t.Run(when, func(t *testing.T) {
			t.Parallel()
			name := filepath.Join(t.TempDir(), "jobs.db")
			d := database{jobs.SQLite, func() (*sql.DB, error) { return sqlite.Open(name) }}
			c := newClock(t, "2026-01-01T12:00:00Z")
			var n atomic.Int64
			q := openQueue(t, d, jobs.Config{Clock: c.Now, Kinds: jobs.Kinds{work("work", func(context.Context, *jobs.Turn) (any, error) { n.Add(1); return nil, nil })}})
			if err := q.Put(t.Context(), daily("nightly")); err != nil {
				t.Fatal(err)
			}
			if when == "working" {
				start(t, q)
				r, err := q.RunNow(t.Context(), "nightly")
				if err != nil {
					t.Fatal(err)
				}
				untilState(t, q, r.ID, jobs.StateSucceeded)
				n.Store(0)
			}
			other, err := d.open()
			if err != nil {
				t.Fatal(err)
			}
			defer other.Close()
			tx, err := other.BeginTx(t.Context(), nil) // immediate: it locks
			if err != nil {
				t.Fatal(err)
			}
			if when == "beginning" {
				start(t, q)
			}
			c.Set(at(t, "2026-01-02T02:00:01Z"))
			<-time.After(sqlite.LockWait + 2*time.Second)
			if n.Load() != 0 {
				t.Error("done without a place to say so")
			}
			if err := tx.Rollback(); err != nil {
				t.Fatal(err)
			}
			untilState(t, q, "nightly@2026-01-02T02:00:00Z", jobs.StateSucceeded)
			if n.Load() != 1 {
				t.Errorf("done %d times", n.Load())
			}
		})
	}
}

// TestLedgerAway: what happened while the ledger did not answer is recorded
// when it does, in order and once.
func TestLedgerAway(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		l := new(ledger)
		l.setAway(errors.New("away"))
		q := openQueue(t, d, jobs.Config{Record: l.Record, Kinds: jobs.Kinds{work("work", func(context.Context, *jobs.Turn) (any, error) { return nil, nil })}})
		if err := q.Put(t.Context(), daily("nightly")); err != nil {
			t.Fatal(err)
		}
		r, err := q.RunNow(t.Context(), "nightly")
		if err != nil {
			t.Fatal(err)
		}
		start(t, q)
		untilState(t, q, r.ID, jobs.StateSucceeded)
		if got := l.of(r.ID); got != nil {
			t.Fatalf("recorded in a ledger that is away: %v", got)
		}
		l.setAway(nil)
		until(t, "its events", func() bool {
			return slices.Equal(l.of(r.ID), []string{"job.ordered", "job.started", "job.succeeded"})
		})
	})
}

// TestMissed: a schedule that did not run tells so, once.
func TestMissed(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		c, l := newClock(t, "2026-01-01T12:00:00Z"), new(ledger)
		cfg := jobs.Config{Clock: c.Now, Record: l.Record, Kinds: jobs.Kinds{work("work", func(context.Context, *jobs.Turn) (any, error) { return nil, nil })}}
		q := openQueue(t, d, cfg)
		skip := daily("skip")
		skip.Missed = jobs.MissedSkip
		paused := daily("paused")
		if err := q.Sync(t.Context(), []jobs.Schedule{daily("once"), skip, paused}); err != nil {
			t.Fatal(err)
		}
		if err := q.Pause(t.Context(), "paused", true); err != nil {
			t.Fatal(err)
		}
		c.Set(at(t, "2026-01-04T09:00:00Z"))
		stop := start(t, q)
		start(t, openQueue(t, d, cfg))
		untilState(t, q, "once@2026-01-04T02:00:00Z", jobs.StateSucceeded)
		until(t, "what was missed is told", func() bool {
			return slices.Equal(l.of("once"), []string{"schedule.created", "schedule.missed"}) && slices.Equal(l.of("skip"), []string{"schedule.created", "schedule.missed"})
		})
		if err := q.Pause(t.Context(), "paused", false); err != nil {
			t.Fatal(err)
		}
		stop()
		runs, err := q.Runs(t.Context(), jobs.Filter{})
		if err != nil || len(runs) != 1 {
			t.Errorf("%d runs, %v", len(runs), err)
		}
		h, err := q.Health(t.Context())
		if err != nil || h.Schedules != 3 || h.Missed != 2+3 || h.Failed != 0 || h.Overdue != 0 || h.Kinds["work"].State != jobs.StateSucceeded {
			t.Errorf("health: %+v, %v", h, err)
		}
		until(t, "the pause is told", func() bool {
			return slices.Equal(l.of("paused"), []string{"schedule.created", "schedule.paused", "schedule.resumed"})
		})
	})
}

// TestClock: a clock that leaps far ahead and back again stops no schedule, and
// does nothing twice.
func TestClock(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		c := newClock(t, "2026-01-01T12:00:00Z")
		var n atomic.Int64
		q := openQueue(t, d, jobs.Config{Clock: c.Now, Kinds: jobs.Kinds{work("work", func(context.Context, *jobs.Turn) (any, error) { n.Add(1); return nil, nil })}})
		if err := q.Sync(t.Context(), []jobs.Schedule{daily("nightly")}); err != nil {
			t.Fatal(err)
		}
		start(t, q)
		c.Set(at(t, "2026-01-02T02:00:01Z"))
		untilState(t, q, "nightly@2026-01-02T02:00:00Z", jobs.StateSucceeded)
		c.Set(at(t, "2030-01-01T00:00:00Z"))
		untilState(t, q, "nightly@2029-12-31T02:00:00Z", jobs.StateSucceeded)
		c.Set(at(t, "2026-01-02T01:59:00Z")) // before what has run
		until(t, "it is planned from now on", func() bool {
			s, err := q.Schedule(t.Context(), "nightly")
			return err == nil && s.Next != nil && s.Next.Equal(at(t, "2026-01-02T02:00:00Z"))
		})
		c.Set(at(t, "2026-01-02T03:00:00Z"))
		c.Set(at(t, "2026-01-03T02:00:01Z"))
		untilState(t, q, "nightly@2026-01-03T02:00:00Z", jobs.StateSucceeded)
		if n.Load() != 3 {
			t.Errorf("%d runs", n.Load())
		}
	})
}

// TestEdited: a run keeps what it began with while its schedule changes.
func TestEdited(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		begun, goOn := make(chan string, 2), make(chan struct{})
		q := openQueue(t, d, jobs.Config{Kinds: jobs.Kinds{work("work", func(_ context.Context, turn *jobs.Turn) (any, error) {
			begun <- string(turn.With)
			<-goOn
			return nil, nil
		})}})
		s := daily("nightly")
		s.With = []byte(`{"tenant":"a"}`)
		if err := q.Put(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		r, err := q.RunNow(t.Context(), "nightly")
		if err != nil {
			t.Fatal(err)
		}
		start(t, q)
		if got := <-begun; got != `{"tenant":"a"}` {
			t.Errorf("runs with %s", got)
		}
		s.With = []byte(`{"tenant":"b"}`)
		if err := q.Put(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		if err := q.Remove(t.Context(), "nightly"); err != nil {
			t.Fatal(err)
		}
		close(goOn)
		if r = untilState(t, q, r.ID, jobs.StateSucceeded); string(r.With) != `{"tenant":"a"}` {
			t.Errorf("run: %+v", r)
		}
	})
}

// TestRefusedSchedules: what is wrong is said before anything is kept.
func TestRefusedSchedules(t *testing.T) {
	t.Parallel()
	q := openQueue(t, database{jobs.SQLite, func() (*sql.DB, error) { return sqlite.Open(filepath.Join(t.TempDir(), "jobs.db")) }},
		jobs.Config{Kinds: jobs.Kinds{work("work", nil)}})
	for want, s := range map[string]jobs.Schedule{
		"a name has":              {Name: "a b", When: "daily 02:00", Run: "work"},
		"not a time":              {Name: "a", When: "sometimes", Run: "work"},
		"not a time zone":         {Name: "a", When: "daily 02:00", Zone: "Mars", Run: "work"},
		"neither once nor skip":   {Name: "a", When: "daily 02:00", Missed: "twice", Run: "work"},
		"not a kind of work":      {Name: "a", When: "daily 02:00", Run: "play"},
		"with: json":              {Name: "a", When: "daily 02:00", Run: "work", With: []byte(`{"tenant":1}`)},
		"with: more than 65536 b": {Name: "a", When: "daily 02:00", Run: "work", With: make([]byte, 1<<17)},
	} {
		if err := q.Put(t.Context(), s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want …%s…", s, err, want)
		}
	}
	if err := q.Sync(t.Context(), []jobs.Schedule{daily("nightly")}); err != nil {
		t.Fatal(err)
	}
	if err := q.Put(t.Context(), daily("nightly")); !errors.Is(err, jobs.ErrState) {
		t.Errorf("a schedule of the file is changed: %v", err)
	}
	if err := q.Remove(t.Context(), "nightly"); !errors.Is(err, jobs.ErrState) {
		t.Errorf("a schedule of the file is removed: %v", err)
	}
	if _, err := q.RunNow(t.Context(), "other"); !errors.Is(err, jobs.ErrNotFound) {
		t.Errorf("running nothing: %v", err)
	}
}
