package ledger

import (
	"crypto/ed25519"
	"fmt"
	"time"

	"indelible"
	"indelible/internal/journal"
)

// journalOptions are how this ledger's journal is opened.
func (l *Ledger) journalOptions(size uint64) journal.Options {
	return journal.Options{
		OpeningSize: size,
		Directory:   [16]byte(l.cfg.Writer.Endorsed.Directory),
		Clock:       l.cfg.Clock,
		Signer: func(root [32]byte, id [16]byte, group uint64, unixMilli int64) (sig [64]byte, err error) {
			m := indelible.ReceiptMessage(l.cfg.LogID, indelible.ID(id), group, unixMilli, indelible.Hash(root))
			copy(sig[:], ed25519.Sign(l.cfg.Writer.Key, m))
			return sig, nil
		},
	}
}

// nextBatch reads the groups for the next segment: from the oldest journal
// that holds something uncommitted, and from that one alone.
func (l *Ledger) nextBatch() (from indelible.ID, groups []journal.Group, err error) {
	for _, j := range l.journal.Journals() {
		at := l.committed(j)
		if at >= j.Length {
			continue
		}
		from = indelible.ID(j.ID)
		if ready := l.takeAhead(from, at); ready != nil {
			return from, ready, nil
		}
		groups, err := l.readGroups(j, at)
		return from, groups, err
	}
	return from, nil, nil
}

// readGroups reads groups of a journal for one segment, at least one.
func (l *Ledger) readGroups(j journal.Info, at uint64) (groups []journal.Group, err error) {
	target := segmentTarget
	if j.Length-at > 2*segmentTarget {
		target = segmentBacklog
	}
	for size := 0; at < j.Length; {
		g, err := l.journal.ReadGroup(j.ID, at)
		if err != nil {
			return nil, fmt.Errorf("read the journal: %w", err)
		}
		n := int(g.End - g.Offset)
		if len(groups) > 0 && size+n > target {
			break
		}
		groups, size, at = append(groups, g), size+n, g.End
	}
	return groups, nil
}

// ahead is the next batch, read while the one before it is on its way to the store.
type ahead struct {
	from   indelible.ID
	at     uint64
	groups chan []journal.Group // nil if reading failed: it is read again
}

// readAhead begins to read what follows a mark, if there is a segment's worth.
func (l *Ledger) readAhead(from indelible.ID, mark journalMark) {
	for _, j := range l.journal.Journals() {
		if j.ID != from || j.Length < mark.position+segmentTarget {
			continue
		}
		a := &ahead{from, mark.position, make(chan []journal.Group, 1)}
		l.ahead = a
		go func() {
			groups, err := l.readGroups(j, a.at)
			if err != nil {
				groups = nil
			}
			a.groups <- groups
		}()
	}
}

// takeAhead returns what was read ahead, if it is what follows.
func (l *Ledger) takeAhead(from indelible.ID, at uint64) []journal.Group {
	a := l.ahead
	l.ahead = nil
	if a == nil {
		return nil
	}
	groups := <-a.groups
	if a.from != from || a.at != at {
		return nil
	}
	return groups
}

// committed is the offset in a journal up to which it is in the store.
func (l *Ledger) committed(j journal.Info) uint64 {
	l.stateMu.RLock()
	defer l.stateMu.RUnlock()
	if l.state != nil {
		if mark, ok := l.state.journals[indelible.ID(j.ID)]; ok {
			return mark.position
		}
	}
	return j.First
}

// markAfter is the mark of a journal once the groups are committed.
func (l *Ledger) markAfter(from indelible.ID, groups []journal.Group) journalMark {
	if n := len(groups); n > 0 {
		return journalMark{groups[n-1].End, indelible.Hash(groups[n-1].Hash)}
	}
	return journalMark{}
}

// pendingBytes is how much of the journals is not in the store.
func (l *Ledger) pendingBytes() int64 {
	var n int64
	for _, j := range l.journal.Journals() {
		if at := l.committed(j); j.Length > at {
			n += int64(j.Length - at)
		}
	}
	return n
}

// moreThan reports whether the journals hold more than the groups at hand.
func (l *Ledger) moreThan(groups []journal.Group) bool {
	var n int64
	for _, g := range groups {
		n += int64(g.End - g.Offset)
	}
	return l.pendingBytes() > n
}

// overdueMargin is how long before a promise ends nothing more is promised.
const overdueMargin = time.Hour

// checkOverdue refuses records while the oldest one waiting nears the end of
// its promise: what is said to be in the log within a day must not grow. Only
// a store that is away for that long gets here.
func (l *Ledger) checkOverdue() error {
	away := l.told().StoreErr
	if away == nil {
		return nil
	}
	since, err := l.waitingSince()
	if err != nil || since.IsZero() {
		return err
	}
	if waited := l.cfg.Clock().Sub(since); waited > indelible.MergeWithin-overdueMargin {
		return fmt.Errorf("%w: %s; bring the store back first: %w", ErrOverdue, waited.Round(time.Minute), away)
	}
	return nil
}

// waitingSince is when the oldest record that is not in the store was
// journalled, by this process or one before it. It is read from the journal
// once for each place the journal has been committed to.
func (l *Ledger) waitingSince() (time.Time, error) {
	for _, j := range l.journal.Journals() {
		at := l.committed(j)
		if at >= j.Length {
			continue
		}
		l.mu.Lock()
		known := l.oldest
		l.mu.Unlock()
		if known.journal == j.ID && known.at == at {
			return known.time, nil
		}
		g, err := l.journal.ReadGroup(j.ID, at)
		if err != nil {
			return time.Time{}, fmt.Errorf("read the journal: %w", err)
		}
		known = oldestRecord{j.ID, at, time.UnixMilli(g.Time)}
		l.mu.Lock()
		l.oldest = known
		l.mu.Unlock()
		return known.time, nil
	}
	return time.Time{}, nil
}

// oldestRecord is where the first uncommitted group stands, and its time.
type oldestRecord struct {
	journal indelible.ID
	at      uint64
	time    time.Time
}

// trim deletes journals that are in the store entirely. The one being written
// stays.
func (l *Ledger) trim() {
	for _, j := range l.journal.Journals() {
		if j.Live || l.committed(j) < j.Length {
			continue
		}
		if err := l.journal.Trim(j.ID); err != nil {
			l.cfg.Log.Warn("a committed journal cannot be deleted", "journal", indelible.ID(j.ID), "err", err)
		}
	}
}

// closeJournal ends the journal, and deletes it if all of it is in the store.
func (l *Ledger) closeJournal() error {
	for _, j := range l.journal.Journals() {
		if at := l.committed(j); j.Live && at == j.Length {
			if _, err := l.journal.Retire(j.ID, at); err != nil {
				l.cfg.Log.Warn("a committed journal cannot be deleted", "journal", j.ID, "err", err)
			}
		}
	}
	return l.journal.Close()
}
