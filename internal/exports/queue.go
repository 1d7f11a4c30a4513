package exports

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"indelible/internal/access"
	"indelible/internal/dataset"
	"indelible/internal/disk"
)

// Limits of a queue.
const (
	atOnce      = 2              // exports are made
	maxWaiting  = 32             // and wait
	maxOfOne    = 8              // that wait or are made, of one asker
	maxKept     = 500            // ended ones that are still known
	maxAttempts = 5              // of one export, when the server ends under it
	longest     = 24 * time.Hour // an export takes
	maxState    = 16 << 20       // bytes of a file of state
)

// Errors of a queue.
var (
	ErrFull     = errors.New("too many exports wait")
	ErrTooMany  = errors.New("too many exports of this asker wait")
	ErrNotFound = errors.New("no such export")
	ErrEnded    = errors.New("the export has ended")
)

// Task is an export as whoever makes it needs it.
type Task struct {
	ID, AskedBy string
	Spec        *Spec
	// Runs are the ids of runs that earlier attempts may have begun; NewRun
	// gives another.
	Runs     []string
	NewRun   func() string
	Progress func(read, total int64)
}

// Config is what a queue works with.
type Config struct {
	Dir   string // of the state
	NewID func() string
	// Check says what is wrong with what is asked for.
	Check func(*Spec) error
	// Make makes a dataset, or says that it was made before by one of the
	// task's runs.
	Make func(ctx context.Context, t *Task) (*Made, error)
	// Explain says why a dataset was not made to whoever asked for it.
	Explain func(error) *Problem
	// Open opens a file of a dataset.
	Open  func(ctx context.Context, e *Export, name string) (io.ReadCloser, error)
	Log   *slog.Logger
	Clock func() time.Time
}

// entry is an export and what only the queue needs of it.
type entry struct {
	Export
	Spec *Spec    `json:"spec,omitempty"` // until it has ended: it may name people
	Runs []string `json:"runs,omitempty"`

	cancel    context.CancelFunc
	cancelled bool
}

// Queue holds exports.
type Queue struct {
	cfg Config

	mu      sync.Mutex
	byID    map[string]*entry
	waiting []*entry
	running int
	closed  bool
	wg      sync.WaitGroup
	ctx     context.Context
	stop    context.CancelFunc
}

// Open reads what an earlier server has left and goes on with it.
func Open(cfg Config) (*Queue, error) {
	q := &Queue{cfg: cfg, byID: make(map[string]*entry)}
	if err := disk.OS.MkdirAll(cfg.Dir); err != nil {
		return nil, err
	}
	names, err := filepath.Glob(filepath.Join(cfg.Dir, "*.json"))
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		b, err := disk.ReadFile(disk.OS, name, maxState)
		if err != nil {
			return nil, err
		}
		var e entry
		if err := json.Unmarshal(b, &e); err != nil || e.ID+".json" != filepath.Base(name) || !e.ended() && e.Spec == nil {
			return nil, fmt.Errorf("%s is not the state of an export: remove it, and ask for the export again", name)
		}
		q.byID[e.ID] = &e
		if !e.ended() {
			q.waiting = append(q.waiting, &e)
		}
	}
	slices.SortFunc(q.waiting, func(a, b *entry) int { return a.Asked.Compare(b.Asked) })
	q.ctx, q.stop = context.WithCancel(context.Background())
	q.mu.Lock()
	defer q.mu.Unlock()
	q.begin()
	return q, nil
}

// Close interrupts what is under way. The next server makes it again.
func (q *Queue) Close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.stop()
	q.wg.Wait()
}

// Explain says what an error means to whoever asks.
func (q *Queue) Explain(err error) *Problem { return q.cfg.Explain(err) }

// Check says what is wrong with a spec; Explain tells it to whoever asks.
func (q *Queue) Check(s *Spec) error { return q.cfg.Check(s) }

// Add puts an export at the end of the queue. Who asks may export all of scope.
func (q *Queue) Add(spec *Spec, by string) (*Export, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	own := 0
	for _, e := range q.byID {
		if !e.ended() && e.AskedBy == by {
			own++
		}
	}
	switch {
	case q.closed || len(q.waiting) >= maxWaiting:
		return nil, ErrFull
	case own >= maxOfOne:
		return nil, ErrTooMany
	}
	e := &entry{Spec: spec, Export: Export{
		ID: q.cfg.NewID(), State: Queued, AskedBy: by, Asked: q.now(), Tenants: spec.Tenants, AllTenants: spec.AllTenants, Source: spec.Source, Chain: spec.Chain,
	}}
	if err := q.save(e); err != nil {
		return nil, err
	}
	q.byID[e.ID] = e
	q.waiting = append(q.waiting, e)
	answer := e.Export
	q.forget()
	q.begin()
	return &answer, nil
}

// begin makes what there is room for.
func (q *Queue) begin() {
	for !q.closed && q.running < atOnce && len(q.waiting) > 0 {
		e := q.waiting[0]
		q.waiting = q.waiting[1:]
		if len(e.Runs) >= maxAttempts {
			q.end(e, nil, &Problem{Detail: "the server ended under it several times", Hint: "ask for it again, perhaps for less at once"})
			continue
		}
		now := q.now()
		e.State, e.Started = Running, &now
		var ctx context.Context
		ctx, e.cancel = context.WithTimeout(q.ctx, longest)
		q.running++
		q.wg.Go(func() { q.make(ctx, e) })
	}
}

// make makes one export.
func (q *Queue) make(ctx context.Context, e *entry) {
	t := &Task{ID: e.ID, AskedBy: e.AskedBy, Spec: e.Spec, Runs: slices.Clone(e.Runs)}
	t.NewRun = func() string {
		id := q.cfg.NewID()
		q.mu.Lock()
		defer q.mu.Unlock()
		e.Runs = append(e.Runs, id)
		q.keep(e)
		return id
	}
	t.Progress = func(read, total int64) {
		q.mu.Lock()
		e.RowsRead, e.RowsTotal = read, total
		q.mu.Unlock()
	}
	made, err := q.cfg.Make(ctx, t)
	q.mu.Lock()
	defer q.mu.Unlock()
	e.cancel()
	q.running--
	switch {
	case err == nil:
		q.end(e, made, nil)
	case q.ctx.Err() != nil && !e.cancelled:
		return // it stands in the state as it was: the next server goes on
	default:
		q.cfg.Log.Error("an export failed", "export", e.ID, "err", err)
		q.end(e, nil, q.cfg.Explain(err))
	}
	q.begin()
}

// end notes how an export ended.
func (q *Queue) end(e *entry, made *Made, problem *Problem) {
	now := q.now()
	e.Ended, e.Spec, e.Runs, e.Made, e.Problem = &now, nil, nil, made, problem
	switch {
	case made != nil:
		e.State, e.RowsRead, e.RowsTotal = Done, int64(made.Rows), int64(made.Rows)
		if e.AllTenants {
			e.Tenants = made.Tenants
		}
	case e.cancelled:
		e.State, e.Problem = Cancelled, nil
	default:
		e.State = Failed
	}
	q.keep(e)
}

// Cancel ends an export that has not ended.
func (q *Queue) Cancel(scope access.TenantScope, id string) (*Export, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.byID[id]
	switch {
	case e == nil || !e.seenBy(scope):
		return nil, ErrNotFound
	case e.ended():
		return nil, ErrEnded
	}
	e.cancelled = true
	if e.State == Running {
		e.cancel()
	} else {
		q.waiting = slices.DeleteFunc(q.waiting, func(other *entry) bool { return other == e })
		q.end(e, nil, nil)
	}
	answer := e.Export
	return &answer, nil
}

// Get returns an export of the tenants in a scope.
func (q *Queue) Get(scope access.TenantScope, id string) (*Export, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.byID[id]
	if e == nil || !e.seenBy(scope) {
		return nil, ErrNotFound
	}
	answer := e.Export
	return &answer, nil
}

// List returns the exports of the tenants in a scope, newest first, without
// their files.
func (q *Queue) List(scope access.TenantScope) []Export {
	q.mu.Lock()
	defer q.mu.Unlock()
	list := []Export{}
	for _, e := range q.byID {
		if e.seenBy(scope) {
			one := e.Export
			if one.Made != nil {
				made := *one.Made
				made.Files, one.Made = nil, &made
			}
			list = append(list, one)
		}
	}
	slices.SortFunc(list, func(a, b Export) int { return b.Asked.Compare(a.Asked) })
	return list
}

// File opens a file of an export.
func (q *Queue) File(ctx context.Context, scope access.TenantScope, id, name string) (io.ReadCloser, *File, error) {
	e, err := q.Get(scope, id)
	if err != nil {
		return nil, nil, err
	}
	if e.Made != nil {
		for i := range e.Made.Files {
			if f := &e.Made.Files[i]; f.Name == name {
				r, err := q.cfg.Open(ctx, e, name)
				if errors.Is(err, dataset.ErrNotExist) {
					err = ErrNotFound // it was purged
				}
				return r, f, err
			}
		}
	}
	return nil, nil, ErrNotFound
}

// forget drops the oldest of many that have ended. Their datasets stay.
func (q *Queue) forget() {
	var ended []*entry
	for _, e := range q.byID {
		if e.ended() {
			ended = append(ended, e)
		}
	}
	if len(ended) <= maxKept {
		return
	}
	slices.SortFunc(ended, func(a, b *entry) int { return a.Asked.Compare(b.Asked) })
	for _, e := range ended[:len(ended)-maxKept] {
		if err := disk.OS.Remove(q.file(e.ID)); err != nil {
			q.cfg.Log.Error("the state of an old export cannot be removed", "export", e.ID, "err", err)
			continue
		}
		delete(q.byID, e.ID)
	}
}

func (q *Queue) file(id string) string { return filepath.Join(q.cfg.Dir, id+".json") }

func (q *Queue) save(e *entry) error {
	b, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return disk.WriteFile(disk.OS, q.file(e.ID), append(b, '\n'))
}

// keep saves what is known of an export while it goes on. Of one whose state
// cannot be saved the next server knows less.
func (q *Queue) keep(e *entry) {
	if err := q.save(e); err != nil {
		q.cfg.Log.Error("the state of an export cannot be saved", "export", e.ID, "err", err)
	}
}

func (q *Queue) now() time.Time { return q.cfg.Clock().UTC().Truncate(time.Millisecond) }
