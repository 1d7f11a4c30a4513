package search

import (
	"context"
	"errors"
	"fmt"
	"iter"
)

// Source is the log, as an index follows it.
type Source interface {
	// Size is how many leaves there are now.
	Size(ctx context.Context) (uint64, error)
	// Events yields the events among leaves first to end−1 that can be opened,
	// by rising index.
	Events(ctx context.Context, first, end uint64) iter.Seq2[Row, error]
}

// ErrOther: the index is of another log, or of one that was put back to an
// earlier state. It has to be made again.
var ErrOther = errors.New("the index does not belong to this log")

// A transaction touches most pages of the indexes by value, so the more events
// share one the better.
const (
	batchRows   = 32768 // events taken in at once
	batchLeaves = 65536 // leaves, where few of them are events
)

// CatchUp brings an index up to the log and returns how far it then is.
func CatchUp(ctx context.Context, ix Index, src Source, progress func(done, total uint64)) (uint64, error) {
	size, err := src.Size(ctx)
	if err != nil {
		return 0, err
	}
	for {
		next, err := ix.Next(ctx)
		switch {
		case err != nil:
			return 0, err
		case next > size:
			return 0, fmt.Errorf("%w: it has seen %d leaves, the log has %d", ErrOther, next, size)
		case next == size:
			return size, nil
		}
		err = catchUp(ctx, ix, src, next, size, progress)
		if err != nil && !errors.Is(err, ErrMoved) {
			return 0, err
		}
	}
}

// batch is what is taken in at once.
type batch struct {
	first, next uint64
	rows        []Row
}

// catchUp reads and opens events while the ones before are taken in.
func catchUp(ctx context.Context, ix Index, src Source, first, size uint64, progress func(done, total uint64)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	batches := make(chan batch, 1)
	var readErr error
	go func() {
		defer close(batches)
		readErr = read(ctx, src, first, size, batches)
	}()
	for b := range batches {
		if err := ix.Add(ctx, b.first, b.rows, b.next); err != nil {
			cancel()
			for range batches { // until the reader has ended
			}
			return err
		}
		if progress != nil {
			progress(b.next-first, size-first)
		}
	}
	return readErr
}

func read(ctx context.Context, src Source, first, size uint64, to chan<- batch) error {
	b := batch{first: first}
	send := func(next uint64) error {
		b.next = next
		select {
		case to <- b:
			b = batch{first: next, rows: make([]Row, 0, len(b.rows))}
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for row, err := range src.Events(ctx, first, size) {
		if err != nil {
			return err
		}
		if len(b.rows) == batchRows || row.Index-b.first >= batchLeaves {
			if err := send(row.Index); err != nil {
				return err
			}
		}
		row.Event.Details = nil // is not searched, and can be large
		b.rows = append(b.rows, row)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return send(size)
}
