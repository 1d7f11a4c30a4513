package ledger

import (
	"errors"
	"fmt"

	"indelible"
)

// replay takes a decoded segment into the transaction, checking it and every
// leaf of it against what the log says so far.
func (t *txn) replay(seg *Segment, d digest) error {
	wrong := func(i int, err error) error {
		if err != nil && t.tolerate != nil {
			t.tolerate(i, err)
			return nil
		}
		return err
	}
	if err := wrong(-1, t.checkHeader(seg)); err != nil {
		return err
	}
	for i := range seg.Count() {
		err := t.replayLeaf(seg, i, d)
		if err = wrong(i, err); err != nil {
			return fmt.Errorf("leaf %d: %w", seg.OldSize+uint64(i), err)
		}
	}
	t.leaves, t.hashes, t.roots = seg.Leaves, d.leaves, d.roots
	t.growTree()
	return wrong(-1, t.checkResult(seg))
}

// checkHeader checks that the segment continues the log.
func (t *txn) checkHeader(seg *Segment) error {
	s := t.base
	switch {
	case seg.Seq != t.seq:
		return fmt.Errorf("segment says it is number %d", seg.Seq)
	case seg.OldSize != t.size || seg.OldRoot != s.edge.root():
		return fmt.Errorf("segment continues a tree of size %d, the log has %d", seg.OldSize, t.size)
	case seg.Previous != s.last:
		return errors.New("segment names another predecessor")
	case seg.Epoch < s.epoch:
		return fmt.Errorf("segment of epoch %d after epoch %d", seg.Epoch, s.epoch)
	case seg.Epoch == s.epoch && seg.Writer != s.writer:
		return errors.New("segment of another writer in the same epoch")
	}
	return t.checkVoids(seg.Voids)
}

// checkResult checks what the segment says of itself once its leaves are in.
func (t *txn) checkResult(seg *Segment) error {
	s := t.base
	w, ok := s.writers[seg.Writer]
	for i := range t.writers {
		if t.writers[i].Key == seg.Writer {
			w, ok = t.writers[i], true
		}
	}
	switch {
	case seg.LogID != t.logID:
		return errors.New("segment belongs to another log")
	case !ok || seg.Epoch < w.Epoch:
		return errors.New("segment's writer key is not endorsed for its epoch")
	case t.edge.size != seg.NewSize || t.edge.root() != seg.NewRoot:
		return errors.New("segment's new root does not follow from its leaves")
	case !t.stepBack && seg.Time < s.time:
		return errors.New("segment is earlier than the one before it")
	}
	return nil
}

// checkVoids checks that the segment passes over every slot between it and the
// one before it. What stands there by now is not its business: who put it
// there can change it or take it away.
func (t *txn) checkVoids(voids []Void) error {
	next := t.base.lastSeq + 1
	if t.base.edge.size == 0 {
		next = 0
	}
	for _, v := range voids {
		if v.Seq != next {
			return fmt.Errorf("segment passes over slot %d, not %d", v.Seq, next)
		}
		next++
	}
	if next != t.seq {
		return fmt.Errorf("segment does not say what stands in slot %d", next)
	}
	return nil
}

// replayLeaf takes leaf i in, whatever is found wrong with it, unless it is
// not a leaf at all.
func (t *txn) replayLeaf(seg *Segment, i int, d digest) error {
	encoded, payload := seg.Leaf(i), seg.Payloads[i]
	var leaf indelible.Leaf
	if err := leaf.Decode(encoded); err != nil {
		t.size++ // it is in the tree alone
		return err
	}
	err := t.checkOrder(&leaf, seg)
	if !d.intact[i] {
		err = errors.Join(err, errors.New("payload does not match its leaf"))
	} else if !leaf.Kind.OfTenant() && err == nil {
		err = t.checkSystem(&leaf, payload, seg)
	}
	t.take(&leaf, encoded, d.leaf(i), payload)
	return err
}

// checkOrder checks what a leaf says of its place.
func (t *txn) checkOrder(leaf *indelible.Leaf, seg *Segment) error {
	if leaf.Segment != seg.Seq || leaf.Time != seg.Time {
		return errors.New("leaf names another segment or time")
	}
	var zeroRef indelible.Ref
	switch {
	case leaf.Kind == indelible.KindTenant:
		if leaf.TenantNo != t.tenantCount()+1 || leaf.TenantSeq != 1 || leaf.Previous != (indelible.Hash{}) {
			return fmt.Errorf("tenant leaf number %d out of order", leaf.TenantNo)
		}
		if _, taken := t.tenantNo(leaf.EventRef); taken {
			return errors.New("tenant has a row already")
		}
	case leaf.Kind.OfTenant():
		if leaf.TenantNo == 0 || leaf.TenantNo > t.tenantCount() {
			return fmt.Errorf("no tenant number %d", leaf.TenantNo)
		}
		if row := t.row(leaf.TenantNo); leaf.TenantSeq != row.TenantSeq+1 || leaf.Previous != row.Leaf {
			return fmt.Errorf("leaf %d of tenant number %d does not follow its leaf %d", leaf.TenantSeq, leaf.TenantNo, row.TenantSeq)
		}
	case leaf.TenantNo != 0 || leaf.TenantSeq != 0 || leaf.EventRef != zeroRef || leaf.Previous != (indelible.Hash{}):
		return errors.New("system leaf names a tenant")
	}
	return nil
}
