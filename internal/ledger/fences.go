package ledger

import (
	"context"
	"fmt"

	"indelible"
)

// Fence is a fence leaf and its place in the log.
type Fence struct {
	Index uint64
	Time  int64 // commit time, ms
	indelible.Fence
}

// A Fencer is a Sealer whose keys the log destroys. It opens nothing until it
// has applied all fences of the log: a copy of its keys from an earlier day does
// not know what was destroyed since.
type Fencer interface {
	// FencedTo is the size of the tree whose fences were applied.
	FencedTo() uint64
	// ApplyFences applies fences, in the order of the log; then those of the tree
	// of this size were applied. A fence may come twice.
	ApplyFences(ctx context.Context, size uint64, fences []Fence) error
}

// fencesOf are the fences in a segment, from index first on.
func (s *Segment) fencesOf(first uint64) (fences []Fence, err error) {
	var leaf indelible.Leaf
	for i := range s.Count() {
		index := s.OldSize + uint64(i)
		if index < first || leafKind(s.Leaf(i)) != indelible.KindFence {
			continue
		}
		if err := leaf.Decode(s.Leaf(i)); err != nil {
			return nil, err
		}
		f := Fence{Index: index, Time: leaf.Time}
		if err := systemContent(s.Payloads[i], &f.Fence); err != nil {
			return nil, fmt.Errorf("fence at %d: %w", index, err)
		}
		fences = append(fences, f)
	}
	return fences, nil
}

// leafKind reads the kind out of an encoded leaf.
func leafKind(encoded []byte) indelible.Kind {
	return indelible.Kind(uint16(encoded[6])<<8 | uint16(encoded[7]))
}

// Fences reads the fences from index first on, as of the checkpoint.
func (r *Reader) Fences(ctx context.Context, first uint64) (fences []Fence, err error) {
	err = r.leaves(ctx, first, func(index uint64, _ []byte, leaf *indelible.Leaf) error {
		if leaf.Kind != indelible.KindFence {
			return nil
		}
		payload, err := r.payload(ctx, leaf, index)
		if gone(err) { // its segment expired
			payload, err = readKept(ctx, r.st, index, leaf.Payload)
		}
		if err != nil {
			return err
		}
		f := Fence{Index: index, Time: leaf.Time}
		if err := systemContent(payload, &f.Fence); err != nil {
			return fmt.Errorf("fence at %d: %w", index, err)
		}
		fences = append(fences, f)
		return nil
	})
	return fences, err
}

// applyFences applies the fences of the log at start: of what is published, and
// of what was replayed after it.
func (l *Ledger) applyFences(ctx context.Context, s *state, c *Checkpoint, replayed []Fence) error {
	f, ok := l.cfg.Sealer.(Fencer)
	if !ok {
		return nil
	}
	var fences []Fence
	if from := f.FencedTo(); c != nil && from < c.Size {
		r := &Reader{st: l.cfg.Store, checkpoint: c, segments: l.reader}
		var err error
		if fences, err = r.Fences(ctx, from); err != nil {
			return fmt.Errorf("read the log's fences: %w", err)
		}
	}
	return f.ApplyFences(ctx, s.edge.size, append(fences, replayed...))
}

// fence applies the fences of a segment that was just committed.
func (l *Ledger) fence(seg *Segment) error {
	f, ok := l.cfg.Sealer.(Fencer)
	if !ok || seg == nil {
		return nil
	}
	fences, err := seg.fencesOf(0)
	if err != nil {
		return err
	}
	return f.ApplyFences(context.Background(), seg.NewSize, fences)
}
