package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"indelible"
	"indelible/internal/store"
)

// room is where a segment was read to and hashed; it is used again.
type room struct {
	buf []byte
	d   digest
	h   *hasher
}

// fetched is a slot as read from the store, decoded and hashed.
type fetched struct {
	seq uint64
	seg *Segment
	room
	next int // the version to look at if seg turns out not to be the log's

	// How many of its leaves are known to agree with the names of their
	// tenants and events.
	agreed int

	// Of a slot without a segment: what its first version holds, and what is
	// wrong with it.
	data  []byte
	err   error
	later *Segment // with fields this version does not know
}

// verifySegments replays all segments in order. Reading, decoding and hashing
// run ahead in parallel.
func (v *verifier) verifySegments(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	queue := make(chan chan fetched, v.opt.Workers+2) // more than workers: none waits for the one that takes them in order
	go func() {
		defer close(queue)
		for _, seq := range v.names.segments {
			result := make(chan fetched, 1)
			select {
			case queue <- result:
			case <-ctx.Done():
				return
			}
			go func() { result <- v.fetch(ctx, fetched{seq: seq}) }()
		}
	}()
	var bad []fetched // slots that hold no segment, not yet judged
	for result := range queue {
		f := <-result
		if err := ctx.Err(); err != nil {
			return err
		}
		if bad = v.takeSlot(ctx, f, bad); v.stuck {
			return nil
		}
		if v.opt.Progress != nil {
			v.opt.Progress(min(v.state.edge.size, v.checkpoint.Size), v.checkpoint.Size)
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	v.judgeTail(ctx, bad)
	return nil
}

// fetch reads the next version of a slot that is a segment, oldest first: an
// object put on top of another, or below it, changes nothing.
func (v *verifier) fetch(ctx context.Context, f fetched) fetched {
	name := segmentName(f.seq)
	versions := v.versionsOf(name)
	f.seg = nil
	select {
	case f.room = <-v.rooms:
	default:
		f.room = room{h: new(hasher)}
	}
	for ; f.next < len(versions) && f.seg == nil; f.next++ {
		b, err := v.readInto(ctx, name, MaxSegment, versions[f.next], f.buf)
		if err == nil {
			f.seg, err = decodeSlot(b, f.seq)
		}
		if errors.Is(err, indelible.ErrCriticalField) {
			f.later, f.seg = f.seg, nil
		}
		if err == nil {
			f.buf = b
			v.digest(&f)
		} else if f.err == nil {
			f.data, f.err = bytes.Clone(b), err
		}
	}
	if f.seg == nil && f.err == nil {
		f.err = store.ErrNotExist
	}
	return f
}

// digest hashes a segment, and looks at each payload while it is at hand.
func (v *verifier) digest(f *fetched) {
	const piece = 1024 // leaves with their payloads, that fit a processor's cache
	f.d.reset()
	f.agreed = 0
	tenants := *v.known.Load()
	for at, n := 0, f.seg.Count(); at < n; {
		at = min(at+piece, n)
		f.d.take(f.h, f.seg, at)
		if v.opt.Opener != nil {
			f.agreed = v.agreeing(f.h, f.seg, tenants, f.agreed, at)
		}
	}
	f.d.finish(f.h, f.seg)
}

// decodeSlot decodes the segment of a slot. One that is sound but for the
// version it claims was changed; nobody has to wait for a newer program.
func decodeSlot(b []byte, seq uint64) (*Segment, error) {
	seg, err := DecodeSegment(b)
	if errors.Is(err, indelible.ErrNewerFormat) {
		if _, werr := DecodeSegment(ofThisVersion(segmentMagic, b)); werr == nil {
			err = fmt.Errorf("segment: %w", errVersionChanged)
		}
	}
	if err == nil && seg.Seq != seq {
		err = fmt.Errorf("holds segment %d", seg.Seq)
	}
	if err != nil && !errors.Is(err, indelible.ErrCriticalField) {
		return nil, err
	}
	return seg, err
}

// unjudged reports whether an error leaves open what an object holds.
func unjudged(err error) bool {
	return newer(err) || errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrDenied)
}

// inTree reports whether the leaves of a segment are those of the tree at
// their place; it is not known beyond the checkpoint, or where tiles are damaged.
func (v *verifier) inTree(ctx context.Context, f *fetched) (in, known bool) {
	seg := f.seg
	if seg.Count() == 0 || seg.NewSize > v.checkpoint.Size {
		return false, false
	}
	indexes := make([]int64, seg.Count())
	for i := range indexes {
		indexes[i] = tlog.StoredHashIndex(0, int64(seg.OldSize)+int64(i))
	}
	proved, err := treeReader(ctx, v.st, v.checkpoint).ReadHashes(indexes)
	if err != nil {
		return false, false
	}
	for i, h := range proved {
		if h != tlog.Hash(f.d.leaf(i)) {
			return false, true
		}
	}
	return true, true
}

// ours reports whether a segment that does not continue the log is one of it
// nevertheless: its leaves are in the tree or, where that cannot be said, one
// of the log's writers signed it.
func (v *verifier) ours(ctx context.Context, f *fetched) bool {
	if in, known := v.inTree(ctx, f); known {
		return in
	}
	if v.state.edge.size == 0 {
		return f.seg.OldSize == 0
	}
	return v.state.mayWrite(f.seg)
}

var errNotOurs = errors.New("not signed by a writer of this log, or not in its tree")

// takeSlot brings the replay one slot further. It returns the slots that wait
// for judgement.
func (v *verifier) takeSlot(ctx context.Context, f fetched, bad []fetched) []fetched {
	s := v.state
	var ours *fetched
	for f.seg != nil {
		// A forged log can begin with a segment that is sound in itself.
		in, known := true, false
		if s.edge.size == 0 {
			in, known = v.inTree(ctx, &f)
		}
		if in || !known {
			t := s.begin(f.seq, f.seg.Time)
			if t.replay(f.seg, f.d) == nil {
				v.passOver(bad, f.seg)
				v.accept(t, f)
				return nil
			}
			t.abort()
		}
		if ours == nil && v.ours(ctx, &f) {
			g := f
			ours = &g
		}
		if f.err == nil {
			f.err = errNotOurs
		}
		f = v.fetch(ctx, f)
	}
	if ours != nil {
		return v.takeDamaged(ctx, *ours, bad)
	}
	if errors.Is(f.err, indelible.ErrCriticalField) && !s.mayWrite(f.later) {
		f.err = errNotOurs
	}
	return append(bad, f)
}

// passOver names foreign objects that the log has passed over.
func (v *verifier) passOver(bad []fetched, next *Segment) {
	for _, b := range bad {
		v.problem(interference, Problem{Object: segmentName(b.seq), What: fmt.Sprintf("foreign object, passed over by segment %d", next.Seq)})
	}
}

// takeDamaged takes a segment of the log that does not follow from the state:
// something is wrong with it or with what was before it.
func (v *verifier) takeDamaged(ctx context.Context, f fetched, bad []fetched) []fetched {
	s, seg := v.state, f.seg
	p := Problem{Object: segmentName(f.seq), Segment: &f.seq}
	if seg.OldSize < s.edge.size || f.seq < s.seq {
		p.What = fmt.Sprintf("continues a tree of size %d, the log has %d", seg.OldSize, s.edge.size)
		v.problem(tampering, p)
		return bad
	}
	lost := v.judge(seg, bad)
	if seg.OldSize > s.edge.size {
		lost = true
		v.recoverLeaves(ctx, seg.OldSize, bad)
	}
	if seg.OldSize != s.edge.size {
		if !v.stuck {
			p.What = fmt.Sprintf("cannot be checked: leaves %d to %d before it are gone", s.edge.size, seg.OldSize-1)
			v.problem(unreadable, p)
		}
		v.stuck = true
		return nil
	}
	if lost {
		s.last, s.lastSeq = seg.Previous, f.seq-1-uint64(len(seg.Voids))
		v.before[s.lastSeq] = seg.Previous
		s.epoch = min(s.epoch, seg.Epoch)
		if seg.Epoch == s.epoch {
			s.writer = seg.Writer
		}
	}
	v.repair(ctx, &f)
	t := s.begin(f.seq, seg.Time)
	t.tolerate = func(i int, err error) {
		p.What, p.Index, p.EventID = err.Error(), nil, ""
		if i >= 0 {
			index := seg.OldSize + uint64(i)
			p.Index, p.EventID = &index, v.eventID(seg.Payloads[i])
		}
		sure := tampering
		if newer(err) { // its writer signed it
			sure = unreadable
		}
		v.problem(sure, p)
	}
	t.replay(seg, f.d) // tells everything to tolerate
	v.accept(t, f)
	return nil
}

// judge tells the slots before a segment that it passed over, which are
// foreign, from those that held a segment once: they are damaged or gone. It
// reports whether there is any of these.
func (v *verifier) judge(next *Segment, bad []fetched) (lost bool) {
	foreign := make(map[uint64]bool)
	for _, void := range next.Voids {
		foreign[void.Seq] = true
	}
	gone := v.state.seq // the first slot of a gap, when there is one before b
	for i, b := range bad {
		lost = v.loseSlots(gone, b.seq, foreign) || lost
		gone = b.seq + 1
		if foreign[b.seq] {
			v.passOver(bad[i:i+1], next)
		} else {
			lost = true
			v.damaged(bad[i:])
		}
	}
	return v.loseSlots(gone, next.Seq, foreign) || lost
}

// damaged names the first of some slots, which held a segment. If it cannot be
// read, or a later one cannot that may have passed over it, nothing is proved.
func (v *verifier) damaged(slots []fetched) {
	b := slots[0]
	p := Problem{Object: segmentName(b.seq), Segment: &b.seq, What: b.err.Error()}
	switch {
	case slices.ContainsFunc(slots, func(f fetched) bool { return unjudged(f.err) }):
		v.problem(unreadable, p)
	case errors.Is(b.err, store.ErrNotExist):
		v.lose(b.seq, b.seq+1)
	default:
		v.problem(tampering, p)
	}
}

// loseSlots notes the slots first to end−1, which hold nothing, but those that
// held something foreign.
func (v *verifier) loseSlots(first, end uint64, foreign map[uint64]bool) (any bool) {
	from := first
	for _, seq := range slices.Sorted(maps.Keys(foreign)) {
		if seq < from || seq >= end {
			continue
		}
		if from < seq {
			v.lose(from, seq)
			any = true
		}
		from = seq + 1
	}
	if from < end {
		v.lose(from, end)
		any = true
	}
	return any
}

// judgeTail judges slots at the end of the log that hold no segment.
func (v *verifier) judgeTail(ctx context.Context, bad []fetched) {
	size := v.checkpoint.Size
	if v.state.edge.size >= size {
		for _, b := range bad {
			p := Problem{Object: segmentName(b.seq), What: "foreign object after the end of the log: " + b.err.Error()}
			if unjudged(b.err) { // the log may go on there
				p.What, p.severity = b.err.Error(), unreadable
			}
			v.problem(p.severity, p)
		}
		return
	}
	for i := range bad {
		v.damaged(bad[i:])
	}
	if len(bad) == 0 {
		seq := v.state.seq
		v.problem(tampering, Problem{Object: segmentName(seq), Segment: &seq, What: fmt.Sprintf("missing: leaves %d to %d of the tree have no segment", v.state.edge.size, size-1)})
	}
	v.recoverLeaves(ctx, size, bad)
}

// accept makes a replayed segment the state's last and hands out the work that
// can run beside: comparing what was published, looking into payloads.
func (v *verifier) accept(t *txn, f fetched) {
	v.noteTenants(t)
	objects := t.commit(f.seg)
	v.report.Segments++
	v.afterCommit(t, objects)
	v.compare.segment(f)
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
		v.sizes = append(v.sizes, s.edge.size)
		s.headsTime = t.time
	}
	if s.edge.size == v.checkpoint.Size {
		for _, o := range s.unfinished() {
			v.compare.unfinished(o)
		}
	}
}
