package ledger

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"indelible"
	"indelible/internal/store"
)

// fetched is a slot as read from the store, decoded and hashed.
type fetched struct {
	seq  uint64
	data []byte
	seg  *Segment
	d    digest
	err  error // why seg is nil
	sum  indelible.Hash
}

// verifySegments replays all segments in order. Reading, decoding and hashing
// run ahead in parallel.
func (v *verifier) verifySegments(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	queue := make(chan chan fetched, v.opt.Workers)
	go func() {
		defer close(queue)
		for _, seq := range v.names.segments {
			result := make(chan fetched, 1)
			select {
			case queue <- result:
			case <-ctx.Done():
				return
			}
			go func() { result <- v.fetch(ctx, seq) }()
		}
	}()
	var bad []fetched // slots that hold no segment, not yet judged
	for result := range queue {
		f := <-result
		if err := ctx.Err(); err != nil {
			return err
		}
		var err error
		if bad, err = v.takeSlot(ctx, f, bad); err != nil {
			return err
		}
		if v.opt.Progress != nil {
			v.opt.Progress(min(v.state.edge.size, v.checkpoint.Size), v.checkpoint.Size)
		}
	}
	return v.judgeTail(ctx, bad)
}

// fetch reads a slot. Where several versions stand in it the oldest that is a
// segment counts, as it does for the writer.
func (v *verifier) fetch(ctx context.Context, seq uint64) fetched {
	f := fetched{seq: seq}
	name := segmentName(seq)
	for _, version := range v.versionsOf(name) {
		b, err := v.readVersion(ctx, name, MaxSegment, version)
		if err != nil {
			f.err = err
			continue
		}
		seg, err := DecodeSegment(b)
		if err == nil && seg.Seq != seq {
			err = fmt.Errorf("holds segment %d", seg.Seq)
		}
		if err == nil {
			f.data, f.seg, f.err = b, seg, nil
			f.d = seg.digest()
			return f
		}
		if f.data == nil {
			f.data, f.err, f.sum = b, err, sha256.Sum256(b)
		}
	}
	return f
}

// ours reports whether a segment was signed by a writer of this log, be the
// rest as it may.
func (v *verifier) ours(seg *Segment) bool {
	if v.state.edge.size == 0 {
		return true
	}
	_, known := v.state.writers[seg.Writer]
	return known && seg.LogID == v.state.logID
}

// takeSlot brings the replay one slot further. It returns the slots that wait
// for judgement.
func (v *verifier) takeSlot(ctx context.Context, f fetched, bad []fetched) ([]fetched, error) {
	s := v.state
	if errors.Is(f.err, indelible.ErrNewerFormat) || errors.Is(f.err, indelible.ErrCriticalField) || errors.Is(f.err, store.ErrUnavailable) || errors.Is(f.err, store.ErrDenied) {
		v.problem(unreadable, Problem{Object: segmentName(f.seq), Segment: &f.seq, What: f.err.Error()})
	}
	if f.seg == nil {
		return append(bad, f), nil
	}
	expected := s.seq + uint64(len(bad))
	s.voids = nil
	for _, b := range bad {
		s.voids = append(s.voids, Void{b.seq, b.sum})
	}
	if f.seq == expected && f.seg.OldSize == s.edge.size {
		t := s.begin(f.seq, f.seg.Time)
		if err := t.replay(f.seg, f.d); err == nil {
			for _, b := range bad {
				v.problem(interference, Problem{Object: segmentName(b.seq), What: "foreign object, passed over by segment " + fmt.Sprint(f.seq)})
			}
			v.accept(ctx, t, f)
			return nil, nil
		}
		t.abort()
	}
	if !v.ours(f.seg) {
		f.err = errors.New("not signed by a writer of this log")
		f.seg = nil
		f.sum = sha256.Sum256(f.data)
		return append(bad, f), nil
	}
	// The segment is ours and something is wrong: with it or with what was before it.
	if f.seg.OldSize < s.edge.size || f.seq < s.seq {
		v.problem(tampering, Problem{Object: segmentName(f.seq), Segment: &f.seq, What: fmt.Sprintf("continues a tree of size %d, the log has %d", f.seg.OldSize, s.edge.size)})
		return bad, nil
	}
	voids := v.judge(f.seg, bad)
	gone := f.seg.OldSize > s.edge.size
	for seq := s.seq; seq < f.seq && gone; seq++ {
		if !v.names.hasSegment(seq) {
			v.problem(tampering, Problem{Object: segmentName(seq), Segment: &seq, What: "missing"})
		}
	}
	if gone {
		if err := v.recoverLeaves(ctx, f.seg.OldSize, bad); err != nil {
			return nil, err
		}
	}
	s.seq, s.voids = f.seq, voids
	if gone || len(bad) > len(voids) {
		s.last, s.lastSeq = f.seg.Previous, f.seq-1-uint64(len(voids))
		s.epoch = min(s.epoch, f.seg.Epoch)
		if f.seg.Epoch == s.epoch {
			s.writer = f.seg.Writer
		}
	}
	t := s.begin(f.seq, f.seg.Time)
	t.tolerate = func(i int, err error) {
		p := Problem{Object: segmentName(f.seq), Segment: &f.seq, What: err.Error()}
		if i >= 0 {
			index := f.seg.OldSize + uint64(i)
			p.Index, p.EventID = &index, v.eventID(f.seg.Payloads[i])
		}
		v.problem(tampering, p)
	}
	if f.seg.OldSize != s.edge.size {
		return nil, fmt.Errorf("segment %d: cannot be placed: the leaves before it are gone from the tiles too", f.seq)
	}
	if err := t.replay(f.seg, f.d); err != nil {
		return nil, err
	}
	v.accept(ctx, t, f)
	return nil, nil
}

// judge tells the slots that the next segment passed over, which are foreign,
// from those that held a segment once, which are damaged.
func (v *verifier) judge(next *Segment, bad []fetched) []Void {
	listed := make(map[uint64]bool)
	for _, void := range next.Voids {
		listed[void.Seq] = true
	}
	var voids []Void
	for _, b := range bad {
		if listed[b.seq] {
			voids = append(voids, Void{b.seq, b.sum})
			v.problem(interference, Problem{Object: segmentName(b.seq), What: "foreign object, passed over"})
			continue
		}
		v.problem(tampering, Problem{Object: segmentName(b.seq), Segment: &b.seq, What: b.err.Error()})
	}
	return voids
}

// judgeTail judges slots at the end of the log that hold no segment.
func (v *verifier) judgeTail(ctx context.Context, bad []fetched) error {
	size := v.checkpoint.Size
	lost := v.state.edge.size < size
	for _, b := range bad {
		if lost {
			v.problem(tampering, Problem{Object: segmentName(b.seq), Segment: &b.seq, What: b.err.Error()})
		} else {
			v.problem(interference, Problem{Object: segmentName(b.seq), What: "foreign object after the end of the log: " + b.err.Error()})
		}
	}
	if !lost {
		return nil
	}
	if len(bad) == 0 {
		seq := v.state.seq
		v.problem(tampering, Problem{Object: segmentName(seq), Segment: &seq, What: fmt.Sprintf("missing: leaves %d to %d of the tree have no segment", v.state.edge.size, size-1)})
	}
	return v.recoverLeaves(ctx, size, bad)
}

// accept makes a replayed segment the state's last and hands out the work that
// can run beside: comparing what was published, looking into payloads.
func (v *verifier) accept(ctx context.Context, t *txn, f fetched) {
	v.noteTenants(t.tenants)
	objects := t.commit(f.seg)
	v.report.Segments++
	v.afterCommit(t, objects)
	v.compare.payloads(f, v.tenantKeys)
}

// afterCommit compares the objects a segment completed and notes the tree it
// published.
func (v *verifier) afterCommit(t *txn, objects []object) {
	s := v.state
	for _, o := range objects {
		v.compare.object(o, s.edge.size <= v.checkpoint.Size)
	}
	if t.heads {
		v.roots[s.edge.size] = s.edge.root()
		s.headsTime = t.time
	}
	if s.edge.size == v.checkpoint.Size {
		for _, o := range s.unfinished() {
			v.compare.unfinished(o)
		}
	}
}

// recoverLeaves takes leaves up to index end from the published bundles where
// their segments are damaged or gone: the tree is the truth about the past.
func (v *verifier) recoverLeaves(ctx context.Context, end uint64, bad []fetched) error {
	s := v.state
	end = min(end, v.checkpoint.Size)
	for s.edge.size < end {
		leaves, err := v.bundleLeaves(ctx, s.edge.size, end)
		if err != nil {
			v.failed(tilePrefix, err)
			return fmt.Errorf("leaves from %d on are gone from segments and tiles: %w", s.edge.size, err)
		}
		// One transaction a segment, as the leaves themselves say.
		var leaf indelible.Leaf
		for len(leaves) > 0 {
			if err := leaf.Decode(leaves[0]); err != nil {
				return fmt.Errorf("leaf %d in its bundle: %w", s.edge.size, err)
			}
			segment, n := leaf.Segment, 1
			for n < len(leaves) && leaf.Decode(leaves[n]) == nil && leaf.Segment == segment {
				n++
			}
			v.recoverSegment(ctx, segment, leaves[:n], damagedSegment(bad, segment))
			leaves = leaves[n:]
		}
	}
	return nil
}

// recoverSegment takes the leaves of one damaged segment in and names the
// events that were hit.
func (v *verifier) recoverSegment(ctx context.Context, seq uint64, leaves [][]byte, damaged *Segment) {
	s := v.state
	var leaf indelible.Leaf
	t := s.begin(seq, s.time)
	for i, encoded := range leaves {
		index := t.edge.size
		h := indelible.LeafHash(encoded)
		if leaf.Decode(encoded) != nil {
			t.growOpaque(encoded, h)
			continue
		}
		t.time = leaf.Time
		payload := v.payloadFrom(damaged, i, seq, index, encoded, &leaf)
		if payload == nil && !leaf.Kind.Recorded() {
			payload = v.keptPayload(ctx, index, &leaf)
		}
		if payload != nil && !leaf.Kind.OfTenant() {
			t.checkSystem(&leaf, payload, &Segment{LogID: s.logID, NewSize: index + 1})
		}
		if leaf.Kind.Recorded() && (leaf.TenantNo == 0 || leaf.TenantNo > t.tenantCount()) {
			t.growOpaque(encoded, h)
			continue
		}
		t.grow(&leaf, encoded, h, payload)
	}
	t.heads = leaf.Kind == indelible.KindHeads
	v.noteTenants(t.tenants)
	objects := t.commit(&Segment{Epoch: s.epoch, Time: t.time, Writer: s.writer, Hash: s.last})
	v.afterCommit(t, objects)
	v.compare.count(leaves, v.system)
}
