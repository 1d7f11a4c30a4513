package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"indelible"
	"indelible/internal/journal"
	"indelible/internal/store"
)

// run is the committer: it replays the log, then commits what the journal
// holds, batch by batch, until it is stopped or may no longer write.
func (l *Ledger) run(ctx context.Context) {
	defer close(l.done)
	err := l.retry(ctx, func() error { return l.recover(ctx) })
	if err == nil {
		l.setStatus(func(s *Status) { s.Ready = true })
		err = l.commitLoop(ctx)
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		l.fail(err)
	} else {
		l.fail(ErrClosed)
	}
}

// transient reports whether trying the same again later can help. A store that
// denies us is waited for too: an operator can mend a policy, and until then
// the journal holds.
func transient(err error) bool {
	return errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrDenied) || errors.Is(err, ErrKeysAway)
}

// retry calls f until it succeeds or fails for good, and keeps the status of the store.
func (l *Ledger) retry(ctx context.Context, f func() error) error {
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		err := f()
		if err == nil || !transient(err) {
			if l.told().StoreErr != nil {
				l.cfg.Log.Info("the store answers again")
				l.setStatus(func(s *Status) { s.StoreErr = nil })
			}
			return err
		}
		if l.told().StoreErr == nil {
			l.cfg.Log.Warn("the store is away; the journal goes on", "err", err)
		}
		l.setStatus(func(s *Status) {
			if s.StoreErr == nil {
				s.StoreSince = l.cfg.Clock()
			}
			s.StoreErr = err
		})
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (l *Ledger) commitLoop(ctx context.Context) error {
	tick := time.NewTimer(0)
	defer tick.Stop()
	lastCommit := l.cfg.Clock()
	for {
		select {
		case <-l.wake:
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		for {
			now := l.cfg.Clock()
			wait := l.nextStep(now, lastCommit)
			if wait > 0 {
				tick.Reset(wait)
				break
			}
			if err := l.step(ctx); err != nil {
				return err
			}
			lastCommit = now
		}
	}
}

// nextStep is how long the committer may still sleep.
func (l *Ledger) nextStep(now, lastCommit time.Time) time.Duration {
	pending := l.pendingBytes()
	l.mu.Lock()
	urgent, waiting := l.draining > 0, len(l.waiters) > 0
	unpublished := l.status.Published != l.status.Size
	l.mu.Unlock()
	publish := l.pub.due(l, now)
	switch {
	case l.owed():
		return 0
	case pending >= segmentTarget, urgent && (pending > 0 || unpublished && l.pub.idle()):
		return 0
	case pending > 0 && waiting:
		return lastCommit.Add(l.cfg.CommitEvery).Sub(now)
	case pending > 0:
		return min(lastCommit.Add(idleCommitEvery).Sub(now), max(publish, lastCommit.Add(l.cfg.CommitEvery).Sub(now)))
	case unpublished:
		return publish
	}
	return l.pub.daily(l.cfg.Clock())
}

// step commits one batch, or closes a publish, or both.
func (l *Ledger) step(ctx context.Context) error {
	if err := l.checkClock(); err != nil {
		return err
	}
	from, groups, err := l.nextBatch()
	if err != nil {
		return err
	}
	l.mu.Lock()
	urgent := l.draining > 0
	l.mu.Unlock()
	now := l.cfg.Clock()
	closing := l.pub.idle() && (urgent && !l.moreThan(groups) || l.pub.due(l, now) <= 0)
	if len(groups) == 0 && !l.owed() && l.told().Published == l.state.edge.size && l.pub.daily(now) > 0 {
		return nil // there is nothing to publish
	}
	for {
		var t *batch
		err := l.retry(ctx, func() (err error) {
			t, err = l.build(ctx, groups)
			return err
		})
		if err != nil {
			return err
		}
		mark := l.markAfter(from, groups)
		if closing {
			if err := t.txn.closePublish(); err != nil {
				return err
			}
		} else if t.txn.size == l.state.edge.size && !l.barrier {
			// Nothing but repeats: there is nothing to write.
			t.txn.abort()
			return l.finish(t, nil, from, mark)
		}
		seg, data := t.txn.seal(&l.cfg.Writer, l.epoch, from, mark)
		l.readAhead(from, mark)
		final, err := l.put(ctx, t, seg, data)
		if errors.Is(err, errSlotTaken) {
			continue // build it again for the next slot
		}
		if err != nil {
			return err
		}
		t.txn = final
		return l.finish(t, seg, from, mark)
	}
}

// errSlotTaken: the slot holds something foreign; the segment goes to the next.
var errSlotTaken = errors.New("slot holds a foreign object")

// put writes the segment to its slot, however often it takes, always the same
// bytes, and resolves what stands there if it is taken. It returns the
// transaction that holds what was committed.
func (l *Ledger) put(ctx context.Context, b *batch, seg *Segment, data []byte) (*txn, error) {
	name := segmentName(seg.Seq)
	begun, tries := time.Now(), 0
	err := l.retry(ctx, func() error {
		tries++
		return l.cfg.Store.Create(ctx, name, data, l.lockUntil(l.cfg.Retention))
	})
	if err == nil && tries == 1 {
		l.room = data // after a failure who knows whether a driver still reads it
	}
	l.cfg.Log.Debug("segment", "seq", seg.Seq, "leaves", seg.Count(), "bytes", len(data), "took", time.Since(begun), "err", err)
	if err == nil {
		return b.txn, nil
	}
	b.txn.abort()
	if !errors.Is(err, store.ErrExist) {
		l.window.rollback(b.refs)
		return nil, fmt.Errorf("commit segment %d: %w", seg.Seq, err)
	}
	var found slot
	err = l.retry(ctx, func() (err error) {
		found, err = l.state.readSlot(ctx, l.cfg.Store, seg.Seq)
		return err
	})
	if err == nil && found.seg != nil && found.seg.Hash == seg.Hash {
		return found.txn, nil // our own write, whose reply was lost
	}
	l.window.rollback(b.refs)
	switch {
	case errors.Is(err, store.ErrNotExist):
		return nil, errSlotTaken // and free again
	case err != nil:
		return nil, fmt.Errorf("read back segment %d: %w", seg.Seq, err)
	case found.seg == nil:
		l.cfg.Log.Warn("a foreign object stands in the next slot; passing over it", "object", name, "sha256", found.void.SHA256)
		l.state.voids = append(l.state.voids, found.void)
		l.state.seq++
		return nil, errSlotTaken
	case found.seg.Epoch < l.epoch:
		// A write from before this process began, on its way until now.
		if err := l.adopt(found); err != nil {
			return nil, err
		}
		return nil, errSlotTaken
	}
	found.txn.abort()
	return nil, l.fenced(found.seg)
}

// adopt makes a segment the state's last that an earlier process wrote. What
// it holds of the batch at hand is found there again.
func (l *Ledger) adopt(found slot) error {
	seg := found.seg
	l.stateMu.Lock()
	l.pub.add(found.txn.commit(seg))
	l.ranges = append(l.ranges, segmentRange{seg.OldSize, seg.NewSize, seg.Seq})
	l.stateMu.Unlock()
	for i := range seg.Count() {
		l.window.addLeaf(seg.Leaf(i), seg.OldSize+uint64(i))
	}
	if err := l.fence(seg); err != nil {
		return err
	}
	return l.window.committed(seg.NewSize)
}

func (l *Ledger) lockUntil(d time.Duration) time.Time {
	if d == 0 {
		return time.Time{}
	}
	return l.cfg.Clock().Add(d)
}

// finish makes a committed batch the state and tells everybody. seg is nil
// when there was nothing to write.
func (l *Ledger) finish(b *batch, seg *Segment, from indelible.ID, mark journalMark) error {
	l.stateMu.Lock()
	if seg != nil {
		l.pub.add(b.txn.commit(seg))
		l.ranges = append(l.ranges, segmentRange{seg.OldSize, seg.NewSize, seg.Seq})
	}
	if from != (indelible.ID{}) {
		l.state.journals[from] = mark
	}
	size := l.state.edge.size
	l.stateMu.Unlock()
	// Before anything is published of it: nobody sees more published than there is.
	l.setStatus(func(s *Status) {
		s.Size, s.LastSegment = size, l.state.lastSeq
	})
	if seg != nil && b.txn.heads {
		l.pub.publish(l)
	}
	if seg != nil && l.barrier {
		l.barrier = false
		l.unfence()
	}
	l.stepBack = l.stepBack && seg == nil
	if err := l.fence(seg); err != nil {
		return err
	}
	l.journal.Grown(size)
	l.trim()
	l.deliver(b)
	l.answerControls(b.controls)
	if len(b.controls) > 0 {
		l.forgetErased()
	}
	for i := range b.groups {
		b.groups[i].Recycle() // the segment has copies
	}
	return l.window.committed(size)
}

// deliver tells waiting callers where their records are.
func (l *Ledger) deliver(b *batch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiters) == 0 {
		return
	}
	i := 0
	for _, g := range b.groups {
		for r := range g.Records {
			h := indelible.Hash(g.Records[r].PayloadHash)
			if ch, ok := l.waiters[h]; ok {
				ch <- b.placed[i]
				delete(l.waiters, h)
			}
			i++
		}
	}
}

// batch is what one segment is made of.
type batch struct {
	txn    *txn
	groups []journal.Group
	placed []Placed // one for every record
	refs   []indelible.Ref

	controls []*control
}

// build puts a batch on top of the state: order, numbers, duplicates.
func (l *Ledger) build(ctx context.Context, groups []journal.Group) (*batch, error) {
	s := l.state
	b := &batch{txn: s.begin(s.seq, l.commitTime()), groups: groups}
	b.txn.room, l.room = l.room, nil
	if err := l.addControls(b); err != nil {
		return nil, err
	}
	n := 0
	for _, g := range groups {
		n += len(g.Records)
	}
	b.txn.expect(n)
	b.placed = make([]Placed, 0, n)
	for _, g := range groups {
		for i := range g.Records {
			p, err := l.place(ctx, b, &g.Records[i])
			if err != nil {
				l.window.rollback(b.refs)
				return nil, err
			}
			b.placed = append(b.placed, p)
		}
	}
	return b, nil
}

// place gives one record its place, or finds the one it has already.
func (l *Ledger) place(ctx context.Context, b *batch, r *Record) (Placed, error) {
	t := b.txn
	no, ref, err := l.tenantOf(t, r)
	if err != nil {
		return Placed{}, err
	}
	kind := indelible.KindEvent
	earlier, found, err := l.window.lookup(ref)
	if err != nil {
		return Placed{}, err
	}
	if found {
		leaf, payload, err := l.earlier(ctx, t, earlier, l.retry)
		if err != nil {
			return Placed{}, err
		}
		if here, ok := windowRef(leaf); !ok || here != ref {
			return Placed{}, fmt.Errorf("the index of references is damaged; remove %s, it is made again", l.window.dir)
		}
		same := payload == nil // expired: there is nothing left to differ from
		if !same {
			if same, err = l.cfg.Sealer.SameEvent(payload, r.Payload); err != nil {
				return Placed{}, fmt.Errorf("compare with event %d: %w", earlier, err)
			}
		}
		if same {
			var was indelible.Leaf
			if err := was.Decode(leaf); err != nil {
				return Placed{}, err
			}
			return Placed{Index: earlier, Leaf: indelible.LeafHash(leaf), Segment: was.Segment, Repeat: true}, nil
		}
		kind = indelible.KindConflict
	}
	index, h := t.add(kind, ref, no, indelible.Hash(r.PayloadHash), r.Payload)
	if !found {
		l.window.add(ref, index)
		b.refs = append(b.refs, ref)
	}
	return Placed{Index: index, Leaf: h, Segment: t.seq, Conflict: found}, nil
}
