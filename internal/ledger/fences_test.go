package ledger_test

import (
	"testing"

	"indelible"
	"indelible/internal/ledger"
)

var person = indelible.Erase{Tenant: indelible.Ref{1}, Subject: &indelible.Ref{2}}

func (g *governed) fence() indelible.Fence {
	return indelible.Fence{Keys: []indelible.ID{{1}, {2}}, Erased: &indelible.Erased{Erase: person, Approval: *g.approve(indelible.Action{Erase: &person}, operatorOne, operatorTwo)}}
}

// TestFencesOutliveRetention: the segment with a fence expires and is deleted,
// and whoever reads the fences still gets it; or nothing, where the copy that
// stays of it is gone, too.
func TestFencesOutliveRetention(t *testing.T) {
	t.Parallel()
	g := newGoverned(t)
	g.add(indelible.KindFence, g.fence())
	g.p.publish()
	last := g.p.ledger.Status().LastSegment
	seg, err := ledger.DecodeSegment(g.mem.get(ledger.SegmentName(last)))
	if err != nil {
		t.Fatal(err)
	}
	published := g.p.ledger.Status().Published
	g.clock.advance(40 * day)
	g.p.commit(event("acme", 200))
	g.p.publish()
	e := g.expired()
	e.Last, e.Hash, e.Time = last, seg.Hash, seg.Time
	g.add(indelible.KindExpired, e)
	g.p.publish()
	before := g.mem.clone()
	for {
		n, _, err := g.p.ledger.RemoveExpired(t.Context(), 100)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
	}
	gone := 0
	for seq := g.first; seq <= last; seq++ {
		if before.get(ledger.SegmentName(seq)) != nil && g.mem.get(ledger.SegmentName(seq)) == nil {
			gone++
		}
	}
	if gone < 4 {
		t.Fatalf("%d segments are gone, the one with the fence is to be among them", gone)
	}
	fences := func() ([]ledger.Fence, error) {
		r, err := ledger.NewReader(t.Context(), g.store, g.vkey)
		if err != nil {
			t.Fatal(err)
		}
		return r.Fences(t.Context(), 0)
	}
	got, err := fences()
	if err != nil || len(got) != 1 || len(got[0].Keys) != 2 || got[0].Erased == nil {
		t.Errorf("%d fences, %v", len(got), err)
	}
	if err := g.mem.Remove(t.Context(), ledger.HeadsName(published)); err != nil {
		t.Fatal(err)
	}
	if got, err := fences(); err == nil {
		t.Errorf("%d fences though the one there was cannot be read", len(got))
	}
}

// TestReadmitted: it takes two people to give somebody who was erased keys again,
// and does nothing else.
func TestReadmitted(t *testing.T) {
	t.Parallel()
	g := newGoverned(t)
	g.add(indelible.KindFence, g.fence())
	f := indelible.Fence{Keys: []indelible.ID{}, Readmitted: &indelible.Readmitted{Person: person}}
	g.refused("no operator", indelible.KindFence, f)
	f.Readmitted.Approval = *g.approve(indelible.Action{Erase: &person}, operatorOne, operatorTwo)
	g.refused("not for this", indelible.KindFence, f)
	f.Readmitted.Approval = *g.approve(indelible.Action{Readmit: &person}, operatorOne, operatorOne)
	g.refused("same operator", indelible.KindFence, f)
	f.Readmitted.Approval = *g.approve(indelible.Action{Readmit: &person}, operatorOne, operatorTwo)
	both := f
	both.Keys = []indelible.ID{{3}}
	g.refused("something else", indelible.KindFence, both)
	nobody := indelible.Erase{Tenant: person.Tenant}
	g.refused("readmits nobody", indelible.KindFence, indelible.Fence{Keys: []indelible.ID{}, Readmitted: &indelible.Readmitted{
		Person: nobody, Approval: *g.approve(indelible.Action{Readmit: &nobody}, operatorOne, operatorTwo),
	}})
	g.add(indelible.KindFence, f)
	g.p.publish()
	r, err := ledger.NewReader(t.Context(), g.store, g.vkey)
	if err != nil {
		t.Fatal(err)
	}
	got, err := r.Fences(t.Context(), 0)
	if err != nil || len(got) != 2 || got[0].Erased == nil || got[1].Readmitted == nil {
		t.Errorf("%+v, %v", got, err)
	}
	g.wantClean()
}
