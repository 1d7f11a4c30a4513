// Package ledger gives recorded events their order and makes it provable: it
// commits the journal to the store as signed segments, grows the Merkle tree
// and publishes it. docs/format.md describes every byte it writes.
package ledger

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"indelible"
	"indelible/internal/journal"
)

// Errors a ledger ends with, for errors.Is.
var (
	// ErrOtherWriter: another data directory wrote last, or we were fenced.
	ErrOtherWriter = errors.New("another writer holds this log")
	// ErrClosed: the ledger was closed.
	ErrClosed = errors.New("ledger is closed")
	// ErrClock: the clock is not to be believed; commits have stopped.
	ErrClock = errors.New("clock is off")
	// ErrOverdue: records wait so long that the promise of their receipts is near its end.
	ErrOverdue = errors.New("the oldest record has waited too long for the store")
)

// Record is a sealed event, ready for the journal.
type Record = journal.Record

// Placed says where a record ended up in the log.
type Placed struct {
	Index    uint64
	Leaf     indelible.Hash
	Segment  uint64
	Repeat   bool // the same event was there before, at Index
	Conflict bool // kept as a conflict: its id was taken by other content
}

// Ledger is an open log: the one writer of its data directory.
type Ledger struct {
	cfg     Config
	journal *journal.Journal
	window  *window

	mu       sync.Mutex
	tenants  map[string]*TenantKeys
	waiters  map[indelible.Hash]chan Placed
	status   Status
	err      error      // why the committer ended
	draining int        // callers that want everything in the store now
	controls []*control // system leaves that are to be committed
	signed   []byte     // the published checkpoint
	oldest   oldestRecord
	changed  chan struct{} // closed and renewed when status or err change

	heldMu sync.Mutex
	held   []ed25519.PrivateKey // log keys: cfg.LogKeys, and what Hold brought

	stateMu sync.RWMutex
	state   *state // nil until the log was replayed
	ranges  []segmentRange

	// Of the committer alone.
	epoch    uint64 // of this process
	barrier  bool   // a takeover is not in the log yet
	stepBack bool   // the next segment's time may be earlier than the last one's

	confirmedSkew time.Duration // what the store's clock may be off

	ahead       *ahead                   // the next batch, being read
	room        []byte                   // of the last segment, for the next
	descriptors map[indelible.Ref][]byte // of tenants, known to carry the right salt
	clockSeen   time.Time

	reader *segmentCache
	wake   chan struct{}
	stop   context.CancelFunc
	done   chan struct{}
	pub    publisher
}

// Status is what a ledger says of itself.
type Status struct {
	Ready       bool      // the log was replayed; this process may write
	Size        uint64    // of the committed tree
	Published   uint64    // size of the tree in the checkpoint
	Pending     int64     // bytes in the journal that are not in the store
	StoreErr    error     // the last answer of a store that is away
	StoreSince  time.Time // since when
	LastSegment uint64
}

// TenantKeys is what the recorder needs to make records of a tenant.
type TenantKeys struct {
	Ref        indelible.Ref
	IDKey      [32]byte
	Descriptor []byte
	settled    bool // the tenant is in the log
}

// Open opens the journal, starts the committer and returns at once; the store
// is not needed for that. The caller holds the lock on the data directory.
func Open(cfg Config) (*Ledger, error) {
	l := &Ledger{
		cfg:     cfg.withDefaults(),
		held:    cfg.LogKeys,
		tenants: make(map[string]*TenantKeys),
		waiters: make(map[indelible.Hash]chan Placed),
		changed: make(chan struct{}),
		wake:    make(chan struct{}, 1),
		done:    make(chan struct{}),

		descriptors: make(map[indelible.Ref][]byte),
	}
	l.reader = newSegmentCache(l.cfg.Store)
	if err := l.checkFenced(); err != nil {
		return nil, err
	}
	mark, err := readMark(l.cfg.FS, l.cfg.Dir)
	if err != nil {
		return nil, err
	}
	l.window, err = openWindow(l.cfg.FS, filepath.Join(l.cfg.Dir, "journal", "window"), l.cfg.LogID)
	if err != nil {
		return nil, err
	}
	l.journal, err = journal.Open(l.cfg.FS, filepath.Join(l.cfg.Dir, "journal"), l.journalOptions(mark.Size))
	if err != nil {
		return nil, fmt.Errorf("open the journal: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	l.stop = cancel
	l.pub.start(ctx)
	go l.run(ctx)
	return l, nil
}

// Append writes records to the journal and returns when they are durable
// there. The acknowledgements carry the signed promise.
func (l *Ledger) Append(ctx context.Context, records []Record) ([]journal.Ack, error) {
	// A clock that is off stops commits, not the journal.
	if err := l.Err(); err != nil && !errors.Is(err, ErrClock) {
		return nil, err
	}
	if err := l.checkOverdue(); err != nil {
		return nil, err
	}
	acks, err := l.journal.Append(ctx, records)
	if err != nil {
		return nil, err
	}
	l.nudge()
	return acks, nil
}

// Expect registers interest in where the record with this payload hash ends
// up. It must be called before Append, or the answer may be missed.
func (l *Ledger) Expect(payload indelible.Hash) <-chan Placed {
	ch := make(chan Placed, 1)
	l.mu.Lock()
	l.waiters[payload] = ch
	l.mu.Unlock()
	return ch
}

// Forget ends the interest registered by Expect.
func (l *Ledger) Forget(payload indelible.Hash) {
	l.mu.Lock()
	delete(l.waiters, payload)
	l.mu.Unlock()
}

// Err is why the ledger stopped committing, or nil.
func (l *Ledger) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Status reports how things stand.
func (l *Ledger) Status() Status {
	s := l.told()
	s.Pending = l.pendingBytes() // which grows while no commit tells of it
	return s
}

// told is the status but for what is pending.
func (l *Ledger) told() Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.status
}

// setStatus changes the status and tells who waits for that.
func (l *Ledger) setStatus(change func(*Status)) {
	l.mu.Lock()
	change(&l.status)
	close(l.changed)
	l.changed = make(chan struct{})
	l.mu.Unlock()
}

// await waits until ok says so of the status, the ledger fails or ctx ends.
func (l *Ledger) await(ctx context.Context, ok func(*Status) bool) error {
	for {
		l.mu.Lock()
		done, err, changed := ok(&l.status), l.err, l.changed
		l.mu.Unlock()
		switch {
		case done:
			return nil
		case err != nil:
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Ready waits until the log was replayed and this process may write.
func (l *Ledger) Ready(ctx context.Context) error {
	return l.await(ctx, func(s *Status) bool { return s.Ready })
}

// Flush waits until everything that is in the journal now is in the store and published.
func (l *Ledger) Flush(ctx context.Context) error {
	l.mu.Lock()
	l.draining++
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		l.draining--
		l.mu.Unlock()
	}()
	l.nudge()
	return l.await(ctx, func(s *Status) bool {
		// The status tells of the last commit; what was appended since is in
		// the journal only. Size is read after the journal: then it counts
		// what was committed of it.
		if !s.Ready || l.pendingBytes() > 0 {
			return false
		}
		l.stateMu.RLock()
		defer l.stateMu.RUnlock()
		return s.Published == l.state.edge.size
	})
}

// Away returns why the store is away, if it has not answered for patience, not
// counting the time before begun.
func (l *Ledger) Away(begun time.Time, patience time.Duration) error {
	st := l.told()
	since := st.StoreSince
	if begun.After(since) {
		since = begun
	}
	if st.StoreErr == nil || time.Since(since) < patience {
		return nil
	}
	return st.StoreErr
}

// FlushWhileStoreAnswers flushes for as long as the store answers; away says
// why what is left stays in the journal.
func (l *Ledger) FlushWhileStoreAnswers(ctx context.Context, patience time.Duration) (away, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	flushed := make(chan error, 1)
	go func() { flushed <- l.Flush(ctx) }()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for begun := time.Now(); ; {
		select {
		case err := <-flushed:
			if errors.Is(err, ErrClock) {
				return err, nil
			}
			return nil, err
		case <-tick.C:
			if away := l.Away(begun, patience); away != nil {
				return away, nil
			}
		}
	}
}

// nudge wakes the committer.
func (l *Ledger) nudge() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Close stops the committer where it stands; what is not in the store stays in
// the journal. Call Flush first to leave nothing behind.
func (l *Ledger) Close() error {
	l.stop()
	<-l.done
	l.pub.wait()
	l.pub.keepLast(l)
	err := l.window.close()
	return errors.Join(err, l.closeJournal())
}

// fail ends the ledger: nothing more is committed.
func (l *Ledger) fail(err error) {
	l.mu.Lock()
	if l.err == nil {
		l.err = err
	}
	close(l.changed)
	l.changed = make(chan struct{})
	l.mu.Unlock()
	l.stop()
}

// Done is closed when the committer has ended; Err says why.
func (l *Ledger) Done() <-chan struct{} { return l.done }
