package ledger

import (
	"context"
	"errors"
	"fmt"

	"indelible"
	"indelible/internal/store"
)

// gone reports whether an error says that an object is not there.
func gone(err error) bool {
	var bad *TamperError
	return errors.As(err, &bad) && bad.gone
}

// decided is what was decided in the log up to the checkpoint.
func (r *Reader) decided(ctx context.Context) (*state, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.published == nil || r.published.edge.size != r.checkpoint.Size {
		s, err := loadPublished(ctx, r.st, r.checkpoint)
		if err != nil {
			return nil, err
		}
		r.published = s
	}
	return r.published, nil
}

// removed completes an entry whose segment is not there: under policy, and then
// payloads of the log's own leaves are repeated elsewhere; or missing is returned.
func (r *Reader) removed(ctx context.Context, e *Entry, missing error) error {
	if !gone(missing) {
		return missing
	}
	s, err := r.decided(ctx)
	if err != nil {
		return err
	}
	if e.Expired = s.gov.expiry(e.Leaf.Segment); e.Expired == nil {
		return missing
	}
	if !e.Leaf.Kind.Recorded() {
		e.Payload, err = readKept(ctx, r.st, e.Index, e.Leaf.Payload)
	}
	return err
}

// readKept reads the payload of a system or tenant leaf from the heads object
// that repeats it: the first one after it.
func readKept(ctx context.Context, st store.Store, index uint64, want indelible.Hash) ([]byte, error) {
	for name, err := range st.List(ctx, headsPrefix, headsName(index)) {
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", headsPrefix, err)
		}
		if _, ok := numberOf(name, headsPrefix); !ok {
			continue
		}
		b, err := readAll(ctx, st, name, maxHeads)
		if err != nil {
			return nil, missing(name, err)
		}
		h, err := decodeHeadsObject(b)
		if err != nil {
			return nil, damaged(name, err)
		}
		for _, k := range h.Leaves {
			if p, err := indelible.HashPayload(k.Payload); err == nil && k.Index == index && p == want {
				return k.Payload, nil
			}
		}
		return nil, tampered(name, "does not repeat the payload of leaf %d", index)
	}
	return nil, tampered(headsPrefix, "no heads object after leaf %d", index)
}

// Decided is what operators and policies decided in a log.
type Decided struct {
	Operators   []indelible.PublicKey
	Retention   *indelible.Retention // nil: none was recorded
	RetentionAt uint64               // index of its leaf
	Holds       []HeldScope          // that were not lifted, by index
	Expired     []Expiry             // by slot
}

// Decided returns what was decided up to the checkpoint.
func (r *Reader) Decided(ctx context.Context) (Decided, error) {
	s, err := r.decided(ctx)
	if err != nil {
		return Decided{}, err
	}
	return s.gov.decided(), nil
}
