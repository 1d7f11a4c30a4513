package ledger

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"indelible"
	"indelible/internal/store"
)

// Decided returns what was decided up to the last commit. The log must have
// been replayed: see Ready.
func (l *Ledger) Decided() Decided {
	l.stateMu.RLock()
	defer l.stateMu.RUnlock()
	if l.state == nil {
		return Decided{}
	}
	return l.state.gov.decided()
}

// Tenants is how many tenants' rows there are, committed or not published yet.
func (l *Ledger) Tenants() int {
	l.stateMu.RLock()
	defer l.stateMu.RUnlock()
	if l.state == nil {
		return 0
	}
	return len(l.state.tenants)
}

// RemoveExpired deletes segments whose expired leaf is under the published
// checkpoint, up to limit of them, oldest first. It returns how many it deleted
// and how many it met that a lock still keeps. It can stop anywhere and be
// called again.
func (l *Ledger) RemoveExpired(ctx context.Context, limit int) (removed, locked int, err error) {
	published := l.told().Published
	var expired []Expiry
	for _, e := range l.Decided().Expired {
		if e.Index < published {
			expired = append(expired, e)
		}
	}
	g := &governance{expired: expired}
	if len(expired) == 0 {
		return 0, 0, nil
	}
	end := expired[len(expired)-1].Last
	for name, err := range l.cfg.Store.List(ctx, walPrefix, "") {
		if err != nil {
			return removed, locked, fmt.Errorf("list %s: %w", walPrefix, err)
		}
		seq, ok := numberOf(name, walPrefix)
		switch {
		case !ok || g.expiry(seq) == nil && seq <= end:
			continue
		case seq > end || removed == limit:
			return removed, locked, nil
		}
		switch err := l.cfg.Store.Remove(ctx, name); {
		case errors.Is(err, store.ErrDenied):
			locked++
		case err != nil:
			return removed, locked, fmt.Errorf("remove %s: %w", name, err)
		default:
			removed++
		}
	}
	return removed, locked, nil
}

// Old is a published segment that may be ripe to go.
type Old struct {
	*Segment
	Size int // bytes in the store
}

// Olds yields the published segments there are, oldest first, up to the first
// that was committed at or after a time (ms). What is no segment of this log is
// passed over. The newest is never among them: the log goes on from it.
func (r *Reader) Olds(ctx context.Context, before int64) iter.Seq2[Old, error] {
	return func(yield func(Old, error) bool) {
		s, err := r.decided(ctx)
		if err != nil {
			yield(Old{}, err)
			return
		}
		for name, err := range r.st.List(ctx, walPrefix, "") {
			if err != nil {
				yield(Old{}, fmt.Errorf("list %s: %w", walPrefix, err))
				return
			}
			seq, ok := numberOf(name, walPrefix)
			if !ok {
				continue
			}
			if seq >= s.lastSeq {
				return
			}
			old, ours, err := r.old(ctx, s, name, seq)
			if err != nil {
				yield(Old{}, err)
				return
			}
			if !ours {
				continue
			}
			if old.Time >= before || !yield(old, nil) {
				return
			}
		}
	}
}

func (r *Reader) old(ctx context.Context, s *state, name string, seq uint64) (old Old, ours bool, err error) {
	b, err := readAll(ctx, r.st, name, MaxSegment)
	if errors.Is(err, store.ErrNotExist) {
		return old, false, nil // removed since it was listed
	}
	if err != nil {
		return old, false, fmt.Errorf("read %s: %w", name, err)
	}
	seg, err := decodeSlot(b, seq)
	if err != nil || !s.mayWrite(seg) || seg.NewSize > s.edge.size {
		return old, false, nil
	}
	return Old{seg, len(b)}, true, nil
}

// Entries yields the leaves of a segment with their payloads.
func (s *Segment) Entries() iter.Seq2[indelible.Leaf, []byte] {
	return func(yield func(indelible.Leaf, []byte) bool) {
		var leaf indelible.Leaf
		for i := range s.Count() {
			if leaf.Decode(s.Leaf(i)) == nil && !yield(leaf, s.Payloads[i]) {
				return
			}
		}
	}
}

// TenantRefs are the references of all tenants as of the checkpoint; that of
// tenant number n stands at n−1.
func (r *Reader) TenantRefs(ctx context.Context) ([]indelible.Ref, error) {
	s, err := r.decided(ctx)
	if err != nil {
		return nil, err
	}
	refs := make([]indelible.Ref, len(s.tenants))
	var leaf indelible.Leaf
	for i, k := range s.tenants {
		if err := leaf.Decode(k.Leaf); err != nil {
			return nil, err
		}
		refs[i] = leaf.EventRef
	}
	return refs, nil
}
