package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"indelible/internal/history"
	"indelible/internal/history/scoped"
	"indelible/internal/ledger"
	"indelible/internal/search"
)

// view is the log as it is shown: what is published and in the search index.
type view struct {
	index search.Index

	mu   sync.RWMutex
	shot *shot
	log  *history.Log
}

// shot is the view at one moment; it does not change.
type shot struct {
	log     scoped.Log // every look at it takes a scope
	indexed uint64     // leaves the index has seen
	names   func(context.Context) ([]string, error)

	replaced chan struct{} // closed when there is a later one
}

// shown is up to which leaf events are found and read.
func (s *shot) shown() uint64 { return min(s.indexed, s.log.Size()) }

func (v *view) now() *shot {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.shot
}

func (v *view) set(log *history.Log, indexed uint64) {
	var once sync.Mutex
	var names []string
	s := &shot{log: scoped.New(log, v.index), indexed: indexed, replaced: make(chan struct{})}
	s.names = func(ctx context.Context) ([]string, error) {
		once.Lock()
		defer once.Unlock()
		if names != nil {
			return names, nil
		}
		var err error
		names, err = log.Tenants(ctx, log.Sealer)
		return names, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.shot != nil {
		close(v.shot.replaced)
	}
	v.shot, v.log = s, log
}

// whole is the log without a scope: for the server itself, which answers nobody
// with it.
func (v *view) whole() *history.Log {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.log
}

func (v *view) begin(ctx context.Context, s *Server) error {
	v.index = s.cfg.Index
	next, err := s.cfg.Index.Next(ctx)
	if err != nil {
		return err
	}
	v.set(s.logOf(s.cfg.Reader), next)
	return nil
}

// logOf is the log a reader reads; nil if there is none yet.
func (s *Server) logOf(r *ledger.Reader) *history.Log {
	if r == nil {
		return nil
	}
	return &history.Log{Reader: r, Sealer: s.cfg.Sealer}
}

// unseen answers while the store has been away since the server began: nothing can
// be read. Events are taken, and keys are no matter of the store.
func (s *Server) unseen(r *http.Request) *Problem {
	if s.view.whole() != nil || r.Pattern == "POST /v1/events" || strings.Contains(r.Pattern, " /v1/keys") {
		return nil
	}
	return problem(http.StatusServiceUnavailable, "store_unavailable", "").after(5 * time.Second)
}

// lookEvery is how often it is looked whether the log has grown.
const lookEvery = 100 * time.Millisecond

// follow keeps the index up to the log, and the view up to both.
func (v *view) follow(ctx context.Context, s *Server) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	failing := false
	for {
		err := v.catchUp(ctx, s)
		if err != nil && !failing && ctx.Err() == nil {
			s.cfg.Log.Error("the search index does not follow the log", "err", err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (v *view) catchUp(ctx context.Context, s *Server) error {
	before, log := v.now(), v.whole()
	if log == nil {
		reader, err := s.cfg.Open(ctx)
		if err != nil {
			return err
		}
		v.set(s.logOf(reader), before.indexed)
		return nil
	}
	if before.indexed == log.Checkpoint().Size && s.cfg.Ledger.Status().Published <= before.indexed {
		return nil
	}
	reader, err := log.Later(ctx)
	if err != nil {
		return err
	}
	source := &history.Log{Reader: reader, Sealer: s.cfg.Sealer}
	first := before.indexed
	size, err := search.CatchUp(ctx, s.cfg.Index, source, func(done, _ uint64) {
		v.set(log, min(first+done, log.Checkpoint().Size))
	})
	if errors.Is(err, search.ErrOther) {
		// It came from elsewhere, or the log was put back: it is made again.
		if err = s.cfg.Index.Reset(ctx); err == nil {
			v.set(log, 0)
		}
		return err
	}
	if err != nil {
		return err
	}
	// CatchUp has refreshed its reader; nobody else has it.
	v.set(source, min(size, source.Checkpoint().Size))
	return nil
}
