package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"indelible"
	"indelible/internal/datadir"
	"indelible/internal/govern"
	"indelible/internal/handover"
	"indelible/internal/ledger"
	"indelible/internal/recorder"
)

// session is a ledger opened for writing by this process.
type session struct {
	dir      *datadir.Directory
	lock     *datadir.Lock
	ledger   *ledger.Ledger
	recorder *recorder.Recorder
	sealer   recorder.Sealer
	endKeys  func() error
	others   *handover.Server // takes events and orders from other processes
	decide   *govern.Executor
	rotating sync.Mutex // one rotation of the log key at a time
	waited   bool       // for the log to be replayed
}

// writeOptions are the flags of commands that write.
type writeOptions struct {
	takeOver     bool
	confirmClock bool
	publishEvery time.Duration // where a directory's configuration does not say
}

// lockWait is how long a command waits for another process to finish writing.
const lockWait = 10 * time.Second

// waitLock takes the writer's lock, waiting a while for a process that has it.
func waitLock(ctx context.Context, d *datadir.Directory) (*datadir.Lock, error) {
	wait, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	return datadir.WaitLock(wait, d.Path)
}

// openForWriting waits for the writer's lock and opens the ledger.
func (a *app) openForWriting(ctx context.Context, d *datadir.Directory, opt writeOptions) (*session, error) {
	lock, err := waitLock(ctx, d)
	if err != nil {
		return nil, err
	}
	return a.openLocked(ctx, d, lock, opt)
}

// openLocked opens the ledger under a lock, which it releases if it fails, and
// takes events from other processes from then on.
func (a *app) openLocked(ctx context.Context, d *datadir.Directory, lock *datadir.Lock, opt writeOptions) (*session, error) {
	err := d.DropExpiredKey()
	var cfg ledger.Config
	if err == nil {
		cfg, err = d.LedgerConfig()
	}
	var sealer recorder.Sealer
	var endKeys func() error
	if err == nil {
		sealer, endKeys, err = a.sealerFor(ctx, d, cfg.IDKey, false)
	}
	if err != nil {
		lock.Release()
		return nil, err
	}
	masked, err := eventMask(d, cfg.IDKey, sealer)
	if err != nil {
		return nil, errors.Join(err, endKeys(), lock.Release())
	}
	cfg.Sealer = sealer
	cfg.TakeOver, cfg.ConfirmClock = opt.takeOver, opt.confirmClock
	if cfg.PublishEvery == 0 {
		cfg.PublishEvery = opt.publishEvery
	}
	cfg.Log = slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	l, err := ledger.Open(cfg)
	if err != nil {
		return nil, errors.Join(err, endKeys(), lock.Release())
	}
	s := &session{dir: d, lock: lock, ledger: l, recorder: recorder.New(l, cfg, sealer), sealer: sealer, endKeys: endKeys}
	s.recorder.Mask(masked)
	s.decide = a.executor(s)
	if s.others, err = handover.Serve(d.Path, l, s.recorder, s.Order); err != nil {
		// Others then wait for the lock, as they do when nobody answers.
		cfg.Log.Warn("cannot take events from other processes", "err", err)
	}
	return s, nil
}

// storeWait is how long a command waits for a store that does not answer.
const storeWait = 10 * time.Second

// Record implements road. It waits at first for the log to be replayed, so
// that repeats are found before they are journalled.
func (s *session) Record(ctx context.Context, events []*indelible.Event, opt recorder.Options) (pending []*recorder.Pending, away, err error) {
	if !s.waited {
		s.waited = true
		wait, cancel := context.WithTimeout(ctx, storeWait)
		defer cancel()
		if err := s.ledger.Ready(wait); errors.Is(err, context.DeadlineExceeded) {
			away = cmp.Or(s.ledger.Status().StoreErr, err)
		} else if err != nil {
			return nil, nil, err
		} else if s.dir.Config.Retention != nil {
			if err := s.decide.RecordPolicy(wait); err != nil {
				return nil, nil, fmt.Errorf("record the retention policy: %w", err)
			}
		}
	}
	opt.AwaitStore = opt.AwaitStore && away == nil
	pending, err = s.recorder.Record(ctx, events, opt)
	return pending, away, err
}

// Flush implements road.
func (s *session) Flush(ctx context.Context) (away, err error) {
	return s.ledger.FlushWhileStoreAnswers(ctx, storeWait)
}

// settle brings everything that was recorded into the store and publishes it;
// a store that is away is an error here.
func (s *session) settle(ctx context.Context) error {
	away, err := s.Flush(ctx)
	if away != nil {
		return fmt.Errorf("the store does not answer: %w", away)
	}
	return err
}

// Close ends the session. What is not in the store stays in the journal.
func (s *session) Close() error {
	var err error
	if s.others != nil {
		err = s.others.Close(s.dir.Path)
	}
	return errors.Join(err, s.ledger.Close(), s.finishRotation(), s.endKeys(), s.lock.Release())
}

// publishGenesis publishes a log that was just made, so that it can be verified.
func (a *app) publishGenesis(ctx context.Context, d *datadir.Directory) error {
	s, err := a.openForWriting(ctx, d, writeOptions{})
	if err != nil {
		return err
	}
	return errors.Join(s.settle(ctx), s.Close())
}
