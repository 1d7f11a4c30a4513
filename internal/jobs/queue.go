package jobs

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/riverqueue/river"

	"indelible"
)

// Config is what a queue needs.
type Config struct {
	DB      *sql.DB // closed by Close
	Dialect Dialect
	Kinds   Kinds
	Clock   func() time.Time // of schedules; nil: time.Now
	Actor   string           // who changes things by this queue

	// For workers.
	Worker string // its name; empty: a random one
	AtOnce int    // runs at once in this process, of work that needs the data directory and of other work each; 0: 4
	Limits Limits
	// Away: the data directory is not here. Work that needs it is left to others.
	Away bool
	// Record records events in the ledger. Events come again until it has
	// returned nil once; they keep their ids. Nil: another process records them.
	Record func(ctx context.Context, events []*indelible.Event) error
	Log    *slog.Logger // nil: none
	Pace   Pace         // zero: the usual one; tests go quicker
}

// Limits are how many runs go on at once on all machines together.
type Limits struct {
	Kinds  map[string]int // in place of what the kind says
	Tenant int            // of one tenant; 0: no limit
}

// Pace is how quickly things go.
type Pace struct {
	Tick   time.Duration                   // a look for changes; planning, recording
	Beat   time.Duration                   // of a lease
	Expiry time.Duration                   // of a lease without a beat
	Look   time.Duration                   // for leases that expired
	Poll   time.Duration                   // River, for jobs it was not told of
	Later  time.Duration                   // that a run waits whose kind or tenant has its limit of runs
	Retry  func(attempt int) time.Duration // that a run waits after an attempt that failed
}

// usualPace takes over the run of a worker that died within 90 seconds.
var usualPace = Pace{
	Tick: time.Second, Beat: 10 * time.Second, Expiry: 60 * time.Second, Look: 5 * time.Second, Poll: 5 * time.Second, Later: 5 * time.Second, Retry: backoff,
}

// Queue is the database of schedules and runs. It is safe for concurrent use.
type Queue struct {
	Config
	db    *sql.DB
	river *river.Client[*sql.Tx]
	plans planCache
	wake  *waker
}

// Open opens a queue, and makes its tables what this program needs.
func Open(ctx context.Context, cfg Config) (*Queue, error) {
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.AtOnce <= 0 {
		cfg.AtOnce = 4
	}
	if cfg.Worker == "" {
		host, _ := os.Hostname()
		cfg.Worker = fmt.Sprintf("%s-%d-%s", host, os.Getpid(), rand.Text()[:6])
	}
	if cfg.Pace.Tick == 0 {
		cfg.Pace = usualPace
	}
	if err := cfg.Dialect.Migrate(ctx, cfg.DB); err != nil {
		return nil, err
	}
	q := &Queue{Config: cfg, db: cfg.DB, wake: newWaker()}
	var err error
	q.river, err = q.client(nil)
	return q, err
}

// As is the queue for somebody who changes things by it. It does not work.
func (q *Queue) As(actor string) *Queue {
	other := &Queue{Config: q.Config, db: q.db, river: q.river, wake: q.wake}
	other.Actor = actor
	return other
}

// Close closes the database.
func (q *Queue) Close() error { return q.db.Close() }

// now is the time to the millisecond, which is what the tables keep.
func (q *Queue) now() time.Time { return q.Clock().Truncate(time.Millisecond) }

// change runs f in a transaction in which nobody else changes anything.
func (q *Queue) change(ctx context.Context, f func(tx *sql.Tx) error) error {
	err := inTx(ctx, q.db, func(tx *sql.Tx) error {
		// What we tell others must outlive the database's power, whatever it is set to.
		if q.Dialect == PostgreSQL {
			if _, err := tx.ExecContext(ctx, `SET LOCAL synchronous_commit = on`); err != nil {
				return err
			}
		}
		if _, err := tx.ExecContext(ctx, `UPDATE indelible_gate SET turn = turn + 1`); err != nil {
			return err
		}
		return f(tx)
	})
	if err == nil {
		q.wake.changed()
	}
	return err
}

// replan has every process read the schedules again.
func replan(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, `UPDATE indelible_gate SET plan = plan + 1`)
	return err
}

// attemptArgs are the arguments of River's job: one attempt of a run.
type attemptArgs struct {
	Run string `json:"run"`
}

// Kind implements river.JobArgs.
func (attemptArgs) Kind() string { return "indelible_attempt" }

// localQueue has the runs that need the data directory.
const localQueue = "local"

// queueOf is the queue of River a kind of work goes to.
func (q *Queue) queueOf(kind string) string {
	if k, err := q.Kinds.find(kind); err == nil && k.Local {
		return localQueue
	}
	return river.QueueDefault
}

// enqueue has River call a worker for a run, after a while.
func (q *Queue) enqueue(ctx context.Context, tx *sql.Tx, id, kind string, after time.Duration) error {
	opts := &river.InsertOpts{Queue: q.queueOf(kind)}
	if after > 0 {
		opts.ScheduledAt = time.Now().Add(after)
	}
	job, err := q.river.InsertTx(ctx, tx, attemptArgs{id}, opts)
	if err != nil {
		return fmt.Errorf("queue run %s: %w", id, err)
	}
	_, err = tx.ExecContext(ctx, `UPDATE indelible_run SET river = $2 WHERE id = $1`, id, job.Job.ID)
	return err
}
