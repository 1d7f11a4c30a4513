package jobs_test

import (
	"context"
	"fmt"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"indelible/internal/jobs"
	"indelible/internal/jobs/sqlite"
)

// BenchmarkStart is how long after its time a run of a schedule begins, at the
// usual pace.
func BenchmarkStart(b *testing.B) {
	db, err := sqlite.Open(filepath.Join(b.TempDir(), "jobs.db"))
	if err != nil {
		b.Fatal(err)
	}
	begun := make(chan time.Duration, 1)
	q, err := jobs.Open(b.Context(), jobs.Config{DB: db, Kinds: jobs.Kinds{work("work", func(_ context.Context, t *jobs.Turn) (any, error) {
		begun <- time.Since(t.Planned)
		return nil, nil
	})}})
	if err != nil {
		b.Fatal(err)
	}
	defer q.Close()
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- q.Work(ctx) }()
	if err := q.Put(b.Context(), jobs.Schedule{Name: "often", When: "* * * * *", Run: "work"}); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		b.ReportMetric((<-begun).Seconds(), "s/delay")
	}
	cancel()
	<-ended
}

// BenchmarkInsert plans 10,000 schedules that are all due, and queues their runs.
func BenchmarkInsert(b *testing.B) {
	now := at(b, "2026-01-01T12:00:00Z")
	db, err := sqlite.Open(filepath.Join(b.TempDir(), "jobs.db"))
	if err != nil {
		b.Fatal(err)
	}
	q, err := jobs.Open(b.Context(), jobs.Config{DB: db, Clock: func() time.Time { return now }, Kinds: jobs.Kinds{work("work", nil)}})
	if err != nil {
		b.Fatal(err)
	}
	defer q.Close()
	var list []jobs.Schedule
	for i := range 10_000 {
		list = append(list, daily(fmt.Sprintf("s%d", i)))
	}
	if err := q.Sync(b.Context(), list); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		now = now.Add(24 * time.Hour)
		if err := q.PlanOnce(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkIdle is what a queue takes that has schedules and nothing to do.
func BenchmarkIdle(b *testing.B) {
	db, err := sqlite.Open(filepath.Join(b.TempDir(), "jobs.db"))
	if err != nil {
		b.Fatal(err)
	}
	q, err := jobs.Open(b.Context(), jobs.Config{DB: db, Kinds: jobs.Kinds{work("work", nil)}, Record: new(ledger).Record})
	if err != nil {
		b.Fatal(err)
	}
	defer q.Close()
	for i := range 10 {
		if err := q.Put(b.Context(), daily(fmt.Sprintf("s%d", i))); err != nil {
			b.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- q.Work(ctx) }()
	time.Sleep(2 * time.Second) // what it does when it begins
	for b.Loop() {
		before, began := processorTime(b), time.Now()
		time.Sleep(20 * time.Second)
		b.ReportMetric(100*(processorTime(b)-before).Seconds()/time.Since(began).Seconds(), "%core")
	}
	cancel()
	<-ended
}

func processorTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
