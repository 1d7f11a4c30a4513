package ledger

import (
	"bytes"
	"context"
	"fmt"
	"sort"
	"sync"

	"filippo.io/torchwood"

	"indelible"
	"indelible/internal/store"
)

// segmentRange says which leaves a segment holds.
type segmentRange struct {
	first, end uint64
	seq        uint64
}

// segmentCache keeps the segments read last: who compares a repeated import
// with what is there reads the same few again and again.
type segmentCache struct {
	st   store.Store
	mu   sync.Mutex
	segs []*Segment // most recently used first
}

const cachedSegments = 3

func newSegmentCache(st store.Store) *segmentCache { return &segmentCache{st: st} }

// get returns the segment in slot seq that holds a leaf with its payload. The
// bytes of the leaf, where they are known, decide whether it is the true one.
func (c *segmentCache) get(ctx context.Context, seq, index uint64, leaf []byte) (*Segment, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, seg := range c.segs {
		if seg.Seq == seq && seg.holds(index, leaf) == nil {
			copy(c.segs[1:i+1], c.segs[:i])
			c.segs[0] = seg
			return seg, nil
		}
	}
	seg, err := beneath(c.st, func(st store.Store) (*Segment, error) {
		seg, err := readSegment(ctx, st, seq)
		if err == nil {
			err = seg.holds(index, leaf)
		}
		return seg, err
	})
	if err != nil {
		return nil, err
	}
	c.segs = append([]*Segment{seg}, c.segs[:min(len(c.segs), cachedSegments-1)]...)
	return seg, nil
}

// holds checks that leaf number index is in the segment, with its payload.
func (s *Segment) holds(index uint64, leaf []byte) error {
	if index < s.OldSize || index >= s.NewSize {
		return tampered(segmentName(s.Seq), "does not hold leaf %d", index)
	}
	i := int(index - s.OldSize)
	var l indelible.Leaf
	if err := l.Decode(s.Leaf(i)); err != nil {
		return damaged(segmentName(s.Seq), err)
	}
	if leaf != nil && !bytes.Equal(leaf, s.Leaf(i)) {
		return tampered(segmentName(s.Seq), "leaf %d is not the one in the tree", index)
	}
	if h, err := indelible.HashPayload(s.Payloads[i]); err != nil || h != l.Payload {
		return tampered(segmentName(s.Seq), "payload of leaf %d does not match its leaf", index)
	}
	return nil
}

// readSegment reads and decodes a whole segment.
func readSegment(ctx context.Context, st store.Store, seq uint64) (*Segment, error) {
	name := segmentName(seq)
	b, err := readAll(ctx, st, name, MaxSegment)
	if err != nil {
		return nil, missing(name, err)
	}
	seg, err := decodeSlot(b, seq)
	if err != nil {
		return nil, damaged(name, err)
	}
	return seg, nil
}

// attempts calls a function that asks the store, once or until it answers.
type attempts func(ctx context.Context, f func() error) error

func once(_ context.Context, f func() error) error { return f() }

// earlier returns leaf and payload number index, from the transaction, the
// segments committed by this process, or the published tree. The payload is nil
// if it expired under policy. try says how
// often the store is asked: the committer waits for it, a caller does not.
func (l *Ledger) earlier(ctx context.Context, t *txn, index uint64, try attempts) (leaf, payload []byte, err error) {
	if t != nil && index >= l.state.edge.size {
		i := int(index - l.state.edge.size)
		return t.leaves[i*indelible.LeafSize : (i+1)*indelible.LeafSize], t.payloads[i], nil
	}
	seq, err := l.segmentOf(ctx, index, try)
	if err != nil {
		return nil, nil, err
	}
	var seg *Segment
	err = try(ctx, func() (err error) {
		seg, err = l.reader.get(ctx, seq, index, nil)
		return err
	})
	if gone(err) && l.removedSlot(seq) {
		leaf, err = l.publishedEntry(ctx, index, try)
		return leaf, nil, err
	}
	if err != nil {
		return nil, nil, err
	}
	i := int(index - seg.OldSize)
	return seg.Leaf(i), seg.Payloads[i], nil
}

// segmentOf finds the segment that holds a leaf: the leaf says so.
func (l *Ledger) segmentOf(ctx context.Context, index uint64, try attempts) (uint64, error) {
	l.stateMu.RLock()
	ranges := l.ranges
	l.stateMu.RUnlock()
	i := sort.Search(len(ranges), func(i int) bool { return ranges[i].end > index })
	if i < len(ranges) && ranges[i].first <= index {
		return ranges[i].seq, nil
	}
	encoded, err := l.publishedEntry(ctx, index, try)
	if err != nil {
		return 0, err
	}
	var leaf indelible.Leaf
	err = leaf.Decode(encoded)
	return leaf.Segment, err
}

// publishedEntry reads a leaf from its bundle.
func (l *Ledger) publishedEntry(ctx context.Context, index uint64, try attempts) (encoded []byte, err error) {
	n := index / torchwood.TileWidth
	err = try(ctx, func() error {
		w := min(l.told().Published-n*torchwood.TileWidth, torchwood.TileWidth)
		b, err := readTile(ctx, l.cfg.Store, -1, int64(n), int(w))
		if err != nil {
			return err
		}
		if int(index%torchwood.TileWidth+1)*leafEntry > len(b) {
			return fmt.Errorf("leaf %d is not published", index)
		}
		encoded = bundleEntry(b, index)
		return nil
	})
	return encoded, err
}

// removedSlot reports whether the segment of a slot expired under policy.
func (l *Ledger) removedSlot(seq uint64) bool {
	l.stateMu.RLock()
	defer l.stateMu.RUnlock()
	return l.state.gov.expiry(seq) != nil
}
