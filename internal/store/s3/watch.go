package s3

import (
	"context"
	"io"
	"sync"
	"time"
)

type watchKey struct{}

// watch ends a call that makes no progress: an answer, or chunk bytes of a
// body, must come within the timeout. So a slow line may take its time with a
// large segment, while a store that hangs, or drips, is given up.
type watch struct {
	cancel  context.CancelFunc
	timer   *time.Timer
	timeout time.Duration

	mu      sync.Mutex
	bytes   int
	stalled bool
}

const chunk = 64 << 10

// watched returns a context for one call; release ends it.
func (s *Store) watched(ctx context.Context) (context.Context, *watch) {
	ctx, cancel := context.WithCancel(ctx)
	w := &watch{cancel: cancel, timeout: s.cfg.Timeout}
	w.timer = time.AfterFunc(w.timeout, func() {
		w.mu.Lock()
		w.stalled = true
		w.mu.Unlock()
		cancel()
	})
	return context.WithValue(ctx, watchKey{}, w), w
}

func (w *watch) progress() { w.timer.Reset(w.timeout) }

func (w *watch) moved(n int) {
	w.mu.Lock()
	w.bytes += n
	full := w.bytes >= chunk
	if full {
		w.bytes = 0
	}
	w.mu.Unlock()
	if full {
		w.progress()
	}
}

func (w *watch) release() {
	w.timer.Stop()
	w.cancel()
}

func (w *watch) gaveUp() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stalled
}

type watchedBody struct {
	io.ReadCloser
	watch *watch
}

func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.watch.moved(n)
	return n, err
}
