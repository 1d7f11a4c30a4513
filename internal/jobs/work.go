package jobs

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/riverqueue/river"
)

// errEnding: this process ends. Its runs are given back.
var errEnding = errors.New("the worker is ending")

// client makes River's client; without workers it only inserts.
func (q *Queue) client(workers *river.Workers) (*river.Client[*sql.Tx], error) {
	cfg := &river.Config{
		JobTimeout: -1, // runs take hours; who died shows by the lease
		Logger:     slog.New(&sparing{Handler: q.Log.Handler()}), FetchPollInterval: q.Pace.Poll, FetchCooldown: min(q.Pace.Poll, river.FetchCooldownDefault),
	}
	if workers != nil {
		cfg.Workers = workers
		cfg.Queues = make(map[string]river.QueueConfig)
		for _, name := range q.queues() {
			cfg.Queues[name] = river.QueueConfig{MaxWorkers: q.AtOnce}
		}
	}
	return river.NewClient(&wakingDriver{q.Dialect.driver(q.db), q.wake, q.queues()}, cfg)
}

// Work plans, works and records until ctx ends. Runs that go on then are given
// back to other workers.
func (q *Queue) Work(ctx context.Context) error {
	workers := river.NewWorkers()
	if err := river.AddWorkerSafely(workers, &worker{q: q, ending: ctx}); err != nil {
		return err
	}
	client, err := q.started(ctx, workers)
	if err != nil || client == nil {
		return err
	}
	var all sync.WaitGroup
	all.Go(func() { q.every(ctx, q.nextPlan, "plan", q.plan) })
	if q.Record != nil {
		all.Go(func() { q.every(ctx, usually(q.Pace.Tick), "record", q.drainNew) })
	}
	rescuer := &rescuer{q: q, seen: make(map[string]sighting)}
	all.Go(func() { q.every(ctx, usually(q.Pace.Look), "look for runs whose worker died", rescuer.look) })
	all.Go(func() { q.every(ctx, usually(time.Hour), "delete runs of long ago", q.prune) })
	<-ctx.Done()
	all.Wait()
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	err = client.StopAndCancel(within)
	if q.Record != nil {
		err = errors.Join(err, q.drain(within))
	}
	return err
}

// started starts River, when the database answers; nil if ctx ends before.
// River ends when it is told to, after what it runs has been given back.
func (q *Queue) started(ctx context.Context, workers *river.Workers) (*river.Client[*sql.Tx], error) {
	for told := false; ; told = true {
		client, err := q.client(workers)
		if err != nil {
			return nil, err
		}
		if err = client.Start(context.WithoutCancel(ctx)); err == nil {
			return client, nil
		}
		if !told {
			q.Log.Error("start workers", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil, nil
		case <-time.After(q.Pace.Tick):
		}
	}
}

func usually(pause time.Duration) func() time.Duration {
	return func() time.Duration { return pause }
}

// every does something now and then. What fails is tried again.
func (q *Queue) every(ctx context.Context, pause func() time.Duration, what string, do func(context.Context) error) {
	failed := ""
	for {
		err := do(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && err.Error() != failed: // once, not every second
			failed = err.Error()
			q.Log.Error(what, "err", err)
		case err == nil:
			failed = ""
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause()):
		}
	}
}

// worker is what River calls for one attempt.
type worker struct {
	river.WorkerDefaults[attemptArgs]
	q      *Queue
	ending context.Context
}

// Work implements river.Worker. What came of a run stands in its row; to River
// an attempt always succeeds, but for a database that does not answer.
func (w *worker) Work(ctx context.Context, job *river.Job[attemptArgs]) error {
	t, err := w.q.begin(ctx, job.Args.Run, job.ID)
	switch {
	case errors.Is(err, errLater):
		return river.JobSnooze(w.q.Pace.Later)
	case err != nil || t == nil:
		return err
	}
	w.q.Log.Info("run begins", "run", t.ID, "attempt", t.Attempt)
	running, give := context.WithCancelCause(ctx)
	stop := context.AfterFunc(w.ending, func() { give(errEnding) })
	var keeper sync.WaitGroup
	keeper.Go(func() { t.keep(running, give) })
	result, failed := t.run(running)
	stop()
	// What ended the work from outside is why it failed.
	if cause := context.Cause(running); cause != nil && failed != nil {
		failed = cause
		if cause == context.Cause(ctx) { // River stops runs when this process ends, and may be the first to say so
			failed = errEnding
		}
	}
	give(nil)
	keeper.Wait()
	return w.finish(ctx, t, result, failed)
}

// run does the work. A panic is an error of this run alone.
func (t *Turn) run(ctx context.Context) (result any, err error) {
	kind, err := t.q.Kinds.find(t.Kind)
	if err != nil {
		return nil, Final(err)
	}
	if _, err := kind.Check(t.With); err != nil {
		return nil, Final(fmt.Errorf("with: %w", err))
	}
	defer func() {
		if p := recover(); p != nil {
			t.q.Log.Error("a run panicked", "run", t.ID, "panic", p, "stack", string(debug.Stack()))
			result, err = nil, fmt.Errorf("panic: %v", p)
		}
	}()
	return kind.Run(ctx, t)
}

// finish notes what came of an attempt. A database that does not answer is
// tried for as long as the lease lasts; after that another worker begins.
func (w *worker) finish(ctx context.Context, t *Turn, result any, failed error) error {
	if errors.Is(failed, ErrLost) {
		w.q.Log.Warn("run lost to another worker; nothing was committed", "run", t.ID)
		return nil
	}
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.q.Pace.Expiry)
	defer cancel()
	for {
		err := t.end(within, result, failed)
		if err == nil || errors.Is(err, ErrLost) || within.Err() != nil {
			state, _ := t.outcome(failed)
			w.q.Log.Info("run ended", "run", t.ID, "state", state, "err", errors.Join(failed, err))
			return nil
		}
		select {
		case <-within.Done():
		case <-time.After(w.q.Pace.Tick):
		}
	}
}
