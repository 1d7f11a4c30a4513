package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"indelible"
	"indelible/internal/datadir"
	"indelible/internal/govern"
	"indelible/internal/ledger"
	"indelible/internal/recorder"
	"indelible/internal/seal"
)

// benchErase erases a person with 10,000 records: from the approved proposal to
// the certificate in the published log. Counting, which reads the tenant's
// events, and approving are aside.
func benchErase(ctx context.Context, e *env) error {
	for _, n := range []int{e.n / 10, e.n} {
		took, keys, err := eraseOne(ctx, filepath.Join(e.dir, fmt.Sprintf("erase-%d", n)), n)
		if err != nil {
			return err
		}
		row(fmt.Sprintf("erase a person with 10,000 records (%d keys) in a log of %d events", keys, n), fmt.Sprintf("%.2f s", took.Seconds()), "1 s", "3 s")
	}
	return nil
}

func eraseOne(ctx context.Context, path string, n int) (took time.Duration, keys int, err error) {
	defer os.RemoveAll(path)
	var operators []*govern.Operator
	operator := func() (indelible.PublicKey, error) {
		o, err := govern.NewOperator(govern.OperatorPath(path, fmt.Sprint(len(operators))), fmt.Sprint(len(operators)))
		operators = append(operators, o)
		return o.Public(), err
	}
	store := datadir.StoreConfig{Prefix: datadir.DefaultPrefix, Lock: "none", Retention: datadir.DefaultRetention}
	d, err := datadir.Init(ctx, path, datadir.InitOptions{Store: store, Keys: &datadir.KeysConfig{Root: "file"}, Operator: operator}, noEnv)
	if err != nil {
		return 0, 0, err
	}
	cfg, err := d.LedgerConfig()
	if err != nil {
		return 0, 0, err
	}
	store2, err := d.OpenKeys(ctx, false, noEnv)
	if err != nil {
		return 0, 0, err
	}
	sealer := &recorder.Sealed{Keys: store2, Origin: d.Config.Origin, IDKey: cfg.IDKey}
	cfg.Sealer = sealer
	l, err := ledger.Open(cfg)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, l.Close(), store2.Close()) }()
	if err := l.Ready(ctx); err != nil {
		return 0, 0, err
	}
	rec := recorder.New(l, cfg, sealer)
	if err := fillPersons(ctx, l, rec, n); err != nil {
		return 0, 0, err
	}
	x, proposal, err := approvedErasure(ctx, d, l, rec, store2, cfg, operators, operator)
	if err != nil {
		return 0, 0, err
	}
	begun := time.Now()
	r, err := x.Do(ctx, govern.Order{Execute: &proposal})
	took = time.Since(begun)
	if err == nil {
		keys = r.Erased.Keys
	}
	return took, keys, err
}

// fillPersons records n events, of whom 10,000 are one person's.
func fillPersons(ctx context.Context, l *ledger.Ledger, rec *recorder.Recorder, n int) error {
	every := max(n/10_000, 1)
	for at := 0; at < n; at += 1000 {
		var events []*indelible.Event
		for i := at; i < min(at+1000, n); i++ {
			who := fmt.Sprintf("user-%d", i%997)
			if i%every == 0 {
				who = "the one"
			}
			var id [16]byte
			rand.Read(id[:])
			id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
			events = append(events, &indelible.Event{
				ID: fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:]), Timestamp: time.Now(), EventType: "document.read",
				UserID: who, TenantID: "acme", ResourceType: "document", ResourceID: fmt.Sprint(i), Action: "read", Outcome: "success", Details: json.RawMessage(`{"pages":3}`),
			})
		}
		if _, err := rec.Record(ctx, events, recorder.Options{}); err != nil {
			return err
		}
	}
	return l.Flush(ctx)
}

// approvedErasure is an executor, and a proposal for it that is approved.
func approvedErasure(ctx context.Context, d *datadir.Directory, l *ledger.Ledger, rec *recorder.Recorder, keys *seal.Keys, cfg ledger.Config, operators []*govern.Operator, more func() (indelible.PublicKey, error)) (*govern.Executor, indelible.ID, error) {
	var none indelible.ID
	second, err := more()
	if err != nil {
		return nil, none, err
	}
	two, err := govern.ReadOperator(govern.OperatorPath(d.Path, "1"))
	if err != nil {
		return nil, none, err
	}
	introduced := indelible.Introduce(operators[0].Key, second, d.Config.Origin, d.Config.LogID)
	if err := l.AddSystem(ctx, indelible.KindPolicy, indelible.Policy{Operator: &introduced}); err != nil {
		return nil, none, err
	}
	if err := l.Flush(ctx); err != nil {
		return nil, none, err
	}
	tenant, err := l.Tenant("acme", nil)
	if err != nil {
		return nil, none, err
	}
	subject := indelible.SubjectRef(&tenant.IDKey, "the one")
	action := indelible.Action{Erase: &indelible.Erase{Tenant: tenant.Ref, Subject: &subject}}
	root, err := datadir.OpenRootKey(ctx, d.Path, d.Config.Keys, noEnv)
	if err != nil {
		return nil, none, err
	}
	proposals := govern.OpenProposals(d.Path, d.Config.Origin, root)
	about := govern.About{Tenant: "acme", Subject: "the one", Text: "erase", Counts: &govern.Counts{Size: l.Status().Size, Records: 10_000}}
	p, err := proposals.Propose(operators[0], action, about, l.Decided().Operators, d.Config.LogID, time.Now())
	if err != nil {
		return nil, none, err
	}
	if _, err := proposals.Approve(p.ID(), two, d.Config.LogID, time.Now()); err != nil {
		return nil, none, err
	}
	x := &govern.Executor{
		Dir: d.Path, Log: l, Keys: keys, Clock: time.Now,
		Proposals: func(context.Context) (*govern.Proposals, error) { return proposals, nil },
		Forget:    func(context.Context, string, string) error { return nil },
		Fences: func(ctx context.Context, first uint64) ([]ledger.Fence, error) {
			vkey, err := d.VerifierKey()
			if err != nil {
				return nil, err
			}
			r, err := ledger.NewReader(ctx, d.Store, vkey)
			if err != nil {
				return nil, err
			}
			return r.Fences(ctx, first)
		},
		Record: func(ctx context.Context, e *indelible.Event) error {
			pending, err := rec.Record(ctx, []*indelible.Event{e}, recorder.Options{AwaitStore: true, System: true})
			if err == nil {
				_, _, err = pending[0].Poll(ctx)
			}
			return err
		},
	}
	return x, p.ID(), nil
}
