// Package journal is the durable local queue in front of the log. Records are
// appended in groups, one write and one fsync for all callers that wait, and
// read back by the committer, which deletes whole files once they are in the
// store. docs/format.md describes the files (Journal).
package journal

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"indelible"
	"indelible/internal/disk"
)

// Errors of a journal, for errors.Is.
var (
	// ErrFull: the records on disk that are not in the store have reached the limit.
	ErrFull = errors.New("journal is full")
	// ErrBroken: a write or fsync failed, so nobody knows what is on the disk.
	// Every later call gets it. The process must end and start again.
	ErrBroken = errors.New("journal is broken, restart the process")
	// ErrDiskFull comes with ErrBroken when the reason was a full disk.
	ErrDiskFull = errors.New("disk is full")
	// ErrClosed: the journal was closed.
	ErrClosed = errors.New("journal is closed")
)

// Signer signs the root over a group's records: the promise in their receipts.
type Signer func(root [32]byte, journalID [16]byte, groupOffset uint64, unixMilli int64) ([64]byte, error)

// Options are how a journal is opened. Signer must be set, the rest has defaults.
type Options struct {
	Signer      Signer
	OpeningSize uint64   // the largest tree size this writer knows of
	Directory   [16]byte // identity of the data directory
	Clock       func() time.Time

	FileBytes     int64 // a file that has grown beyond is not continued; 64 MiB
	InFlightBytes int64 // records not yet durable; beyond, callers wait; 64 MiB
	// MaxBytes bounds the records on disk; beyond, callers are refused; 10 GiB.
	// Room kept for later records does not count: at most two spare files, and
	// what is not used yet of the live one, each of FileBytes and one group.
	MaxBytes   int64
	GroupBytes int // of one group's records, at most 4 MiB, the default
}

func (o Options) withDefaults() Options {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	o.FileBytes = cmp.Or(o.FileBytes, 64<<20)
	o.InFlightBytes = cmp.Or(o.InFlightBytes, 64<<20)
	o.MaxBytes = cmp.Or(o.MaxBytes, 10<<30)
	o.GroupBytes = min(cmp.Or(o.GroupBytes, maxBody), maxBody)
	return o
}

// Info describes one journal file.
type Info struct {
	ID          indelible.ID
	Counter     uint64       // orders the files of a directory
	Directory   indelible.ID // identity of the data directory whose writer began it
	OpeningSize uint64       // a tree size that writer knew then; 0 when the header is damaged
	Created     int64        // ms
	First       uint64       // offset where reading begins
	Length      uint64       // up to the end of the last durable group
	Live        bool         // it may grow
	TornBytes   uint64       // behind Length, of a write that a crash cut short
	OldBytes    uint64       // behind these, of the journal that had the file before; they mean nothing
	Damage      []Damage
}

// Journal is the open journal of a data directory. Its methods may be called
// by many goroutines at once.
type Journal struct {
	fsys disk.FS
	dir  string
	opts Options

	mu       sync.Mutex
	work     sync.Cond // the writer waits for batches, or for closing
	files    []*file   // oldest first
	counter  uint64    // of the newest file
	size     uint64    // tree size for the next file's header
	queue    []*batch
	writing  bool
	closing  bool
	err      error         // broken, or at last ErrClosed
	stored   int64         // bytes in the files, without what is free in them
	spares   []string      // paths of files to be used again
	nspares  uint64        // number of the newest spare
	promised int64         // bytes of admitted records that are not in stored
	flight   flight        // bounds the bytes in memory
	recent   recent        // for ReadGroup
	grown    chan struct{} // closed when a group has become durable; nil when nobody waits
	synced   time.Duration // how long the last sync took, for the writer
	hasher   hasher        // the writer's
	done     chan struct{} // closed when the writer has ended

	readMu sync.Mutex // before mu
	reader reader
}

// Open scans the journals that earlier processes left in dir and prepares to
// begin a new one, which the first Append does. The caller holds the lock on
// the data directory. Damage does not fail Open; Journals names it.
func Open(fsys disk.FS, dir string, opts Options) (*Journal, error) {
	if opts.Signer == nil {
		return nil, errors.New("open a journal: no signer")
	}
	j := &Journal{fsys: fsys, dir: dir, opts: opts.withDefaults(), size: opts.OpeningSize, done: make(chan struct{})}
	j.work.L = &j.mu
	j.flight.limit = j.opts.InFlightBytes
	if err := fsys.MkdirAll(dir); err != nil {
		return nil, fmt.Errorf("open a journal: %w", err)
	}
	if err := j.load(); err != nil {
		return nil, fmt.Errorf("open the journals in %s: %w", dir, err)
	}
	go j.write()
	return j, nil
}

// Journals describes the files, oldest first.
func (j *Journal) Journals() []Info {
	j.mu.Lock()
	defer j.mu.Unlock()
	infos := make([]Info, len(j.files))
	for i, f := range j.files {
		infos[i] = f.Info
		infos[i].Damage = slices.Clone(f.Damage)
	}
	return infos
}

// Grown tells the size the tree has grown to, for the headers of later files.
func (j *Journal) Grown(size uint64) {
	j.mu.Lock()
	j.size = max(j.size, size)
	j.mu.Unlock()
}

// Close waits for the records that were accepted to become durable, and ends
// the journal. It returns the error the journal broke with, if it did.
func (j *Journal) Close() error {
	j.mu.Lock()
	j.closing = true
	j.flight.wakeAll()
	j.work.Signal()
	j.notify()
	j.mu.Unlock()
	<-j.done

	j.readMu.Lock()
	defer j.readMu.Unlock()
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err == ErrClosed {
		return nil
	}
	err := errors.Join(j.err, j.reader.close())
	for _, f := range j.files {
		err = errors.Join(err, f.end())
	}
	if j.err == nil {
		j.err = ErrClosed
	}
	return err
}

// refusal is why nothing more is accepted, or nil. The caller holds mu.
func (j *Journal) refusal() error {
	if j.err != nil {
		return j.err
	}
	if j.closing {
		return ErrClosed
	}
	return nil
}

// notify wakes whoever waits for a group. The caller holds mu.
func (j *Journal) notify() {
	if j.grown != nil {
		close(j.grown)
		j.grown = nil
	}
}
