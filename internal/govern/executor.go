package govern

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"indelible"
	"indelible/internal/ledger"
)

// Order is what the process that writes a log is asked to do. Exactly one
// member is set.
type Order struct {
	Policy  *indelible.Policy `json:"policy,omitempty"`
	Hold    *Held             `json:"hold,omitempty"`
	Execute *indelible.ID     `json:"execute,omitempty"` // an approved proposal
	Retain  bool              `json:"retain,omitempty"`  // one step of retention
}

// Held is a new hold and, for the record in the log's own tenant, its words.
type Held struct {
	Scope indelible.HoldScope `json:"scope"`
	Event json.RawMessage     `json:"event"` // `hold.added`, an event of _system
}

// Result is what came of an order.
type Result struct {
	Erased   *Certificate `json:"erased,omitempty"`
	Retained *Retained    `json:"retained,omitempty"`
	// Held is how many segments a new hold holds in the store, too; −1: the
	// store knows no holds.
	Held int `json:"held,omitempty"`
}

// Log is what the executor needs of the ledger that is open for writing.
type Log interface {
	Ready(ctx context.Context) error
	Decide(ctx context.Context, kind indelible.Kind, content any) (ledger.Decision, error)
	Decided() ledger.Decided
	Tenants() int
	RemoveExpired(ctx context.Context, limit int) (removed, locked int, err error)
	// HoldSegments is ledger.ErrNoHolds where the store knows none.
	HoldSegments(ctx context.Context, seqs []uint64, on bool) (int, error)
	FlushWhileStoreAnswers(ctx context.Context, wait time.Duration) (away, err error)
}

// Executor carries orders out in the process that writes the log, one at a time.
type Executor struct {
	Dir  string // the data directory
	Keys Keys   // nil: the log is not encrypted
	// Fences are the fences published from a place in the log on.
	Fences func(ctx context.Context, first uint64) ([]ledger.Fence, error)
	// Tokens are the pseudonyms a person has in data sets; nil: there are none.
	Tokens func(ctx context.Context, tenant, subject string) ([]string, error)
	// Forget takes somebody out of what was made from the log and can be made again.
	Forget    func(ctx context.Context, tenant, subject string) error
	Log       Log
	Proposals func(ctx context.Context) (*Proposals, error)
	// Record records an event of the log's own tenant _system until it is in the
	// store. The same event twice is one.
	Record func(ctx context.Context, e *indelible.Event) error
	// Policy is what indelible.yaml says of retention; nil: nothing.
	Policy func() (*indelible.Retention, error)
	// Judge opens what is published, for judging what may go.
	Segments Segments
	Judge    func(ctx context.Context) (*Retention, iter.Seq2[ledger.Old, error], error)
	Clock    func() time.Time

	mu sync.Mutex
}

// storeWait is how long an order waits for a store that does not answer.
const storeWait = 10 * time.Second

// Do carries out an order. An order that was interrupted is completed by
// giving it again.
func (x *Executor) Do(ctx context.Context, o Order) (Result, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	ready, cancel := context.WithTimeout(ctx, storeWait)
	defer cancel()
	if err := x.Log.Ready(ready); err != nil {
		return Result{}, fmt.Errorf("the log cannot be read to its end: %w", err)
	}
	switch {
	case o.Policy != nil:
		return Result{}, x.decide(ctx, indelible.KindPolicy, o.Policy)
	case o.Hold != nil:
		n, err := x.hold(ctx, o.Hold)
		return Result{Held: n}, err
	case o.Execute != nil:
		return x.execute(ctx, *o.Execute)
	case o.Retain:
		done, err := x.retain(ctx)
		return Result{Retained: &done}, err
	}
	return Result{}, errors.New("an order of another version of this program")
}

// RecordPolicy records what indelible.yaml says of retention, if the log does not
// know it and nothing is kept for less time than before.
func (x *Executor) RecordPolicy(ctx context.Context) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	_, err := x.recordPolicy(ctx)
	return err
}

// decide puts a leaf into the log and publishes it.
func (x *Executor) decide(ctx context.Context, kind indelible.Kind, content any) error {
	wait, cancel := context.WithTimeout(ctx, storeWait)
	defer cancel()
	if _, err := x.Log.Decide(wait, kind, content); err != nil {
		return err
	}
	return x.publish(ctx)
}

func (x *Executor) publish(ctx context.Context) error {
	away, err := x.Log.FlushWhileStoreAnswers(ctx, storeWait)
	if away != nil {
		err = errors.Join(err, fmt.Errorf("the store does not answer: %w", away))
	}
	return err
}

func (x *Executor) hold(ctx context.Context, h *Held) (held int, err error) {
	e, err := indelible.ParseStoredEvent(h.Event)
	if err != nil {
		return 0, fmt.Errorf("hold: %w", err)
	}
	// The words first: a hold whose reason is lost helps nobody.
	if err := x.Record(ctx, e); err != nil {
		return 0, err
	}
	if err := x.decide(ctx, indelible.KindHold, indelible.Hold{Add: &h.Scope}); err != nil {
		return 0, err
	}
	if held, err = x.holdInStore(ctx); err != nil {
		err = fmt.Errorf("it is held by this log, not yet in the store; `indelible retention run` goes on: %w", err)
	}
	return held, err
}

// execute carries out what two operators decided, and takes the proposal away.
func (x *Executor) execute(ctx context.Context, id indelible.ID) (Result, error) {
	proposals, err := x.Proposals(ctx)
	if err != nil {
		return Result{}, err
	}
	p, err := proposals.Read(id)
	if err != nil {
		return Result{}, err
	}
	if !p.Approved() {
		return Result{}, fmt.Errorf("proposal %s is not approved", id)
	}
	var r Result
	d := x.Log.Decided()
	switch a := &p.Action; {
	case a.Erase != nil:
		r.Erased, err = x.erase(ctx, p)
	case a.Readmit != nil:
		err = x.readmit(ctx, p)
	case a.Operator != nil:
		if !slices.Contains(d.Operators, *a.Operator) {
			err = x.decide(ctx, indelible.KindPolicy, indelible.Policy{Operator: &indelible.Operator{Key: *a.Operator}, Approval: &p.Approval})
		}
	case a.Lift != nil:
		if at := slices.IndexFunc(d.Holds, func(h ledger.HeldScope) bool { return h.ID == *a.Lift }); at >= 0 {
			err = x.decide(ctx, indelible.KindHold, indelible.Hold{Lift: a.Lift, Approval: &p.Approval})
			if err == nil {
				err = x.releaseInStore(ctx, &d.Holds[at].HoldScope)
			}
		}
		if err == nil {
			err = dropHoldWords(x.Dir, *a.Lift)
		}
	case a.Retention != nil:
		if d.Retention == nil || !d.Retention.Same(a.Retention) {
			err = x.decide(ctx, indelible.KindPolicy, indelible.Policy{Retention: a.Retention, Approval: &p.Approval})
		}
	default:
		err = errors.New("a proposal of another version of this program")
	}
	if err != nil {
		return r, err
	}
	return r, proposals.Done(p, x.Clock())
}
