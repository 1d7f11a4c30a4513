package govern

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"indelible"
	"indelible/internal/datadir"
	"indelible/internal/disk"
	"indelible/internal/ledger"
	"indelible/internal/recorder"
	"indelible/internal/seal"
	"indelible/internal/seal/keyfile"
	"indelible/internal/store"
	"indelible/internal/store/dir"
)

// retaining is an encrypted log on a disk, with a time that a test moves.
type retaining struct {
	t      *testing.T
	dir    string
	store  store.Store
	keys   *seal.Keys
	sealer *recorder.Sealed
	log    *ledger.Ledger
	rec    *recorder.Recorder
	vkey   string
	config *datadir.RetentionConfig

	mu  sync.Mutex
	now time.Time
	n   int
}

func (r *retaining) clock() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = r.now.Add(time.Millisecond)
	return r.now
}

func (r *retaining) at(date string) {
	r.t.Helper()
	now, err := time.Parse(time.DateOnly, date)
	if err != nil {
		r.t.Fatal(err)
	}
	r.mu.Lock()
	r.now = now
	r.mu.Unlock()
}

func newRetaining(t *testing.T) *retaining {
	t.Helper()
	r := &retaining{t: t, dir: t.TempDir(), config: &datadir.RetentionConfig{
		Default: datadir.Duration(400 * 24 * time.Hour),
		Rules:   []datadir.RetentionRule{{Class: "logins", Keep: datadir.Duration(30 * 24 * time.Hour), Events: "auth.*"}},
	}}
	r.at("2025-01-10")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(disk.OS.MkdirAll(filepath.Join(r.dir, "keys")))
	root, err := keyfile.Create(filepath.Join(r.dir, "root.key"), nil)
	must(err)
	const origin = "example.com/log"
	must(seal.Create(t.Context(), filepath.Join(r.dir, "keys.db"), origin))
	r.keys, err = seal.Open(t.Context(), filepath.Join(r.dir, "keys.db"), seal.Options{Origin: origin, Root: root, Clock: r.clock, Offline: 10000 * time.Hour * 24})
	must(err)
	r.store, err = dir.Open(disk.OS, filepath.Join(r.dir, "store"))
	must(err)
	_, logKey, err := ed25519.GenerateKey(nil)
	must(err)
	_, writer, err := ed25519.GenerateKey(nil)
	must(err)
	var public, logPublic indelible.PublicKey
	copy(public[:], writer.Public().(ed25519.PublicKey))
	copy(logPublic[:], logKey.Public().(ed25519.PublicKey))
	r.vkey, err = indelible.FormatVerifierKey(origin, logPublic)
	must(err)
	idKey := &[32]byte{1, 2, 3}
	r.sealer = &recorder.Sealed{Keys: r.keys, Origin: origin, IDKey: idKey, Classes: r.config}
	cfg := ledger.Config{
		Store: r.store, FS: disk.OS, Dir: r.dir, Origin: origin, LogID: indelible.ID{9}, LogKeys: []ed25519.PrivateKey{logKey},
		Writer: ledger.Writer{Key: writer, Endorsed: indelible.Endorse(logKey, origin, indelible.ID{9}, indelible.ID{8}, public, 1)},
		IDKey:  idKey, Sealer: r.sealer, CommitEvery: time.Millisecond, PublishEvery: time.Hour, Clock: r.clock,
	}
	must(ledger.WriteMark(disk.OS, r.dir, ledger.Mark{}))
	must(ledger.Create(t.Context(), cfg))
	r.log, err = ledger.Open(cfg)
	must(err)
	must(r.log.Ready(t.Context()))
	r.rec = recorder.New(r.log, cfg, r.sealer)
	t.Cleanup(func() { must(errors.Join(r.log.Close(), r.keys.Close())) })
	return r
}

func (r *retaining) executor() *Executor {
	return &Executor{
		Dir: r.dir, Log: r.log, Keys: r.keys, Clock: r.clock,
		Policy:   func() (*indelible.Retention, error) { return r.config.Policy(r.sealer.IDKey) },
		Segments: r,
		Judge: func(ctx context.Context) (*Retention, iter.Seq2[ledger.Old, error], error) {
			reader, err := ledger.NewReader(ctx, r.store, r.vkey)
			if err != nil {
				return nil, nil, err
			}
			j := &Retention{Keys: r.keys, Now: r.clock()}
			if j.Decided, err = reader.Decided(ctx); err == nil {
				j.Tenants, err = reader.TenantRefs(ctx)
			}
			return j, reader.Olds(ctx, j.Before()), err
		},
	}
}

// With implements Segments.
func (r *retaining) With(ctx context.Context, first uint64, match func(*indelible.Leaf, []indelible.Ref) bool) ([]uint64, uint64, error) {
	reader, err := ledger.NewReader(ctx, r.store, r.vkey)
	if err != nil {
		return nil, 0, err
	}
	refs, err := reader.TenantRefs(ctx)
	if err != nil {
		return nil, 0, err
	}
	seqs, err := reader.SegmentsWith(ctx, first, func(l *indelible.Leaf) bool { return match(l, refs) })
	return seqs, reader.Checkpoint().Size, err
}

// commit records events of some types of a tenant in one segment.
func (r *retaining) commit(tenant string, types ...string) {
	r.t.Helper()
	var events []*indelible.Event
	for _, kind := range types {
		r.n++
		events = append(events, &indelible.Event{
			ID: fmt.Sprintf("00000000-0000-4000-8000-%012x", r.n), Timestamp: r.clock(), EventType: kind, UserID: "u", TenantID: tenant,
			ResourceType: "r", Action: "read", Outcome: "ok", Details: json.RawMessage("{}"),
		})
	}
	pending, err := r.rec.Record(r.t.Context(), events, recorder.Options{AwaitStore: true})
	if err != nil {
		r.t.Fatal(err)
	}
	for _, p := range pending {
		if _, done, err := p.Poll(r.t.Context()); err != nil || !done {
			r.t.Fatalf("not recorded: %v", err)
		}
	}
}

// run does steps until nothing is left to do, and sums them up.
func (r *retaining) run() (sum Retained) {
	r.t.Helper()
	for range 50 {
		res, err := r.executor().Do(r.t.Context(), Order{Retain: true})
		if err != nil {
			r.t.Fatal(err)
		}
		d := res.Retained
		sum.Keys, sum.Expired, sum.Removed = sum.Keys+d.Keys, sum.Expired+d.Expired, sum.Removed+d.Removed
		if d.Finished {
			return sum
		}
	}
	r.t.Fatal("it never ends")
	return sum
}

func (r *retaining) verify() *ledger.Report {
	r.t.Helper()
	report, err := ledger.Verify(r.t.Context(), r.store, ledger.VerifyOptions{VerifierKey: r.vkey, OwnKey: true, Opener: r.sealer, IDKey: r.sealer.IDKey, Clock: r.clock})
	if err != nil {
		r.t.Fatal(err)
	}
	if report.Result != ledger.ResultOK || len(report.Problems) > 0 {
		r.t.Errorf("verify: %s, %+v", report.Result, report.Problems)
	}
	return report
}

// TestRetention: what is over goes, what is not stays, and verify tells.
func TestRetention(t *testing.T) {
	t.Parallel()
	r := newRetaining(t)
	if got := r.run(); got.Keys+got.Removed > 0 {
		t.Fatalf("from a new log something goes: %+v", got)
	}
	r.commit("acme", "auth.login", "auth.logout") // goes
	r.commit("acme", "auth.login")                // goes
	r.commit("acme", "order")                     // stays
	r.commit("bolt", "auth.login", "order")       // stays for its order
	r.at("2025-02-05")
	r.commit("acme", "auth.login") // another month
	if got := r.run(); got.Keys+got.Removed > 0 {
		t.Fatalf("too early: %+v", got)
	}
	r.at("2025-03-04") // January, and 30 days
	got := r.run()
	// Two tenants' keys for logins of January, and their users'.
	if got.Keys != 4 || got.Removed != got.Expired || got.Removed < 2 {
		t.Errorf("want 4 keys and both segments gone, got %+v", got)
	}
	report := r.verify()
	if report.Expired != 3 || report.Events != 7 || report.Missing != 0 {
		t.Errorf("want 3 of 7 events expired, got %d of %d", report.Expired, report.Events)
	}
	if again := r.run(); again.Keys+again.Expired+again.Removed > 0 {
		t.Errorf("again: %+v", again)
	}
	reader, err := ledger.NewReader(t.Context(), r.store, r.vkey)
	if err != nil {
		t.Fatal(err)
	}
	readable := 0
	for e, err := range reader.Entries(t.Context(), 0, reader.Checkpoint().Size) {
		if err != nil {
			t.Fatal(err)
		}
		if !e.Leaf.Kind.Recorded() || e.Payload == nil {
			continue
		}
		if opened, err := r.sealer.Open(e.Payload); err == nil && opened.Event != nil {
			readable++
		}
	}
	if readable != 3 { // two orders and the login of February
		t.Errorf("%d events can be read, want 3", readable)
	}
	r.at("2026-03-20") // all of January and February 2025, and 400 days
	r.commit("acme", "order")
	r.run()
	if report := r.verify(); report.Expired != 7 || report.Events != 8 {
		t.Errorf("want 7 of 8 events expired, got %d of %d", report.Expired, report.Events)
	}
}

// TestRetentionHeld: what a hold covers stays until it is lifted.
func TestRetentionHeld(t *testing.T) {
	t.Parallel()
	from, until := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli(), time.Date(2025, 2, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	other := time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	acme := indelible.TenantRef(&[32]byte{1, 2, 3}, "acme")
	for name, c := range map[string]struct {
		scope    indelible.HoldScope
		segments int // that go
	}{
		"a tenant":             {indelible.HoldScope{Tenant: &acme}, 1},
		"a time":               {indelible.HoldScope{From: &from, Until: &until}, 0},
		"a tenant in the time": {indelible.HoldScope{Tenant: &acme, From: &from}, 1},
		"a person":             {indelible.HoldScope{Tenant: &acme, Subject: &indelible.Ref{4}}, 1},
		"another time":         {indelible.HoldScope{Until: &other}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRetaining(t)
			r.run()
			r.commit("acme", "auth.login")
			r.commit("bolt", "auth.login")
			c.scope.ID = indelible.ID{1}
			if err := r.log.AddSystem(t.Context(), indelible.KindHold, indelible.Hold{Add: &c.scope}); err != nil {
				t.Fatal(err)
			}
			r.at("2025-03-04")
			r.commit("acme", "order")
			if got := r.run(); got.Keys != 2*c.segments {
				t.Errorf("%d keys destroyed, want %d", got.Keys, 2*c.segments)
			}
			if report := r.verify(); report.Expired != uint64(c.segments) {
				t.Errorf("%d events expired, want %d", report.Expired, c.segments)
			}
		})
	}
}

// TestShorterPolicy: a policy that keeps something for less time waits for two
// people; one that keeps it longer does not.
func TestShorterPolicy(t *testing.T) {
	t.Parallel()
	r := newRetaining(t)
	r.run()
	r.commit("acme", "auth.login")
	r.config.Rules[0].Keep = datadir.Duration(10 * 24 * time.Hour)
	r.run()
	if got := r.log.Decided().Retention; got.Days("logins") != 30 {
		t.Errorf("shortened without approval: %+v", got)
	}
	r.config.Rules[0].Keep = datadir.Duration(60 * 24 * time.Hour)
	r.run()
	if got := r.log.Decided().Retention; got.Days("logins") != 60 {
		t.Errorf("not lengthened: %+v", got)
	}
}

// flaky is a log whose n-th call fails: before anything happened, or after all
// of it did and nobody was told.
type flaky struct {
	*ledger.Ledger
	n     int
	after bool
}

func (f *flaky) step(do func() error) error {
	f.n--
	if f.n == 0 && !f.after {
		return errCrash
	}
	err := do()
	if f.n == 0 {
		return errors.Join(errCrash, err)
	}
	return err
}

func (f *flaky) Decide(ctx context.Context, kind indelible.Kind, content any) (d ledger.Decision, err error) {
	err = f.step(func() (err error) {
		d, err = f.Ledger.Decide(ctx, kind, content)
		return err
	})
	return d, err
}

func (f *flaky) FlushWhileStoreAnswers(ctx context.Context, wait time.Duration) (away, err error) {
	err = f.step(func() error {
		away, err = f.Ledger.FlushWhileStoreAnswers(ctx, wait)
		return err
	})
	return away, err
}

func (f *flaky) RemoveExpired(ctx context.Context, limit int) (removed, locked int, err error) {
	err = f.step(func() error {
		removed, locked, err = f.Ledger.RemoveExpired(ctx, min(limit, 1)) // one at a time
		return err
	})
	return removed, locked, err
}

// TestRetentionInterrupted is cut short at every call it makes, and goes on.
func TestRetentionInterrupted(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		t.Run(fmt.Sprintf("after %v", after), func(t *testing.T) {
			t.Parallel()
			r := newRetaining(t)
			r.run()
			r.commit("acme", "auth.login")
			r.commit("acme", "auth.login")
			r.commit("acme", "order")
			r.at("2025-03-04")
			calls := 0
			for crashed := true; crashed; {
				crashed = false
				calls++
				f := &flaky{Ledger: r.log, n: calls, after: after}
				x := r.executor()
				x.Log = f
				for range 50 {
					res, err := x.Do(t.Context(), Order{Retain: true})
					if errors.Is(err, errCrash) {
						crashed = true
						break
					}
					if err != nil {
						t.Fatal(err)
					}
					if res.Retained.Finished {
						break
					}
				}
				r.verify()
			}
			if calls < 4 {
				t.Errorf("cut short %d times only", calls-1)
			}
			r.run()
			if report := r.verify(); report.Expired != 2 || report.Events != 3 {
				t.Errorf("want 2 of 3 events expired, got %d of %d", report.Expired, report.Events)
			}
		})
	}
}

// TestPlainRetention: where nothing is encrypted the class follows from the event,
// and the month from the commit.
func TestPlainRetention(t *testing.T) {
	t.Parallel()
	committed := time.Date(2025, 1, 10, 0, 0, 0, 0, time.UTC).UnixMilli()
	payload := indelible.AppendPayload(nil, &[32]byte{}, []byte(`{"/event_type":"auth.login"}`))
	for date, want := range map[string]bool{"2025-03-02": false, "2025-03-03": true} {
		now, err := time.Parse(time.DateOnly, date)
		if err != nil {
			t.Fatal(err)
		}
		class := "logins"
		r := &Retention{
			Decided: ledger.Decided{Retention: &indelible.Retention{Default: 400, Rules: []indelible.RetentionRule{{Class: "logins", Days: 30}}}},
			Class:   func([]byte) (string, error) { return class, nil }, Now: now,
		}
		leaf := &indelible.Leaf{Kind: indelible.KindEvent, Time: committed}
		if dead, err := r.deadPayload(t.Context(), leaf, payload, false); err != nil || dead != want {
			t.Errorf("on %s: %v, %v", date, dead, err)
		}
		class = indelible.DefaultClass
		if dead, err := r.deadPayload(t.Context(), leaf, payload, false); err != nil || dead {
			t.Errorf("on %s an event of 400 days may go: %v", date, err)
		}
	}
}
