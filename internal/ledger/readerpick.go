package ledger

import (
	"bytes"
	"context"
	"fmt"
	"iter"

	"filippo.io/torchwood"
)

// Pick yields the leaves at these places with their payloads, in the order
// given. It reads a bundle once for neighbours, and of segments only what is asked for.
func (r *Reader) Pick(ctx context.Context, places []uint64) iter.Seq2[*Entry, error] {
	return func(yield func(*Entry, error) bool) {
		hashes := treeReader(ctx, r.st, r.checkpoint)
		var bundle []byte
		var at uint64
		for _, index := range places {
			e, err := func() (*Entry, error) {
				if index >= r.checkpoint.Size {
					return nil, fmt.Errorf("%w: index %d; the log has %d leaves", ErrNotFound, index, r.checkpoint.Size)
				}
				if n := index / torchwood.TileWidth; bundle == nil || n != at {
					b, err := r.bundle(ctx, hashes, n, int(min(r.checkpoint.Size-n*torchwood.TileWidth, torchwood.TileWidth)))
					if err != nil {
						return nil, err
					}
					bundle, at = b, n
				}
				e := &Entry{Index: index, Encoded: bytes.Clone(bundleEntry(bundle, index))}
				if err := e.Leaf.Decode(e.Encoded); err != nil {
					return nil, damaged(fmt.Sprintf("leaf %d", index), err)
				}
				var err error
				if e.Payload, err = r.payload(ctx, &e.Leaf, index); err != nil {
					err = r.removed(ctx, e, err)
				}
				return e, err
			}()
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// Later is a reader of the log as it is now; r goes on reading it as it was.
func (r *Reader) Later(ctx context.Context) (*Reader, error) {
	later := &Reader{st: r.st, vkey: r.vkey, checkpoint: r.checkpoint, segments: r.segments}
	return later, later.Refresh(ctx)
}
