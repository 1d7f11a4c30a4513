package ledger

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"indelible"
	"indelible/internal/store"
)

// slot is what stands in a place of the log's end.
type slot struct {
	seg  *Segment // the segment, or nil
	txn  *txn     // holding seg
	void Void     // of what is there when seg is nil
}

// readSlot reads slot seq and says whether it holds the next segment of s. The
// oldest version that replays is the segment, whatever was put on top of it.
// store.ErrNotExist means that the slot is free.
func (s *state) readSlot(ctx context.Context, st store.Store, seq uint64) (slot, error) {
	name := segmentName(seq)
	versions, err := st.Versions(ctx, name)
	if err != nil {
		return slot{}, err
	}
	var foreign *slot
	for _, v := range versions {
		if v.DeleteMarker {
			continue
		}
		o, err := st.Read(ctx, name, store.ReadOptions{Version: v.ID})
		if errors.Is(err, store.ErrNotExist) {
			continue
		}
		if err != nil {
			return slot{}, err
		}
		seg, err := DecodeSegment(o.Data)
		if errors.Is(err, indelible.ErrNewerFormat) || errors.Is(err, indelible.ErrCriticalField) {
			return slot{}, fmt.Errorf("%s: %w", name, err)
		}
		if err == nil {
			t := s.begin(seq, seg.Time)
			if err = t.replay(seg, seg.digest()); err == nil {
				return slot{seg: seg, txn: t}, nil
			}
			t.abort()
		}
		if foreign == nil {
			foreign = &slot{void: Void{seq, sha256.Sum256(o.Data)}}
		}
	}
	if foreign == nil {
		return slot{}, fmt.Errorf("%s: %w", name, store.ErrNotExist)
	}
	return *foreign, nil
}

// replay takes all segments from slot s.seq on. each is called for every one
// of them after it has become the state's last, with the objects to publish.
// Foreign objects in slots are collected in s.voids until a segment passes over them.
func (s *state) replay(ctx context.Context, st store.Store, each func(*Segment, []object) error) error {
	after := walPrefix
	if s.seq > 0 {
		after = segmentName(s.seq - 1)
	}
	for name, err := range st.List(ctx, walPrefix, after) {
		if err != nil {
			return fmt.Errorf("list %s: %w", walPrefix, err)
		}
		seq, ok := numberOf(name, walPrefix)
		if !ok {
			continue
		}
		if seq != s.seq {
			// Something far ahead of the end. Ours it can only be if what
			// stood between was taken away.
			if err := s.checkBeyondGap(ctx, st, seq); err != nil {
				return err
			}
			return nil
		}
		found, err := s.readSlot(ctx, st, seq)
		if errors.Is(err, store.ErrNotExist) {
			return nil // a delete marker alone: the slot is free
		}
		if err != nil {
			return err
		}
		if found.seg == nil {
			s.voids = append(s.voids, found.void)
			s.seq++
			continue
		}
		if err := each(found.seg, found.txn.commit(found.seg)); err != nil {
			return err
		}
	}
	return nil
}

// checkBeyondGap reports tampering if slot seq, with free slots before it,
// holds a segment signed by one of our writers.
func (s *state) checkBeyondGap(ctx context.Context, st store.Store, seq uint64) error {
	seg, err := readSegmentHead(ctx, st, seq)
	var damaged *TamperError
	if errors.As(err, &damaged) {
		return nil
	}
	if err != nil {
		return err
	}
	if _, ours := s.writers[seg.Writer]; ours && seg.LogID == s.logID && seg.Seq == seq {
		return tampered(segmentName(s.seq), "missing, though %s is there", segmentName(seq))
	}
	return nil
}
