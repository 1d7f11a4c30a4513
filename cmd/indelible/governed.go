package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"indelible"
	"indelible/internal/datadir"
	"indelible/internal/govern"
	"indelible/internal/ledger"
	"indelible/internal/recorder"
	"indelible/internal/seal"
)

// governed is a log somebody decides about: its published part, without a lock.
type governed struct {
	*datadir.Directory
	reading *reading
}

func (a *app) openGoverned(ctx context.Context) (*governed, error) {
	d, err := datadir.Open(ctx, a.dir, a.env)
	if err != nil {
		return nil, err
	}
	r, err := a.openForReading(ctx)
	if err != nil {
		return nil, err
	}
	return &governed{d, r}, nil
}

// Decided is what was decided up to the checkpoint. Whoever decides anything
// publishes it.
func (g *governed) Decided(ctx context.Context) (ledger.Decided, error) {
	return g.reading.Decided(ctx)
}

// executor carries out orders in a session.
func (a *app) executor(s *session) *govern.Executor {
	x := &govern.Executor{
		Dir: s.dir.Path, Log: s.ledger, Clock: time.Now,
		Proposals: func(ctx context.Context) (*govern.Proposals, error) { return a.openProposals(ctx, s.dir) },
		Record:    s.recordOwn,
		Fences:    s.fences,
		Forget: func(ctx context.Context, tenant, subject string) error {
			return a.forget(ctx, logName(s.dir), tenant, subject)
		},
	}
	if sealed, ok := s.sealer.(*recorder.Sealed); ok {
		x.Keys = sealed.Keys
		x.Tokens = func(ctx context.Context, tenant, subject string) ([]string, error) {
			return tokensOf(ctx, s.dir, sealed.Keys, sealed.IDKey, tenant, subject)
		}
	}
	x.Segments = s
	x.Policy = func() (*indelible.Retention, error) { return retentionPolicy(s.dir) }
	x.Judge = func(ctx context.Context) (*govern.Retention, iter.Seq2[ledger.Old, error], error) {
		vkey, err := s.dir.VerifierKey()
		if err != nil {
			return nil, nil, err
		}
		r, err := ledger.NewReader(ctx, s.dir.Store, vkey)
		if err != nil {
			return nil, nil, err
		}
		return judge(ctx, s.dir, r, s.sealer)
	}
	return x
}

// With implements govern.Segments.
func (s *session) With(ctx context.Context, first uint64, match func(*indelible.Leaf, []indelible.Ref) bool) ([]uint64, uint64, error) {
	vkey, err := s.dir.VerifierKey()
	if err != nil {
		return nil, 0, err
	}
	r, err := ledger.NewReader(ctx, s.dir.Store, vkey)
	if err != nil {
		return nil, 0, err
	}
	refs, err := r.TenantRefs(ctx)
	if err != nil {
		return nil, 0, err
	}
	seqs, err := r.SegmentsWith(ctx, first, func(l *indelible.Leaf) bool { return match(l, refs) })
	return seqs, r.Checkpoint().Size, err
}

// fences reads the fences that were published from a place in the log on.
func (s *session) fences(ctx context.Context, first uint64) ([]ledger.Fence, error) {
	vkey, err := s.dir.VerifierKey()
	if err != nil {
		return nil, err
	}
	r, err := ledger.NewReader(ctx, s.dir.Store, vkey)
	if err != nil {
		return nil, err
	}
	return r.Fences(ctx, first)
}

// recordOwn records an event of the log's own until it is in the store.
func (s *session) recordOwn(ctx context.Context, e *indelible.Event) error {
	pending, err := s.recorder.Record(ctx, []*indelible.Event{e}, recorder.Options{AwaitStore: true, System: true})
	if err == nil {
		err = pending[0].Err
	}
	if err != nil {
		return err
	}
	_, away, err := pending[0].WaitWhileStoreAnswers(ctx, storeWait)
	if away != nil {
		err = errors.Join(err, fmt.Errorf("the store does not answer: %w", away))
	}
	return err
}

// Order implements road.
func (s *session) Order(ctx context.Context, order []byte) ([]byte, error) {
	var o writerOrder
	d := json.NewDecoder(bytes.NewReader(order))
	d.DisallowUnknownFields()
	if err := d.Decode(&o); err != nil {
		return nil, fmt.Errorf("an order of another version of this program: %w", err)
	}
	if o.RotateSigner != nil {
		return []byte("{}"), s.rotate(ctx, o.RotateSigner)
	}
	r, err := s.decide.Do(ctx, o.Order)
	if err != nil {
		return nil, err
	}
	return json.Marshal(r)
}

// writerOrder is what the process that writes is asked to do: to carry out what
// people decided, or to give the log a new key.
type writerOrder struct {
	govern.Order
	RotateSigner *rotateOrder `json:"rotate_signer,omitempty"`
}

// openProposals opens the proposals of a data directory.
func (a *app) openProposals(ctx context.Context, d *datadir.Directory) (*govern.Proposals, error) {
	var root seal.KeyWrapper
	if d.Encrypted() {
		var err error
		if root, err = datadir.OpenRootKey(ctx, d.Path, d.Config.Keys, a.env); err != nil {
			return nil, err
		}
	}
	return govern.OpenProposals(d.Path, d.Config.Origin, root), nil
}

// order has the process that writes do something: this one, or the one that
// holds the directory.
func (a *app) order(ctx context.Context, d *datadir.Directory, o govern.Order) (r govern.Result, err error) {
	b, err := json.Marshal(o)
	if err != nil {
		return r, err
	}
	road, err := a.findRoad(ctx, d, writeOptions{})
	if err != nil {
		return r, err
	}
	answer, err := road.Order(ctx, b)
	if err = errors.Join(err, road.Close()); err != nil {
		return r, err
	}
	if err := json.Unmarshal(answer, &r); err != nil {
		return r, fmt.Errorf("the writing process answered with something else than a result: %w", err)
	}
	return r, nil
}

// subject is the reference of a person in what is decided about him or her.
func (g *governed) subject(ctx context.Context, idKey *[32]byte, tenant, subject string) (*indelible.Ref, error) {
	salt, err := g.reading.TenantSalt(ctx, indelible.TenantRef(idKey, tenant), g.reading.sealer)
	if errors.Is(err, ledger.ErrNotFound) {
		return nil, g.reading.notFound("tenant "+field(tenant), "")
	}
	if err != nil {
		return nil, fmt.Errorf("tenant %s: %w", field(tenant), err)
	}
	key := indelible.TenantKey(idKey, &salt)
	ref := indelible.SubjectRef(&key, subject)
	return &ref, nil
}
