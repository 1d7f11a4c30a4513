package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"indelible"
	"indelible/internal/disk"
	"indelible/internal/journal"
	"indelible/internal/store"
)

// recover replays the log to its end, checks that this directory may write,
// and finds out what of the journal is committed already.
func (l *Ledger) recover(ctx context.Context) error {
	mark, err := readMark(l.cfg.FS, l.cfg.Dir)
	if err != nil {
		return err
	}
	s, c, err := l.loadState(ctx)
	if err != nil {
		return err
	}
	var published uint64
	if c != nil {
		published = c.Size
		l.pub.load(s, c)
	}
	l.ranges = nil
	var leaves []byte // replayed
	var fences []Fence
	var fenceErr error
	first := s.edge.size
	err = l.replayFrom(ctx, s, c, mark, func(seg *Segment, objects []object) {
		l.pub.add(objects)
		l.ranges = append(l.ranges, segmentRange{seg.OldSize, seg.NewSize, seg.Seq})
		leaves = append(leaves, seg.Leaves...)
		more, err := seg.fencesOf(0)
		fences, fenceErr = append(fences, more...), cmp.Or(fenceErr, err)
	})
	if err != nil {
		return err
	}
	if fenceErr != nil {
		return fenceErr
	}
	if err := l.checkWriter(s); err != nil {
		return err
	}
	if _, err := s.signers(l.logKeys()); err != nil {
		return err
	}
	if c != nil {
		l.setSigned(c.Signed)
	}
	if err := l.settleClock(s); err != nil {
		return err
	}
	if known := l.window.next; known > s.edge.size {
		return tampered(walPrefix, "the store was rolled back: this directory committed %d leaves, the log ends at %d", known, s.edge.size)
	}
	if err := l.fillWindow(ctx, first, leaves); err != nil {
		return err
	}
	if err := l.findMarks(ctx, s); err != nil {
		return err
	}
	// Before anything is opened, and so before a tenant's leaf is.
	if err := l.applyFences(ctx, s, c, fences); err != nil {
		return err
	}
	l.stateMu.Lock()
	l.state = s
	l.epoch, l.barrier = s.epoch+1, l.cfg.TakeOver
	l.stateMu.Unlock()
	l.settleTenants()
	l.setStatus(func(st *Status) {
		st.Size, st.Published, st.LastSegment = s.edge.size, published, s.lastSeq
	})
	return nil
}

// replayFrom replays what follows the published state, and checks that the log
// continues the largest tree this directory signed.
func (l *Ledger) replayFrom(ctx context.Context, s *state, c *Checkpoint, mark Mark, each func(*Segment, []object)) error {
	if err := l.checkMark(ctx, s, c, mark); err != nil {
		return err
	}
	continues := mark.Size <= s.edge.size
	err := s.replay(ctx, l.cfg.Store, func(seg *Segment, objects []object) error {
		continues = continues || s.edge.size == mark.Size && s.edge.root() == mark.Root
		each(seg, objects)
		return nil
	})
	switch {
	case err != nil:
		return err
	case s.edge.size == 0:
		return tampered(segmentName(0), "missing: the store holds no log")
	case s.edge.size < mark.Size:
		return tampered(checkpointName, "the store was rolled back: this directory signed a tree of size %d, the log ends at %d", mark.Size, s.edge.size)
	case !continues:
		return tampered(checkpointName, "the log forked: it does not continue the tree of size %d this directory signed", mark.Size)
	case s.logID != l.cfg.LogID:
		return tampered(segmentName(0), "another log with the same name")
	}
	return nil
}

// loadState loads the published state, or an empty one when nothing was
// published yet.
func (l *Ledger) loadState(ctx context.Context) (*state, *Checkpoint, error) {
	signed, etag, err := readCheckpoint(ctx, l.cfg.Store)
	if errors.Is(err, store.ErrNotExist) {
		return newState(l.cfg.Origin), nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read the checkpoint: %w", err)
	}
	c, err := openWithAny(signed, l.cfg.Origin, l.logKeys())
	if err != nil {
		return nil, nil, tampered(checkpointName, "%v", err)
	}
	l.pub.etag = etag
	s, err := loadPublished(ctx, l.cfg.Store, c)
	return s, c, err
}

// readCheckpoint reads the checkpoint and what it takes to replace it.
func readCheckpoint(ctx context.Context, st store.Store) (signed []byte, etag string, err error) {
	o, err := st.Read(ctx, checkpointName, store.ReadOptions{})
	if err != nil {
		return nil, "", err
	}
	if len(o.Data) > maxCheckpoint {
		return nil, "", tampered(checkpointName, "longer than the %d bytes it can have", maxCheckpoint)
	}
	return o.Data, o.ETag, nil
}

// checkWriter refuses to write where another data directory wrote last, unless
// told to take over.
func (l *Ledger) checkWriter(s *state) error {
	last, ok := s.writers[s.writer]
	if ok && last.Directory == l.cfg.Writer.Endorsed.Directory && s.writer == l.cfg.Writer.Endorsed.Key {
		return nil
	}
	if !l.cfg.TakeOver {
		return fmt.Errorf("%w: segment %d was written by data directory %s", ErrOtherWriter, s.lastSeq, last.Directory)
	}
	return nil
}

const fencedFile = "fenced"

// checkFenced refuses to start in a directory that knows it was fenced.
func (l *Ledger) checkFenced() error {
	name := filepath.Join(l.cfg.Dir, "journal", fencedFile)
	text, err := disk.ReadFile(l.cfg.FS, name, 1<<10)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !l.cfg.TakeOver:
		return fmt.Errorf("%w: %s", ErrOtherWriter, text)
	}
	return nil
}

// fenced remembers that another writer went on in our place.
func (l *Ledger) fenced(by *Segment) error {
	directory := l.state.writers[by.Writer].Directory
	text := fmt.Sprintf("segment %d of epoch %d was written by data directory %s", by.Seq, by.Epoch, directory)
	name := filepath.Join(l.cfg.Dir, "journal", fencedFile)
	err := disk.WriteFile(l.cfg.FS, name, []byte(text))
	return errors.Join(fmt.Errorf("%w: %s", ErrOtherWriter, text), err)
}

// unfence forgets a fence once a takeover has been committed.
func (l *Ledger) unfence() {
	name := filepath.Join(l.cfg.Dir, "journal", fencedFile)
	if err := l.cfg.FS.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		l.cfg.Log.Warn("cannot forget the fence", "err", err)
	}
}

// findMarks finds for every journal left by earlier processes how much of it
// is in the store: the latest segment that names it says so.
func (l *Ledger) findMarks(ctx context.Context, s *state) error {
	wanted := make(map[indelible.ID]journal.Info)
	oldest := s.edge.size
	for _, j := range l.journal.Journals() {
		if _, known := s.journals[j.ID]; !known && !j.Live {
			wanted[j.ID] = j
			oldest = min(oldest, j.OpeningSize)
		}
	}
	// Back along the chain of hashes: what else stands in slots says nothing.
	// Where the chain is damaged the journals count as not committed.
	size, hash := s.edge.size, s.last
	for seq := s.lastSeq; len(wanted) > 0 && size > oldest; {
		seg, err := readSegmentHead(ctx, l.cfg.Store, seq)
		if err != nil && !isTampering(err) {
			return err
		}
		if err != nil || seg.Hash != hash {
			break
		}
		if _, ok := wanted[seg.Journal]; ok {
			s.journals[seg.Journal] = journalMark{seg.JournalPosition, seg.JournalHash}
			delete(wanted, seg.Journal)
		}
		size, hash = seg.OldSize, seg.Previous
		seq -= 1 + uint64(len(seg.Voids))
	}
	for _, j := range l.journal.Journals() {
		mark, known := s.journals[j.ID]
		if !known || j.Live {
			continue
		}
		if h, ok := l.journal.HashAt(j.ID, mark.position); !ok || indelible.Hash(h) != mark.hash {
			// The file is not the one that was committed from: a disk snapshot
			// or a cloned folder. What it holds counts as not committed;
			// records that are in the log already are found by their references.
			l.cfg.Log.Warn("a journal was restored from a copy; reading it from its beginning", "journal", j.ID)
			delete(s.journals, j.ID)
		}
	}
	return nil
}
