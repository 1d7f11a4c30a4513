package govern

import (
	"context"
	"errors"
	"slices"

	"indelible"
	"indelible/internal/ledger"
)

// Segments are those of a published log, for holding them in the store.
type Segments interface {
	// With lists the segments with an event that match accepts, of the leaves from
	// index first on, and the size of the tree that was searched. tenants are
	// references by number − 1.
	With(ctx context.Context, first uint64, match func(leaf *indelible.Leaf, tenants []indelible.Ref) bool) (seqs []uint64, size uint64, err error)
}

// covers reports whether a hold covers a leaf. One on a person covers the
// tenant's: a leaf does not show whose it is.
func covers(h *indelible.HoldScope, leaf *indelible.Leaf, tenants []indelible.Ref) bool {
	switch no := leaf.TenantNo; {
	case h.From != nil && leaf.Time < *h.From, h.Until != nil && leaf.Time >= *h.Until:
		return false
	case h.Tenant == nil:
		return true
	default:
		return no > 0 && no <= uint64(len(tenants)) && tenants[no-1] == *h.Tenant
	}
}

// holdInStore sets the store's legal hold on all segments that holds cover and
// that were not looked at before: of a new hold all, of others what was
// committed since. It returns how many it set; −1 where the store knows no holds.
func (x *Executor) holdInStore(ctx context.Context) (n int, err error) {
	words, err := ReadHoldWords(x.Dir)
	if err != nil {
		return 0, err
	}
	for _, h := range x.Log.Decided().Holds {
		at := slices.IndexFunc(words, func(w HoldWords) bool { return w.ID == h.ID })
		first := uint64(0)
		if at >= 0 {
			first = words[at].Applied
		}
		seqs, size, err := x.Segments.With(ctx, first, func(leaf *indelible.Leaf, tenants []indelible.Ref) bool {
			return covers(&h.HoldScope, leaf, tenants)
		})
		if err != nil {
			return n, err
		}
		k, err := x.Log.HoldSegments(ctx, seqs, true)
		n += k
		if errors.Is(err, ledger.ErrNoHolds) {
			return -1, nil
		}
		if err != nil {
			return n, err
		}
		if at >= 0 && size > first {
			words[at].Applied = size
			if err := writeHoldWords(x.Dir, words); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// releaseInStore takes the store's legal hold off what a hold covered that was
// lifted, and no other covers.
func (x *Executor) releaseInStore(ctx context.Context, lifted *indelible.HoldScope) error {
	holds := x.Log.Decided().Holds
	seqs, _, err := x.Segments.With(ctx, 0, func(leaf *indelible.Leaf, tenants []indelible.Ref) bool {
		return covers(lifted, leaf, tenants)
	})
	if err != nil {
		return err
	}
	kept, _, err := x.Segments.With(ctx, 0, func(leaf *indelible.Leaf, tenants []indelible.Ref) bool {
		return slices.ContainsFunc(holds, func(h ledger.HeldScope) bool { return covers(&h.HoldScope, leaf, tenants) })
	})
	if err != nil {
		return err
	}
	seqs = slices.DeleteFunc(seqs, func(seq uint64) bool {
		_, still := slices.BinarySearch(kept, seq)
		return still
	})
	if _, err = x.Log.HoldSegments(ctx, seqs, false); errors.Is(err, ledger.ErrNoHolds) {
		return nil
	}
	return err
}
