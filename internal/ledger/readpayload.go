package ledger

import (
	"context"
	"encoding/binary"

	"indelible"
	"indelible/internal/store"
)

// readPayload reads the payload of one leaf out of a segment of any size: the
// header with the payloads' lengths first, then the payload. The caller checks
// its hash, so nothing read here is believed.
func readPayload(ctx context.Context, st store.Store, seq, index uint64) ([]byte, error) {
	name := segmentName(seq)
	const guess = 16 << 10
	o, err := st.Read(ctx, name, store.ReadOptions{Length: guess})
	if err != nil {
		return nil, missing(name, err)
	}
	b := o.Data
	if len(b) < segmentFixed {
		return nil, tampered(name, "cut short")
	}
	if err := indelible.CheckPrefix("segment", segmentMagic, b); err != nil {
		if newer(err) { // all of it tells whether that is so
			if _, serr := readSegment(ctx, st, seq); serr != nil {
				return nil, serr
			}
		}
		return nil, damaged(name, err)
	}
	header := int64(binary.BigEndian.Uint32(b[8:]))
	if header > o.Size || header > MaxSegment {
		return nil, tampered(name, "lengths in its header do not fit")
	}
	if int64(len(b)) < header {
		if o, err = st.Read(ctx, name, store.ReadOptions{Length: header}); err != nil {
			return nil, missing(name, err)
		}
		b = o.Data
	}
	seg, size, lengths, err := decodeSegmentHeader(b)
	if err != nil {
		return nil, damaged(name, err)
	}
	if index < seg.OldSize || index >= seg.NewSize {
		return nil, tampered(name, "does not hold leaf %d", index)
	}
	n := int(seg.NewSize - seg.OldSize)
	at := int64(size) + int64(n)*indelible.LeafSize + segmentFooter
	i := int(index - seg.OldSize)
	for k := range i {
		at += int64(binary.BigEndian.Uint32(b[lengths+4*k:]))
	}
	length := int64(binary.BigEndian.Uint32(b[lengths+4*i:]))
	if length == 0 || length > indelible.MaxPayload || at+length > o.Size {
		return nil, tampered(name, "payload of leaf %d does not fit", index)
	}
	if at+length <= int64(len(b)) {
		return b[at : at+length], nil
	}
	p, err := st.Read(ctx, name, store.ReadOptions{Offset: at, Length: length})
	if err != nil {
		return nil, missing(name, err)
	}
	return p.Data, nil
}
