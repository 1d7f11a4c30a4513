package journal

import (
	"context"
	"fmt"
	"slices"
	"sync"
)

// flight bounds the bytes that are on their way to the disk. Who finds no room
// waits; rooms are given in the order of asking. The journal's mu guards it.
type flight struct {
	limit   int64
	used    int64
	waiting []*waiter
}

type waiter struct {
	n     int64
	ready chan struct{} // closed when the room is given
}

// acquire takes room for n bytes. mu is held when it is called and when it
// returns, but not while it waits. What is larger than the limit has to itself.
func (f *flight) acquire(ctx context.Context, mu *sync.Mutex, n int64) error {
	if len(f.waiting) == 0 && f.fits(n) {
		f.used += n
		return nil
	}
	w := &waiter{n, make(chan struct{})}
	f.waiting = append(f.waiting, w)
	mu.Unlock()
	var err error
	select {
	case <-w.ready:
	case <-ctx.Done():
		err = fmt.Errorf("waiting for room in the journal's memory: %w", ctx.Err())
	}
	mu.Lock()
	if err == nil {
		return nil
	}
	if i := slices.Index(f.waiting, w); i >= 0 {
		f.waiting = slices.Delete(f.waiting, i, i+1)
		n = 0
	}
	f.release(n) // if it was given at the last moment; and others may fit now
	return err
}

func (f *flight) fits(n int64) bool { return f.used == 0 || f.used+n <= f.limit }

// release gives room back.
func (f *flight) release(n int64) {
	f.used -= n
	for len(f.waiting) > 0 && f.fits(f.waiting[0].n) {
		f.give()
	}
}

// wakeAll lets everybody in, to find that the journal takes no more.
func (f *flight) wakeAll() {
	for len(f.waiting) > 0 {
		f.give()
	}
}

func (f *flight) give() {
	w := f.waiting[0]
	f.waiting = f.waiting[1:]
	f.used += w.n
	close(w.ready)
}
