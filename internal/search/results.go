package search

import (
	"context"
	"iter"

	"indelible"
)

// Found is an event that was found and read from the log.
type Found interface {
	// Content is the event; nil if it can no longer be opened.
	Content() *indelible.Event
}

// Results yields the events a query asks for: their places from the index, what
// is there from the log by open, and of that what really matches. It goes on
// after those the index was wrong about, until q.Limit events were yielded.
func Results[T Found](ctx context.Context, ix Index, q Query, open func(ctx context.Context, places []uint64) iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		if err := q.Check(); err != nil {
			yield(none, err)
			return
		}
		for left := q.Limit; left > 0; {
			q.Limit = min(left, MaxLimit)
			places, err := ix.Find(ctx, &q)
			if err != nil {
				yield(none, err)
				return
			}
			for found, err := range open(ctx, places) {
				if err != nil {
					yield(none, err)
					return
				}
				if e := found.Content(); e == nil || !q.Matches(e) {
					continue
				}
				if !yield(found, nil) {
					return
				}
				left--
			}
			if len(places) < q.Limit {
				return
			}
			if last := places[len(places)-1]; q.LogOrder {
				q.From = last + 1
			} else {
				q.End = last
			}
		}
	}
}
