// Package history is the log as those who look into it see it: events read,
// proved and opened. The search index follows it, and what the index finds is
// read through it.
package history

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"indelible"
	"indelible/internal/ledger"
	"indelible/internal/recorder"
	"indelible/internal/seal"
	"indelible/internal/search"
)

// Log is a published log and the keys to open it with, as far as there are any.
type Log struct {
	*ledger.Reader
	Sealer recorder.Sealer
}

// Found is an event at its place in the log.
type Found struct {
	*ledger.Entry
	Event *indelible.Event // nil if it was erased, or part of it, or has expired
}

// Content implements search.Found.
func (f *Found) Content() *indelible.Event { return f.Event }

var _ search.Source = (*Log)(nil)

// Size implements search.Source.
func (l *Log) Size(ctx context.Context) (uint64, error) {
	err := l.Refresh(ctx)
	return l.Checkpoint().Size, err
}

// Events implements search.Source.
func (l *Log) Events(ctx context.Context, first, end uint64) iter.Seq2[search.Row, error] {
	return func(yield func(search.Row, error) bool) {
		for e, err := range l.Since(ctx, first, func(leaf *indelible.Leaf) bool { return leaf.Kind.Recorded() }) {
			if err == nil && e.Index >= end {
				return
			}
			var event *indelible.Event
			if err == nil {
				event, err = l.open(e)
			}
			if err != nil {
				yield(search.Row{}, err)
				return
			}
			if event != nil && !yield(search.Row{Index: e.Index, Event: event}, nil) {
				return
			}
		}
	}
}

// Read yields the events at places of the log, proved to be there.
func (l *Log) Read(ctx context.Context, places []uint64) iter.Seq2[*Found, error] {
	return func(yield func(*Found, error) bool) {
		for e, err := range l.Pick(ctx, places) {
			f := &Found{Entry: e}
			if err == nil {
				f.Event, err = l.open(e)
			}
			if !yield(f, err) || err != nil {
				return
			}
		}
	}
}

// open opens an event. One that was erased or has expired is nil; one for which
// there is no key here is an error, or the index would pass it by for good.
func (l *Log) open(e *ledger.Entry) (*indelible.Event, error) {
	if e.Payload == nil {
		return nil, nil
	}
	opened, err := l.Sealer.Open(e.Payload)
	if err == nil && opened.Missing != nil && !errors.Is(opened.Missing, seal.ErrErased) {
		err = opened.Missing
	}
	if err != nil {
		return nil, fmt.Errorf("leaf %d: %w", e.Index, err)
	}
	return opened.Event, nil
}
