package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"indelible/internal/datadir"
	"indelible/internal/ledger"
	"indelible/internal/recorder"
)

// session is a ledger opened for writing by this process.
type session struct {
	dir      *datadir.Directory
	lock     *datadir.Lock
	ledger   *ledger.Ledger
	recorder *recorder.Recorder
}

// writeOptions are the flags of commands that write.
type writeOptions struct {
	takeOver     bool
	confirmClock bool
}

// lockWait is how long a command waits for another process to finish writing.
const lockWait = 10 * time.Second

// openForWriting takes the writer's lock and opens the ledger.
func (a *app) openForWriting(ctx context.Context, d *datadir.Directory, opt writeOptions) (*session, error) {
	wait, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	lock, err := datadir.WaitLock(wait, d.Path)
	if err != nil {
		return nil, err
	}
	cfg, err := d.LedgerConfig()
	if err != nil {
		lock.Release()
		return nil, err
	}
	cfg.Sealer = recorder.Plain
	cfg.TakeOver, cfg.ConfirmClock = opt.takeOver, opt.confirmClock
	cfg.Log = slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	l, err := ledger.Open(cfg)
	if err != nil {
		lock.Release()
		return nil, err
	}
	return &session{dir: d, lock: lock, ledger: l, recorder: recorder.New(l, cfg)}, nil
}

// storeWait is how long a command waits for a store that does not answer.
const storeWait = 10 * time.Second

// settle brings everything that was recorded into the store and publishes it,
// unless the store is away: what is in the journal is safe and goes on later.
func (s *session) settle(ctx context.Context) error {
	flushed := make(chan error, 1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { flushed <- s.ledger.Flush(ctx) }()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for begun := time.Now(); ; {
		select {
		case err := <-flushed:
			return err
		case <-tick.C:
			if st := s.ledger.Status(); st.StoreErr != nil && time.Since(maxTime(begun, st.StoreSince)) > storeWait {
				return fmt.Errorf("%w: %w", errStoreAway, st.StoreErr)
			}
		}
	}
}

// errStoreAway: the store did not answer for as long as we wait.
var errStoreAway = errors.New("the store does not answer")

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// close ends the session. What is not in the store stays in the journal.
func (s *session) close() error {
	return errors.Join(s.ledger.Close(), s.lock.Release())
}

// publishGenesis publishes a log that was just made, so that it can be verified.
func (a *app) publishGenesis(ctx context.Context, d *datadir.Directory) error {
	s, err := a.openForWriting(ctx, d, writeOptions{})
	if err != nil {
		return err
	}
	return errors.Join(s.settle(ctx), s.close())
}
