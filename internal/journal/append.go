package journal

import (
	"context"
	"fmt"
	"sync"

	"indelible"
)

// Sealed is a durable group, as the acknowledgements of its records share it.
type Sealed struct {
	Journal   indelible.ID
	Offset    uint64
	End       uint64 // position of the next group
	Records   uint32
	Time      int64 // ms
	Root      indelible.Hash
	Signature indelible.Signature
	tree      *tree
}

// Ack says that a record is durable, and where it stands.
type Ack struct {
	*Sealed
	Ordinal uint32 // in the group
}

// Path is the record's audit path to Root.
func (a Ack) Path() []indelible.Hash { return a.tree.path(int(a.Ordinal)) }

// batch becomes a group. The journal's mu guards it while it is in the queue;
// then it belongs to the writer until done is closed.
type batch struct {
	buf    []byte // room for the header, then the encoded records
	count  uint32
	done   chan struct{}
	sealed *Sealed
	prev   indelible.Hash // running hash before it
	err    error
}

var buffers = sync.Pool{New: func() any { return new([]byte) }}

func newBatch() *batch {
	buf := *buffers.Get().(*[]byte)
	if cap(buf) < groupHeaderSize {
		buf = make([]byte, groupHeaderSize, 64<<10)
	}
	return &batch{buf: buf[:groupHeaderSize], done: make(chan struct{})}
}

func (b *batch) body() []byte { return b.buf[groupHeaderSize:] }

// recycle gives a buffer back.
func recycle(buf []byte) { buffers.Put(&buf) }

// span is a part of one caller's records that went into one batch.
type span struct {
	batch *batch
	first int // index of the first record
}

// Append returns when the records are durable, in the order given, and
// acknowledges each. They may end up in several groups. When it fails some may
// be in the journal nevertheless, and will get into the log; a record is
// recognised by its references when it comes again. If the journal is full
// nothing was written.
func (j *Journal) Append(ctx context.Context, records []Record) ([]Ack, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var need int64
	for i := range records {
		n := records[i].size()
		if n > MaxRecord || n > j.opts.GroupBytes {
			return nil, fmt.Errorf("record %d is too large for the journal: %d bytes, limit %d", i, n, min(MaxRecord, j.opts.GroupBytes))
		}
		need += int64(n)
	}
	acks := make([]Ack, len(records))
	spans, err := j.enqueue(ctx, records, acks, need, make([]span, 0, 2))
	if err != nil {
		return nil, err
	}
	for k, s := range spans {
		if err := s.batch.wait(ctx); err != nil {
			return nil, err
		}
		last := len(acks)
		if k+1 < len(spans) {
			last = spans[k+1].first
		}
		for i := s.first; i < last; i++ {
			acks[i].Sealed = s.batch.sealed
		}
	}
	return acks, nil
}

func (b *batch) wait(ctx context.Context) error {
	if stop := ctx.Done(); stop == nil {
		<-b.done
	} else {
		select {
		case <-b.done:
		case <-stop:
			return fmt.Errorf("waiting for the journal, records may still be written: %w", ctx.Err())
		}
	}
	return b.err
}

// enqueue encodes the records into the batches being filled while the writer
// is busy with others.
func (j *Journal) enqueue(ctx context.Context, records []Record, acks []Ack, need int64, spans []span) ([]span, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.refusal(); err != nil {
		return nil, err
	}
	if used := j.stored + j.promised; used+need > j.opts.MaxBytes {
		return nil, fmt.Errorf("%w: %d bytes wait for the store and %d more would pass the limit of %d; "+
			"the store has been away too long: bring it back, or raise the limit if there is disk to spare", ErrFull, used, need, j.opts.MaxBytes)
	}
	j.promised += need
	var b *batch
	for i := range records {
		n := int64(records[i].size())
		if err := j.flight.acquire(ctx, &j.mu, n); err != nil {
			j.promised -= need
			return nil, err
		}
		if err := j.refusal(); err != nil {
			j.flight.release(n)
			j.promised -= need
			return nil, err
		}
		need -= n
		if t := j.tail(int(n)); t != b {
			b = t
			spans = append(spans, span{b, i})
		}
		acks[i].Ordinal = b.count
		b.buf = records[i].append(b.buf)
		b.count++
	}
	return spans, nil
}

// tail returns the batch that takes the next n bytes. The caller holds mu.
func (j *Journal) tail(n int) *batch {
	if last := len(j.queue) - 1; last >= 0 && len(j.queue[last].body())+n <= j.opts.GroupBytes {
		return j.queue[last]
	}
	b := newBatch()
	j.queue = append(j.queue, b)
	j.work.Signal()
	return b
}
