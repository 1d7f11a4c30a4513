package journal

import (
	"errors"
	"fmt"
	"hash/crc32"
	"runtime"
	"syscall"
	"time"

	"indelible"
)

// write is the writer: it makes the batches durable, one after the other. A
// batch is filled while the one before it is being synced.
func (j *Journal) write() {
	defer close(j.done)
	var live *file
	for {
		j.gather()
		b := j.take()
		if b == nil {
			return
		}
		n := int64(len(b.body()))
		live, b.err = j.store(live, b)

		j.mu.Lock()
		j.writing = false
		j.flight.release(n)
		j.promised -= n
		if b.err != nil {
			j.fail(b.err)
		}
		kept := b.err == nil && j.recent.keep(recentGroup{b.sealed, b.prev, b.buf})
		j.notify()
		j.mu.Unlock()
		if !kept {
			recycle(b.buf)
		}
		b.buf = nil
		close(b.done)
		if b.err != nil {
			return
		}
	}
}

// gather lets the callers that the last group has woken come again before the
// next group is closed. Without it they fall into two halves that wait for each
// other's sync. It costs at most an eighth of a sync.
func (j *Journal) gather() {
	until := time.Now().Add(j.synced / 8)
	for last := j.queued(); time.Now().Before(until); {
		runtime.Gosched()
		n := j.queued()
		if n == last {
			return
		}
		last = n
	}
}

// queued is the number of records in the batch that is next.
func (j *Journal) queued() uint32 {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.queue) == 0 {
		return 0
	}
	return j.queue[0].count
}

// take waits for a batch and takes it from the queue; nil means the end.
func (j *Journal) take() *batch {
	j.mu.Lock()
	defer j.mu.Unlock()
	for len(j.queue) == 0 {
		if j.closing {
			return nil
		}
		j.work.Wait()
	}
	b := j.queue[0]
	j.queue = j.queue[1:]
	j.writing = true
	return b
}

// fail breaks the journal for good: everybody who waits, and every later call,
// gets the error. The caller holds mu.
func (j *Journal) fail(err error) {
	j.err = err
	for _, b := range j.queue {
		b.err = err
		close(b.done)
	}
	j.queue = nil
	j.flight.wakeAll()
}

// store writes a batch to the live file, or to a new one where there is none
// that may go on.
func (j *Journal) store(live *file, b *batch) (*file, error) {
	if live != nil && int64(live.Length) >= j.opts.FileBytes {
		j.readMu.Lock()
		j.mu.Lock()
		err := live.end()
		j.mu.Unlock()
		j.readMu.Unlock()
		if err != nil {
			return nil, broken("close", live.name, err)
		}
	}
	if live == nil || live.w == nil {
		var err error
		if live, err = j.begin(); err != nil {
			return nil, broken("begin a journal in", j.dir, err)
		}
	}
	sealed, hash, err := j.seal(live, b)
	if err != nil {
		return nil, err
	}
	if _, err := live.w.Write(b.buf); err != nil {
		return nil, broken("write", live.name, err)
	}
	began := time.Now()
	if err := live.w.Sync(); err != nil {
		return nil, broken("sync", live.name, err)
	}
	j.synced = time.Since(began)
	b.sealed, b.prev = sealed, live.hash
	live.hash = hash
	j.mu.Lock()
	live.Length = sealed.End
	live.disk = max(live.disk, int64(sealed.End))
	j.stored += int64(len(b.buf))
	j.mu.Unlock()
	return live, nil
}

// seal makes the group header.
func (j *Journal) seal(live *file, b *batch) (*Sealed, indelible.Hash, error) {
	body := b.body()
	s := &Sealed{
		Journal: live.ID, Offset: live.Length, End: live.Length + uint64(len(b.buf)),
		Records: b.count, Time: j.opts.Clock().UnixMilli(), tree: newTree(int(b.count)),
	}
	rest := body
	s.tree.leaves(&j.hasher, func() (indelible.Ref, indelible.Hash) {
		r := rest
		rest = rest[recordLength(rest):]
		return indelible.Ref(r[20:]), indelible.Hash(r[36:])
	})
	s.tree.build(&j.hasher)
	s.Root = s.tree.root()
	sig, err := j.opts.Signer(s.Root, s.Journal, s.Offset, s.Time)
	if err != nil {
		return nil, indelible.Hash{}, fmt.Errorf("%w: sign a group: %w", ErrBroken, err)
	}
	s.Signature = sig
	h := groupHeader{
		id: s.Journal, offset: s.Offset, length: uint32(len(body)), records: s.Records, time: s.Time,
		prev: live.hash, root: s.Root, signature: s.Signature, bodyCRC: crc32.Checksum(body, castagnoli),
	}
	return s, h.encode(b.buf), nil
}

// broken is the error of a failed write. A full disk is named: it is the one
// cause the user can do something about.
func broken(doing, name string, err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w: %s %s: %w", ErrBroken, ErrDiskFull, doing, name, err)
	}
	return fmt.Errorf("%w: %s %s: %w", ErrBroken, doing, name, err)
}
