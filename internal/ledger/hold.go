package ledger

import (
	"context"
	"errors"
	"fmt"

	"indelible"
	"indelible/internal/store"
)

// ErrNoHolds: the store keeps nothing from who may delete in it: a directory, or
// a bucket without locks.
var ErrNoHolds = errors.New("the store knows no holds")

// HoldSegments sets the legal hold of segments in the store, or takes it off. It
// returns how many it reached; those that are gone are passed over.
func (l *Ledger) HoldSegments(ctx context.Context, seqs []uint64, on bool) (n int, err error) {
	h, ok := l.cfg.Store.(store.Holder)
	if !ok || l.cfg.Retention == 0 {
		return 0, ErrNoHolds
	}
	for _, seq := range seqs {
		switch err := h.Hold(ctx, segmentName(seq), on); {
		case errors.Is(err, store.ErrNotExist):
		case err != nil:
			return n, fmt.Errorf("hold %s in the store: %w", segmentName(seq), err)
		default:
			n++
		}
	}
	return n, nil
}

// SegmentsWith lists the segments with a recorded event that match accepts, of
// the leaves from index first on.
func (r *Reader) SegmentsWith(ctx context.Context, first uint64, match func(*indelible.Leaf) bool) (seqs []uint64, err error) {
	err = r.leaves(ctx, first, func(_ uint64, _ []byte, leaf *indelible.Leaf) error {
		if n := len(seqs); leaf.Kind.Recorded() && (n == 0 || seqs[n-1] != leaf.Segment) && match(leaf) {
			seqs = append(seqs, leaf.Segment)
		}
		return nil
	})
	return seqs, err
}
