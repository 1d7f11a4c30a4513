package ledger

import (
	"context"
	"errors"
	"fmt"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/tlog"

	"indelible"
	"indelible/internal/store"
)

// checkRange proves the leaves of a range by the tiles, and compares the
// segments that hold them: signature, leaves and payloads.
func (v *verifier) checkRange(ctx context.Context, r Range) error {
	v.names = &inventory{}
	hashes := treeReader(ctx, v.st, v.checkpoint)
	var seg *Segment
	var d digest
	for at := r.First; at < r.End; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := at / torchwood.TileWidth
		w := int(min(v.checkpoint.Size-n*torchwood.TileWidth, torchwood.TileWidth))
		end := min(r.End, n*torchwood.TileWidth+uint64(w))
		leaves, err := v.provedLeaves(ctx, hashes, n, w)
		if err != nil {
			v.failed(bundleName(int64(n), w), err)
			at = end
			continue
		}
		for ; at < end; at++ {
			seg, d = v.checkLeafInSegment(ctx, at, leaves[at%torchwood.TileWidth], seg, d)
		}
		if v.opt.Progress != nil {
			v.opt.Progress(at-r.First, r.End-r.First)
		}
	}
	v.report.Unchecked = append(v.report.Unchecked, "only the leaves of the range were checked: not the order of tenants, not what lies outside")
	return nil
}

// provedLeaves reads a bundle and proves each leaf of it.
func (v *verifier) provedLeaves(ctx context.Context, hashes tlog.HashReader, n uint64, w int) ([][]byte, error) {
	b, err := readTile(ctx, v.st, -1, int64(n), w)
	if err != nil {
		return nil, err
	}
	own, err := bundleHashes(b)
	if err != nil {
		return nil, err
	}
	indexes := make([]int64, w)
	for i := range indexes {
		indexes[i] = tlog.StoredHashIndex(0, int64(n)*torchwood.TileWidth+int64(i))
	}
	proved, err := hashes.ReadHashes(indexes)
	if err != nil {
		return nil, fmt.Errorf("tiles do not prove its leaves: %w", err)
	}
	leaves := make([][]byte, w)
	const entry = leafEntry
	for i := range leaves {
		if tlog.Hash(own[i]) != proved[i] {
			return nil, tampered(bundleName(int64(n), w), "leaf %d is not the one in the tree", n*torchwood.TileWidth+uint64(i))
		}
		leaves[i] = b[i*entry+2 : (i+1)*entry]
	}
	v.report.Objects++
	return leaves, nil
}

// checkLeafInSegment compares a proved leaf with its segment and checks the
// payload beside it. The segment read last is passed along.
func (v *verifier) checkLeafInSegment(ctx context.Context, index uint64, encoded []byte, seg *Segment, d digest) (*Segment, digest) {
	var leaf indelible.Leaf
	if err := leaf.Decode(encoded); err != nil {
		v.problem(unreadable, Problem{Object: tilePrefix, Index: &index, What: err.Error()})
		return seg, d
	}
	if seg == nil || seg.Seq != leaf.Segment {
		f := v.fetch(ctx, fetched{seq: leaf.Segment})
		if f.seg == nil {
			if errors.Is(f.err, store.ErrNotExist) {
				expired, err := v.expiredBefore(ctx, leaf.Segment)
				if expired {
					v.countExpired(&leaf)
					return nil, d
				}
				if err != nil {
					f.err = err
				}
			}
			if f.err == nil {
				f.err = errors.New("missing")
			}
			if !unjudged(f.err) {
				f.err = tampered(segmentName(leaf.Segment), "%v", f.err)
			}
			v.failed(segmentName(leaf.Segment), f.err)
			return nil, d
		}
		seg, d = f.seg, f.d
		v.report.Segments++
	}
	p := Problem{Object: segmentName(seg.Seq), Segment: &seg.Seq, Index: &index}
	i := int(index - seg.OldSize)
	switch {
	case index < seg.OldSize || index >= seg.NewSize || d.leaf(i) != indelible.LeafHash(encoded):
		p.What = "does not hold this leaf of the tree"
	case !d.intact[i]:
		p.What, p.EventID = "payload does not match its leaf", v.eventID(seg.Payloads[i])
	default:
		if leaf.Kind.Recorded() {
			v.report.Events++
		}
		return seg, d
	}
	v.problem(tampering, p)
	return seg, d
}
