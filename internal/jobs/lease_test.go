package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"indelible/internal/jobs"
)

// TestTakeOver: a worker that stops renewing its lease is replaced, and when it
// comes back it can commit nothing.
func TestTakeOver(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		l := new(ledger)
		slow, back := make(chan *jobs.Turn, 1), make(chan error, 1)
		wake := make(chan struct{})
		q1 := openFrozen(t, d, jobs.Config{AtOnce: 1, Worker: "slow", Record: l.Record, Kinds: jobs.Kinds{work("work", func(ctx context.Context, turn *jobs.Turn) (any, error) {
			slow <- turn
			<-wake
			back <- turn.Hold(context.WithoutCancel(ctx))
			return "slow", nil
		})}})
		if err := q1.Put(t.Context(), daily("nightly")); err != nil {
			t.Fatal(err)
		}
		r, err := q1.RunNow(t.Context(), "nightly")
		if err != nil {
			t.Fatal(err)
		}
		start(t, q1)
		<-slow
		q2 := openEager(t, d, jobs.Config{Worker: "fresh", Record: l.Record, Kinds: jobs.Kinds{work("work", func(ctx context.Context, turn *jobs.Turn) (any, error) {
			return "fresh", turn.Hold(ctx)
		})}}.Quick())
		start(t, q2)
		r = untilState(t, q2, r.ID, jobs.StateSucceeded)
		if r.Worker != "fresh" || string(r.Result) != `"fresh"` || r.Attempt != 2 {
			t.Errorf("run: %+v", r)
		}
		close(wake)
		if err := <-back; !errors.Is(err, jobs.ErrLost) {
			t.Errorf("the slow worker holds: %v", err)
		}
		until(t, "its events", func() bool {
			return slices.Equal(l.of(r.ID), []string{"job.ordered", "job.started", "job.taken_over", "job.started", "job.succeeded"})
		})
		if r = runOf(t, q2, r.ID); string(r.Result) != `"fresh"` {
			t.Errorf("the slow worker's result counts: %+v", r)
		}
	})
}

// TestDiesAlways: a run that takes each of its workers with it ends as failed.
func TestDiesAlways(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		hang := make(chan struct{})
		defer close(hang)
		dead := openFrozen(t, d, jobs.Config{AtOnce: 10, Kinds: jobs.Kinds{work("work", func(context.Context, *jobs.Turn) (any, error) {
			<-hang
			return nil, nil
		})}})
		if err := dead.Put(t.Context(), daily("nightly")); err != nil {
			t.Fatal(err)
		}
		r, err := dead.RunNow(t.Context(), "nightly")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- dead.Work(ctx) }()
		r = untilState(t, dead, r.ID, jobs.StateFailed)
		if r.Attempt != jobs.MaxAttempts || r.Error == "" {
			t.Errorf("run: %+v", r)
		}
		hang <- struct{}{}
		for range 4 {
			hang <- struct{}{}
		}
		cancel()
		<-ended
	})
}

// TestFetchedAndForgotten: River gave a run to a worker that died before it
// took the lease.
func TestFetchedAndForgotten(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		q := openEager(t, d, jobs.Config{Kinds: jobs.Kinds{work("work", func(context.Context, *jobs.Turn) (any, error) { return nil, nil })}}.Quick())
		if err := q.Put(t.Context(), daily("nightly")); err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, sql := range []string{`UPDATE river_job SET state = 'running', attempted_at = CURRENT_TIMESTAMP`, `DELETE FROM river_job`} {
			r, err := q.RunNow(t.Context(), "nightly")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := q.DB.ExecContext(t.Context(), sql); err != nil {
				t.Fatal(err)
			}
			ids = append(ids, r.ID)
			time.Sleep(2 * time.Millisecond) // runs by hand are told apart by their moment
		}
		start(t, q)
		for _, id := range ids {
			untilState(t, q, id, jobs.StateSucceeded)
		}
	})
}

// TestEnding: a worker that ends gives its run back, and another goes on at once.
func TestEnding(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		begun := make(chan struct{}, 1)
		var ended atomic.Bool
		kinds := jobs.Kinds{work("work", func(ctx context.Context, turn *jobs.Turn) (any, error) {
			if turn.Worker == "second" {
				return nil, nil
			}
			begun <- struct{}{}
			<-ctx.Done()
			ended.Store(true)
			return nil, ctx.Err()
		})}
		q1 := openQueue(t, d, jobs.Config{Worker: "first", Kinds: kinds})
		if err := q1.Put(t.Context(), daily("nightly")); err != nil {
			t.Fatal(err)
		}
		r, err := q1.RunNow(t.Context(), "nightly")
		if err != nil {
			t.Fatal(err)
		}
		stop := start(t, q1)
		<-begun
		stop()
		if r = runOf(t, q1, r.ID); r.State != jobs.StateWaiting || r.Attempt != 0 || !ended.Load() {
			t.Errorf("given back: %+v", r)
		}
		q2 := openQueue(t, d, jobs.Config{Worker: "second", Kinds: kinds})
		start(t, q2)
		if r = untilState(t, q2, r.ID, jobs.StateSucceeded); r.Attempt != 1 {
			t.Errorf("run: %+v", r)
		}
	})
}

// TestCancel cancels a run that waits and one that goes on; both can be done again.
func TestCancel(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		l := new(ledger)
		begun := make(chan struct{}, 10)
		var hang atomic.Bool
		hang.Store(true)
		q := openQueue(t, d, jobs.Config{Record: l.Record, Kinds: jobs.Kinds{work("work", func(ctx context.Context, turn *jobs.Turn) (any, error) {
			turn.Progress(3, 10)
			begun <- struct{}{}
			if !hang.Load() {
				return nil, nil
			}
			<-ctx.Done()
			return nil, ctx.Err()
		})}})
		if err := q.Put(t.Context(), daily("nightly")); err != nil {
			t.Fatal(err)
		}
		r, err := q.RunNow(t.Context(), "nightly")
		if err != nil {
			t.Fatal(err)
		}
		if r, err = q.Cancel(t.Context(), r.ID); err != nil || r.State != jobs.StateCancelled {
			t.Errorf("cancelled: %+v, %v", r, err)
		}
		if _, err = q.Cancel(t.Context(), r.ID); !errors.Is(err, jobs.ErrState) {
			t.Errorf("cancelled twice: %v", err)
		}
		start(t, q)
		if _, err := q.Retry(t.Context(), r.ID); err != nil {
			t.Fatal(err)
		}
		<-begun
		until(t, "it tells how far it is", func() bool { r := runOf(t, q, r.ID); return r.Done == 3 && r.Total == 10 })
		if _, err := q.Retry(t.Context(), r.ID); !errors.Is(err, jobs.ErrState) {
			t.Errorf("done again while it goes on: %v", err)
		}
		if _, err := q.Cancel(t.Context(), r.ID); err != nil {
			t.Fatal(err)
		}
		untilState(t, q, r.ID, jobs.StateCancelled)
		hang.Store(false)
		if _, err := q.Retry(t.Context(), r.ID); err != nil {
			t.Fatal(err)
		}
		untilState(t, q, r.ID, jobs.StateSucceeded)
		if _, err := q.Cancel(t.Context(), "nobody@never"); !errors.Is(err, jobs.ErrNotFound) {
			t.Errorf("cancelling nothing: %v", err)
		}
		until(t, "its events", func() bool {
			return slices.Equal(l.of(r.ID), []string{"job.ordered", "job.cancelled", "job.retry", "job.started", "job.cancel", "job.cancelled", "job.retry", "job.started", "job.succeeded"})
		})
	})
}

// TestLimits: no more runs of a kind or a tenant go on at once than may.
func TestLimits(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		var kind, tenant, most, mostOfTenant atomic.Int64
		up := func(n, most *atomic.Int64) {
			for v := n.Add(1); ; {
				if m := most.Load(); v <= m || most.CompareAndSwap(m, v) {
					return
				}
			}
		}
		cfg := jobs.Config{AtOnce: 8, Limits: jobs.Limits{Kinds: map[string]int{"work": 3}, Tenant: 1}, Kinds: jobs.Kinds{work("work", func(ctx context.Context, turn *jobs.Turn) (any, error) {
			up(&kind, &most)
			defer kind.Add(-1)
			if turn.Tenant == "acme" {
				up(&tenant, &mostOfTenant)
				defer tenant.Add(-1)
			}
			time.Sleep(3 * time.Millisecond) // long enough for others to come in between
			return nil, nil
		})}}
		q := openQueue(t, d, cfg)
		for i := range 12 {
			s := daily(fmt.Sprintf("s%d", i))
			s.With = []byte(`{}`)
			if i%2 == 0 {
				s.With = []byte(`{"tenant":"acme"}`)
			}
			if err := q.Put(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			if _, err := q.RunNow(t.Context(), s.Name); err != nil {
				t.Fatal(err)
			}
		}
		start(t, q)
		start(t, openQueue(t, d, cfg))
		until(t, "all is done", func() bool {
			done, err := q.Runs(t.Context(), jobs.Filter{State: jobs.StateSucceeded})
			return err == nil && len(done) == 12
		})
		if most.Load() > 3 || mostOfTenant.Load() > 1 {
			t.Errorf("%d at once, %d of one tenant", most.Load(), mostOfTenant.Load())
		}
	})
}

func openFrozen(t *testing.T, d database, cfg jobs.Config) *jobs.Queue {
	t.Helper()
	return openEager(t, d, cfg.Quick().Frozen())
}
