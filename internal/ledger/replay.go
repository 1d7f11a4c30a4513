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
	var ours error
	for _, v := range versions {
		if v.DeleteMarker {
			continue
		}
		o, err := st.Read(ctx, name, store.ReadOptions{Length: MaxSegment + 1, Version: v.ID})
		if errors.Is(err, store.ErrNotExist) {
			continue
		}
		if err != nil {
			return slot{}, err
		}
		seg, err := DecodeSegment(o.Data)
		if errors.Is(err, indelible.ErrNewerFormat) {
			if was, werr := DecodeSegment(ofThisVersion(segmentMagic, o.Data)); werr == nil && was.Seq == seq && s.mayWrite(was) {
				err, ours = errVersionChanged, tampered(name, "%v", errVersionChanged)
			}
		}
		if errors.Is(err, indelible.ErrNewerFormat) || errors.Is(err, indelible.ErrCriticalField) && s.mayWrite(seg) {
			return slot{}, fmt.Errorf("%s: %w", name, err)
		}
		if err == nil {
			t := s.begin(seq, seg.Time)
			if err = t.replay(seg, seg.digest()); err == nil {
				return slot{seg: seg, txn: t}, nil
			}
			t.abort()
			if seg.Seq == seq && s.mayWrite(seg) {
				// Nobody else can make one: what was before it is not what it was.
				ours = tampered(name, "is of this log and does not continue it: %v", err)
			}
		}
		if foreign == nil {
			sum, err := sumOf(ctx, st, name, v.ID, o)
			if err != nil {
				return slot{}, err
			}
			foreign = &slot{void: Void{seq, sum}}
		}
	}
	if ours != nil {
		return slot{}, ours
	}
	if foreign == nil {
		return slot{}, fmt.Errorf("%s: %w", name, store.ErrNotExist)
	}
	return *foreign, nil
}

// sumOf hashes an object whose beginning is o: somebody else's can be of any size.
func sumOf(ctx context.Context, st store.Store, name, version string, o store.Object) (indelible.Hash, error) {
	d := sha256.New()
	d.Write(o.Data)
	for at := int64(len(o.Data)); at < o.Size; {
		more, err := st.Read(ctx, name, store.ReadOptions{Offset: at, Length: 8 << 20, Version: version})
		if err != nil {
			return indelible.Hash{}, err
		}
		if len(more.Data) == 0 {
			break // somebody cut it while we read
		}
		d.Write(more.Data)
		at += int64(len(more.Data))
	}
	return indelible.Hash(d.Sum(nil)), nil
}

// mayWrite reports whether a segment is by a writer of the log.
func (s *state) mayWrite(seg *Segment) bool {
	_, known := s.writers[seg.Writer]
	return known && seg.LogID == s.logID
}

// replay takes all segments from slot s.seq on. each is called for every one
// of them after it has become the state's last, with the objects to publish.
// Foreign objects in slots are collected in s.voids until a segment passes over them.
func (s *state) replay(ctx context.Context, st store.Store, each func(*Segment, []object) error) error {
	for {
		found, err := s.readSlot(ctx, st, s.seq)
		if errors.Is(err, store.ErrNotExist) {
			if found, err = s.beyondGap(ctx, st); err == nil && found.seg == nil {
				return nil // the end of the log
			}
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
}

// beyondGap looks behind the free slot s.seq for the next segment: what a
// segment passed over may have been taken away since.
func (s *state) beyondGap(ctx context.Context, st store.Store) (slot, error) {
	for name, err := range st.List(ctx, walPrefix, segmentName(s.seq)) {
		if err != nil {
			return slot{}, fmt.Errorf("list %s: %w", walPrefix, err)
		}
		seq, ok := numberOf(name, walPrefix)
		if !ok {
			continue
		}
		found, err := s.readSlot(ctx, st, seq)
		if errors.Is(err, store.ErrNotExist) {
			continue
		}
		if err != nil || found.seg != nil {
			return found, err
		}
		if err := s.checkBeyondGap(ctx, st, seq); err != nil {
			return slot{}, err
		}
	}
	return slot{}, nil
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
	if s.mayWrite(seg) && seg.Seq == seq {
		return tampered(segmentName(s.seq), "missing, though %s is there", segmentName(seq))
	}
	return nil
}
