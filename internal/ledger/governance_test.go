package ledger_test

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"indelible"
	"indelible/internal/ledger"
)

// governed is a log with two operators, a retention policy of 30 days and three
// old segments, whose next segments come 40 days later.
type governed struct {
	*world
	d     *directory
	mem   *memory
	p     *writer
	first uint64 // slot of the first old segment
	last  uint64
	hash  indelible.Hash
	time  int64
}

const day = 24 * time.Hour

var operatorOne, operatorTwo = keys[5], keys[6]

func newGoverned(t *testing.T) *governed {
	t.Helper()
	mem := newMemory(false)
	w, d := newWorld(t, mem)
	g := &governed{world: w, d: d, mem: mem}
	g.p = d.open().ready()
	g.add(indelible.KindPolicy, indelible.Policy{Operator: &indelible.Operator{Key: publicKey(keys[5])}})
	second := indelible.Introduce(keys[5], publicKey(keys[6]), w.origin, w.logID)
	g.add(indelible.KindPolicy, indelible.Policy{Operator: &second})
	g.add(indelible.KindPolicy, indelible.Policy{Retention: &indelible.Retention{Default: 30}})
	for i := range 3 {
		g.p.commit(events("acme", 10*i, 2)...)
		g.last = g.p.ledger.Status().LastSegment
		if i == 0 {
			g.first = g.last
		}
	}
	g.p.publish()
	seg, err := ledger.DecodeSegment(mem.get(ledger.SegmentName(g.last)))
	if err != nil {
		t.Fatal(err)
	}
	g.hash, g.time = seg.Hash, seg.Time
	g.clock.advance(40 * day)
	g.p.commit(event("acme", 100))
	g.p.publish()
	return g
}

func (g *governed) add(kind indelible.Kind, content any) {
	g.t.Helper()
	if err := g.p.ledger.AddSystem(g.p.context(), kind, content); err != nil {
		g.t.Fatalf("%s: %v", kind, err)
	}
}

// refused fails the test unless the log refuses a leaf for a reason.
func (g *governed) refused(why string, kind indelible.Kind, content any) {
	g.t.Helper()
	err := g.p.ledger.AddSystem(g.p.context(), kind, content)
	if err == nil || !strings.Contains(err.Error(), why) {
		g.t.Errorf("%s: %v; want %q", kind, err, why)
	}
}

func (g *governed) expired() indelible.Expired {
	return indelible.Expired{First: g.first, Last: g.last, Hash: g.hash, Time: g.time, Policy: g.p.ledger.Decided().RetentionAt, Reason: "retention"}
}

// approve is the word of two operators for an action.
func (g *governed) approve(action indelible.Action, first, second ed25519.PrivateKey) *indelible.Approval {
	g.t.Helper()
	at := g.clock.Now().UnixMilli()
	a, err := indelible.Propose(first, &action, g.origin, g.logID, indelible.ID{1}, at)
	if err == nil {
		err = a.Approve(second, &action, g.origin, g.logID, at+1000)
	}
	if err != nil {
		g.t.Fatal(err)
	}
	return &a
}

// TestExpired: segments that expired under policy are gone, and everything
// that remains is proved, read, and gone on from.
func TestExpired(t *testing.T) {
	t.Parallel()
	g := newGoverned(t)
	before := g.verify()
	g.add(indelible.KindExpired, g.expired())
	if n, _, err := g.p.ledger.RemoveExpired(t.Context(), 10); n != 0 || err != nil {
		t.Fatalf("removed %d segments before the leaf was published, %v", n, err)
	}
	g.p.publish()
	if n, _, err := g.p.ledger.RemoveExpired(t.Context(), 2); n != 2 || err != nil {
		t.Fatalf("removed %d segments of 2, %v", n, err)
	}
	if n, _, err := g.p.ledger.RemoveExpired(t.Context(), 10); n != 1 || err != nil {
		t.Fatalf("removed %d segments of the one that is left, %v", n, err)
	}
	check := func(what string) {
		t.Helper()
		r := g.verify()
		if r.Result != ledger.ResultOK || len(r.Problems) != 0 || r.Expired != 6 || r.ExpiredSegments != 3 || r.Missing != 0 || r.MissingSegments != 0 {
			t.Errorf("%s: want 6 events of 3 segments expired, got %d of %d, missing %d of %d\n%s", what, r.Expired, r.ExpiredSegments, r.Missing, r.MissingSegments, describe(r))
		}
		if r.Events < before.Events {
			t.Errorf("%s: %d events, %d before", what, r.Events, before.Events)
		}
	}
	check("removed")
	if err := g.p.close(); err != nil {
		t.Fatal(err)
	}
	g.p = g.d.open().ready()
	// A repeat of what expired writes nothing, even if it differs: nobody can tell.
	size := g.p.ledger.Status().Size
	receipts := g.p.commit(event("acme", 0))
	if !receipts[0].Repeat || g.p.ledger.Status().Size > size+1 {
		t.Errorf("a repeat of an expired event: %+v", receipts[0])
	}
	g.p.commit(events("acme", 200, 3)...)
	g.p.publish()
	check("gone on")

	r, err := ledger.NewReader(t.Context(), g.store, g.vkey)
	if err != nil {
		t.Fatal(err)
	}
	gone := 0
	for e, err := range r.Entries(t.Context(), 0, r.Checkpoint().Size) {
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case e.Expired != nil && e.Leaf.Kind.Recorded():
			gone++
			if e.Payload != nil || e.Expired.Index == 0 {
				t.Errorf("leaf %d: %+v", e.Index, e)
			}
			if _, err := r.Prove(t.Context(), e.Index, 1, nil); !errors.Is(err, ledger.ErrExpired) {
				t.Errorf("prove leaf %d: %v", e.Index, err)
			}
		case e.Payload == nil:
			t.Errorf("leaf %d of kind %s has no payload", e.Index, e.Leaf.Kind)
		}
	}
	if gone != 6 {
		t.Errorf("%d leaves without payload, want 6", gone)
	}
	report := g.verify(func(o *ledger.VerifyOptions) { o.Range = &ledger.Range{First: 0, End: r.Checkpoint().Size} })
	if report.Result != ledger.ResultOK || report.Expired != 6 {
		t.Errorf("range: %d expired\n%s", report.Expired, describe(report))
	}
}

// TestDeletedSegments: a segment that is gone without a sound expired leaf is missing.
func TestDeletedSegments(t *testing.T) {
	t.Parallel()
	lie := func(change func(*indelible.Expired)) func(*governed) {
		return func(g *governed) {
			e := g.expired()
			change(&e)
			if err := g.p.close(); err != nil {
				g.t.Fatal(err)
			}
			f, err := ledger.NewForger(g.t.Context(), g.d.config())
			if err != nil {
				g.t.Fatal(err)
			}
			d := f.Begin()
			d.System(indelible.KindExpired, e)
			if err := d.Heads(nil).Put(g.t.Context()); err != nil {
				g.t.Fatal(err)
			}
		}
	}
	for what, prepare := range map[string]func(*governed){
		"without a leaf": func(*governed) {},
		"with a leaf that is not under the checkpoint": func(g *governed) {
			g.add(indelible.KindExpired, g.expired())
		},
		"with a leaf for others": lie(func(e *indelible.Expired) { e.Last-- }),
		"with another hash":      lie(func(e *indelible.Expired) { e.Hash[0]++ }),
		"with another time":      lie(func(e *indelible.Expired) { e.Time -= 1000 }),
		"before its time":        lie(func(e *indelible.Expired) { e.Time += (20 * day).Milliseconds() }),
		"under another policy":   lie(func(e *indelible.Expired) { e.Policy-- }),
		"without a reason":       lie(func(e *indelible.Expired) { e.Reason = "" }),
		"with one yet to come":   lie(func(e *indelible.Expired) { e.Last += 1000 }),
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			g := newGoverned(t)
			prepare(g)
			for seq := g.first; seq <= g.last; seq++ {
				if err := g.mem.Remove(t.Context(), ledger.SegmentName(seq)); err != nil {
					t.Fatal(err)
				}
			}
			r := g.verify()
			if r.Result != ledger.ResultTampered || !named(r, ledger.SegmentName(g.last)) {
				t.Errorf("want %s named\n%s", ledger.SegmentName(g.last), describe(r))
			}
		})
	}
}

// TestHoldKeeps: the log takes no leaf that lets go what a hold on a time keeps.
func TestHoldKeeps(t *testing.T) {
	t.Parallel()
	g := newGoverned(t)
	from, until := g.time-1000, g.time+1000
	hold := indelible.Hold{Add: &indelible.HoldScope{ID: indelible.ID{3}, From: &from, Until: &until}}
	g.add(indelible.KindHold, hold)
	g.refused("hold", indelible.KindExpired, g.expired())
	g.clock.advance(60 * day)
	keys := indelible.Fence{Keys: []indelible.ID{{1}}, Expired: &indelible.ExpiredKeys{Class: "default", Period: "2025-03", Policy: g.p.ledger.Decided().RetentionAt}}
	g.refused("hold", indelible.KindFence, keys)
	keys.Expired.Period = "2025-02"
	g.add(indelible.KindFence, keys)
	g.add(indelible.KindHold, indelible.Hold{Lift: &hold.Add.ID, Approval: g.approve(indelible.Action{Lift: &hold.Add.ID}, operatorOne, operatorTwo)})
	g.add(indelible.KindExpired, g.expired())
}

func TestTwoPeople(t *testing.T) {
	t.Parallel()
	g := newGoverned(t)
	third := indelible.Policy{Operator: &indelible.Operator{Key: publicKey(keys[7])}}
	action := indelible.Action{Operator: &third.Operator.Key}
	g.refused("two operators", indelible.KindPolicy, third)
	third.Approval = g.approve(action, keys[5], keys[5])
	g.refused("same operator", indelible.KindPolicy, third)
	third.Approval = g.approve(action, keys[5], keys[7])
	g.refused("no operator", indelible.KindPolicy, third)
	third.Approval = g.approve(indelible.Action{Operator: &indelible.PublicKey{1}}, keys[5], keys[6])
	g.refused("not for this", indelible.KindPolicy, third)
	third.Approval = g.approve(action, keys[5], keys[6])
	third.Approval.Approved += (25 * time.Hour).Milliseconds()
	g.refused("ended", indelible.KindPolicy, third)
	third.Approval = g.approve(action, keys[5], keys[6])
	third.Approval.ApproverSignature[0]++
	g.refused("approver's signature", indelible.KindPolicy, third)
	third.Approval = g.approve(action, keys[5], keys[6])
	g.add(indelible.KindPolicy, third)
	g.refused("already", indelible.KindPolicy, third)

	shorter := indelible.Policy{Retention: &indelible.Retention{Default: 29}}
	g.refused("two operators", indelible.KindPolicy, shorter)
	shorter.Approval = g.approve(indelible.Action{Retention: shorter.Retention}, keys[7], keys[6])
	g.add(indelible.KindPolicy, shorter)
	g.add(indelible.KindPolicy, indelible.Policy{Retention: &indelible.Retention{Default: 60}})

	hold := indelible.Hold{Add: &indelible.HoldScope{ID: indelible.ID{9}, Tenant: &indelible.Ref{1}}}
	g.add(indelible.KindHold, hold)
	g.refused("already", indelible.KindHold, hold)
	erase := indelible.Erase{Tenant: indelible.Ref{1}, Subject: &indelible.Ref{2}}
	fence := indelible.Fence{Keys: []indelible.ID{{1}, {2}}, Erased: &indelible.Erased{Erase: erase, Approval: *g.approve(indelible.Action{Erase: &erase}, keys[5], keys[6])}}
	g.refused("hold", indelible.KindFence, fence)
	lift := indelible.Hold{Lift: &hold.Add.ID}
	g.refused("two operators", indelible.KindHold, lift)
	lift.Approval = g.approve(indelible.Action{Lift: lift.Lift}, keys[5], keys[6])
	g.add(indelible.KindHold, lift)
	g.refused("no hold", indelible.KindHold, lift)
	g.add(indelible.KindFence, fence)
	fence.Keys[0], fence.Keys[1] = fence.Keys[1], fence.Keys[0]
	g.refused("not in order", indelible.KindFence, fence)
	g.refused("one reason", indelible.KindFence, indelible.Fence{Keys: fence.Keys[:1]})
	g.refused("kept until", indelible.KindFence, indelible.Fence{Keys: fence.Keys[:1], Expired: &indelible.ExpiredKeys{Class: "default", Period: "2025-03", Policy: g.p.ledger.Decided().RetentionAt}})

	g.p.publish()
	if err := g.p.close(); err != nil {
		t.Fatal(err)
	}
	d := g.d.open().ready().ledger.Decided()
	if len(d.Operators) != 3 || d.Retention.Default != 60 || len(d.Holds) != 0 {
		t.Errorf("after a restart: %+v", d)
	}
	g.wantClean()
}

// TestDecisionsLast: what was decided is known to every later process, however
// many full heads objects came between.
func TestDecisionsLast(t *testing.T) {
	t.Parallel()
	g := newGoverned(t)
	g.add(indelible.KindHold, indelible.Hold{Add: &indelible.HoldScope{ID: indelible.ID{9}}})
	for i := range 100 {
		g.p.commit(event(fmt.Sprintf("t%d", i%3), 1000+i))
		g.p.publish()
	}
	if err := g.p.close(); err != nil {
		t.Fatal(err)
	}
	if d := g.d.open().ready().ledger.Decided(); len(d.Operators) != 2 || d.Retention == nil || len(d.Holds) != 1 {
		t.Errorf("after a restart: %+v", d)
	}
	g.wantClean()
}

func TestShortens(t *testing.T) {
	t.Parallel()
	ref := &indelible.Ref{1}
	before := indelible.Retention{Default: 400, Rules: []indelible.RetentionRule{{Class: "a", Days: 30, Events: ref}, {Class: "b", Days: 800}}}
	change := func(f func(*indelible.Retention)) *indelible.Retention {
		r := indelible.Retention{Default: before.Default, Rules: append([]indelible.RetentionRule(nil), before.Rules...)}
		f(&r)
		return &r
	}
	for what, c := range map[string]struct {
		after  *indelible.Retention
		shorts bool
	}{
		"the same":        {change(func(r *indelible.Retention) {}), false},
		"longer":          {change(func(r *indelible.Retention) { r.Default, r.Rules[0].Days = 500, 31 }), false},
		"shorter default": {change(func(r *indelible.Retention) { r.Default = 399 }), true},
		"shorter class":   {change(func(r *indelible.Retention) { r.Rules[1].Days = 799 }), true},
		"class gone":      {change(func(r *indelible.Retention) { r.Rules = r.Rules[1:] }), true},
		"order changed":   {change(func(r *indelible.Retention) { r.Rules[0], r.Rules[1] = r.Rules[1], r.Rules[0] }), true},
		"fits others":     {change(func(r *indelible.Retention) { r.Rules[0].Events = nil }), true},
		"new short class": {change(func(r *indelible.Retention) {
			r.Rules = append(r.Rules, indelible.RetentionRule{Class: "c", Days: 799})
		}), true},
		"new long class": {change(func(r *indelible.Retention) {
			r.Rules = append(r.Rules, indelible.RetentionRule{Class: "c", Days: 800})
		}), false},
		"the same in copy": {change(func(r *indelible.Retention) { r.Rules[0].Events = &indelible.Ref{1} }), false},
	} {
		if got := c.after.Shortens(&before); got != c.shorts {
			t.Errorf("%s: %v", what, got)
		}
	}
}
