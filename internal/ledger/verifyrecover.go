package ledger

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"filippo.io/torchwood"

	"indelible"
	"indelible/internal/store"
)

// versionsOf lists the versions of an object to look at, oldest first; one
// empty name where there is nothing but the object itself.
func (v *verifier) versionsOf(name string) []string {
	versions := v.names.changed[name]
	if versions == nil {
		return []string{""}
	}
	var ids []string
	for _, version := range versions {
		if !version.DeleteMarker {
			ids = append(ids, version.ID)
		}
	}
	return ids
}

// read reads an object: where something was put on top of it, the original.
func (v *verifier) read(ctx context.Context, name string, limit int64) (b []byte, err error) {
	err = v.readAny(ctx, name, limit, nil, func(data []byte) error { b = data; return nil })
	return b, err
}

// readAny reads the versions of an object, oldest first, until one suits. What
// was put on top of ours changes nothing, nor what stood there before it. The
// error is that of the oldest. What suits is shown may lie in buf.
func (v *verifier) readAny(ctx context.Context, name string, limit int64, buf []byte, suits func([]byte) error) error {
	err := fmt.Errorf("%s: %w", name, store.ErrNotExist)
	for i, version := range v.versionsOf(name) {
		b, rerr := v.readInto(ctx, name, limit, version, buf)
		if rerr == nil {
			rerr = suits(b)
		}
		if rerr == nil {
			return nil
		}
		if i == 0 {
			err = rerr
		}
	}
	return err
}

// lockable reports whether the writer locks objects of this name: all but what
// is replaced or superseded.
func lockable(name string) bool {
	return name != checkpointName && !strings.Contains(name, ".p/")
}

func (v *verifier) readInto(ctx context.Context, name string, limit int64, version string, buf []byte) ([]byte, error) {
	o, err := v.st.Read(ctx, name, store.ReadOptions{Length: limit + 1, Version: version, NoETag: true, Buffer: buf})
	if err != nil {
		return nil, err
	}
	if int64(len(o.Data)) > limit {
		return nil, tampered(name, "longer than the %d bytes it can have", limit)
	}
	v.mu.Lock()
	v.report.Bytes += uint64(len(o.Data))
	if v.opt.Locked && o.LockedUntil.IsZero() && lockable(name) {
		if v.unlocked++; v.unlocked == 1 {
			v.firstUnlocked = name
		}
	}
	v.mu.Unlock()
	return o.Data, nil
}

// recoverLeaves takes leaves up to index end from the published bundles where
// their segments are damaged or gone: the tree is the truth about the past.
func (v *verifier) recoverLeaves(ctx context.Context, end uint64, bad []fetched) {
	s := v.state
	end = min(end, v.checkpoint.Size)
	var leaf indelible.Leaf
	var segment, start uint64 // the segment being recovered, and its first leaf
	for first := s.edge.size; s.edge.size < end; {
		leaves, err := v.bundleLeaves(ctx, s.edge.size, end)
		// One transaction a segment, as the leaves themselves say.
		for err == nil && len(leaves) > 0 {
			if err = leaf.Decode(leaves[0]); err != nil {
				err = damaged(bundleName(int64(s.edge.size/torchwood.TileWidth), torchwood.TileWidth), fmt.Errorf("leaf %d: %w", s.edge.size, err))
				break
			}
			if s.edge.size == first || leaf.Segment != segment {
				segment, start = leaf.Segment, s.edge.size
			}
			n := 1
			for n < len(leaves) && leaf.Decode(leaves[n]) == nil && leaf.Segment == segment {
				n++
			}
			v.recoverSegment(ctx, segment, leaves[:n], int(s.edge.size-start), damagedSegment(bad, segment))
			leaves = leaves[n:]
		}
		if err != nil {
			v.failed(tilePrefix, err)
			v.stuck = true
			return
		}
	}
}

// recoverSegment takes leaves of one damaged segment in, from its leaf number
// first on, and names the events that were hit.
func (v *verifier) recoverSegment(ctx context.Context, seq uint64, leaves [][]byte, first int, damaged *Segment) {
	s := v.state
	var leaf indelible.Leaf
	t := s.begin(seq, s.time)
	for i, encoded := range leaves {
		index := t.size
		h := indelible.LeafHash(encoded)
		t.leaves, t.hashes = append(t.leaves, encoded...), append(t.hashes, h[:]...)
		if leaf.Decode(encoded) != nil {
			t.size++
			continue
		}
		t.time = leaf.Time
		payload := v.payloadFrom(damaged, first+i, seq, index, encoded, &leaf)
		if payload == nil && !leaf.Kind.Recorded() {
			payload = v.keptPayload(ctx, index, &leaf)
		}
		if payload != nil && !leaf.Kind.OfTenant() {
			t.checkSystem(&leaf, payload, &Segment{NewSize: index + 1})
		}
		t.take(&leaf, encoded, h, payload)
	}
	t.heads = leaf.Kind == indelible.KindHeads
	v.noteTenants(t)
	objects := t.commit(&Segment{Epoch: s.epoch, Time: t.time, Writer: s.writer, Hash: s.last})
	v.afterCommit(t, objects)
	v.compare.count(leaves, v.system)
	if damaged == nil {
		v.loseLeaves(seq, leaves)
	}
}

// repair names the leaves of a segment whose payloads were changed and puts
// the payloads of system and tenant leaves back from where they are repeated:
// the log after them depends on these.
func (v *verifier) repair(ctx context.Context, f *fetched) {
	var leaf indelible.Leaf
	for i := range f.seg.Payloads {
		if leaf.Decode(f.seg.Leaf(i)) != nil || f.d.intact[i] || leaf.Kind.Recorded() {
			continue
		}
		index := f.seg.OldSize + uint64(i)
		if kept := v.keptPayload(ctx, index, &leaf); kept != nil {
			f.seg.Payloads[i], f.d.intact[i] = kept, true
			v.problem(tampering, Problem{Object: segmentName(f.seq), Segment: &f.seq, Index: &index, What: "payload does not match its leaf"})
		}
	}
}

// damagedSegment parses what can be parsed of a damaged slot: the header says
// where leaves and payloads stand.
func damagedSegment(bad []fetched, seq uint64) *Segment {
	for _, f := range bad {
		if f.seq != seq {
			continue
		}
		seg, header, lengths, err := decodeSegmentHeader(f.data)
		if err != nil {
			return nil
		}
		n := int(seg.NewSize - seg.OldSize)
		at := header + n*indelible.LeafSize
		if len(f.data) < at+segmentFooter {
			return nil
		}
		seg.Leaves = f.data[header:at]
		rest := f.data[at+segmentFooter:]
		for i := range n {
			size := min(int(binary.BigEndian.Uint32(f.data[lengths+4*i:])), len(rest))
			seg.Payloads = append(seg.Payloads, rest[:size])
			rest = rest[size:]
		}
		return seg
	}
	return nil
}

// payloadFrom finds the payload of leaf i in a damaged segment and reports the
// leaf if it, or its payload, was hit.
func (v *verifier) payloadFrom(damaged *Segment, i int, seq, index uint64, encoded []byte, leaf *indelible.Leaf) []byte {
	if damaged == nil || i >= damaged.Count() {
		return nil
	}
	payload := damaged.Payloads[i]
	h, _ := indelible.HashPayload(payload)
	intact := h == leaf.Payload
	if intact && bytes.Equal(damaged.Leaf(i), encoded) {
		return payload
	}
	what := "leaf was changed in its segment"
	if !intact {
		what = "payload does not match its leaf"
	}
	v.problem(tampering, Problem{Object: segmentName(seq), Segment: &seq, Index: &index, EventID: v.eventID(payload), What: what})
	if !intact {
		return nil
	}
	return payload
}

// keptPayload finds the payload of a system or tenant leaf in the heads object
// that repeats it.
func (v *verifier) keptPayload(ctx context.Context, index uint64, leaf *indelible.Leaf) []byte {
	sizes := v.names.headSizes()
	i, _ := slices.BinarySearch(sizes, index+1)
	if i == len(sizes) {
		return nil
	}
	var payload []byte
	v.readAny(ctx, headsName(sizes[i]), maxHeads, nil, func(b []byte) error {
		h, err := decodeHeadsObject(b)
		if err != nil {
			return err
		}
		for _, k := range h.Leaves {
			if p, err := indelible.HashPayload(k.Payload); err == nil && k.Index == index && p == leaf.Payload {
				payload = k.Payload
				return nil
			}
		}
		return errors.New("not there")
	})
	return payload
}

// bundleLeaves reads the leaves from index first to the end of their bundle or
// to end.
func (v *verifier) bundleLeaves(ctx context.Context, first, end uint64) ([][]byte, error) {
	n := first / torchwood.TileWidth
	w := int(min(v.checkpoint.Size-n*torchwood.TileWidth, torchwood.TileWidth))
	b, err := readTile(ctx, v.st, -1, int64(n), w)
	if err != nil {
		return nil, err
	}
	if _, err := bundleHashes(b); err != nil {
		return nil, tampered(bundleName(int64(n), w), "%v", err)
	}
	var leaves [][]byte
	for i := first; i < min(end, n*torchwood.TileWidth+uint64(w)); i++ {
		leaves = append(leaves, bundleEntry(b, i))
	}
	return leaves, nil
}

// eventID reads the event id out of a payload as far as it can be read.
func (v *verifier) eventID(payload []byte) string {
	if v.opt.Opener == nil {
		return ""
	}
	_, id, err := v.opt.Opener.EventIdentity(payload)
	if err != nil {
		return ""
	}
	return string(id)
}
