package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"indelible"
	"indelible/internal/datadir"
	"indelible/internal/handover"
	"indelible/internal/recorder"
)

// road is how events get into the ledger: this process writes, or the process
// that holds the data directory does it for us. away says why the store is away.
type road interface {
	Record(ctx context.Context, events []*indelible.Event, opt recorder.Options) (pending []*recorder.Pending, away, err error)
	Flush(ctx context.Context) (away, err error)
	// Order has what a govern.Order says done.
	Order(ctx context.Context, order []byte) (result []byte, err error)
	Close() error
}

// findRoad takes the lock of the data directory, or reaches the process that
// has it; if neither works for a while the directory is somebody else's.
func (a *app) findRoad(ctx context.Context, d *datadir.Directory, opt writeOptions) (road, error) {
	for begun := time.Now(); ; {
		lock, err := a.tryLock(d)
		if err == nil {
			s, err := a.openLocked(ctx, d, lock, opt)
			if err != nil {
				return nil, err
			}
			return s, nil
		}
		if !errors.Is(err, datadir.ErrLocked) {
			return nil, err
		}
		if client, err := handover.Dial(ctx, d.Path); err == nil {
			return client, nil
		}
		if time.Since(begun) > lockWait {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// tryLock takes the lock of the data directory, unless this process is one that
// leaves it to others.
func (a *app) tryLock(d *datadir.Directory) (*datadir.Lock, error) {
	if a.handsOver {
		return nil, fmt.Errorf("no process records in %s: %w", d.Path, datadir.ErrLocked)
	}
	return datadir.TryLock(d.Path)
}
