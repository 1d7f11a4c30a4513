package ledger_test

import (
	"bytes"
	"strings"
	"testing"

	"indelible"
	"indelible/internal/ledger"
)

// operator is a malicious operator at work on a copy of a log: all keys are
// there, and the first tenant's name and key.
type operator struct {
	*ledger.Forger
	*world
	t   *testing.T
	mem *memory
	d   *directory
	key [32]byte // of tenant 1
}

// newOperator begins with a sound log of two tenants with three events each.
func newOperator(t *testing.T) *operator {
	t.Helper()
	mem := newMemory(false)
	w, d := newWorld(t, mem)
	forger, err := ledger.NewForger(t.Context(), d.config())
	if err != nil {
		t.Fatal(err)
	}
	o := &operator{forger, w, t, mem, d, [32]byte{}}
	draft := forger.Begin()
	for i, tenant := range []string{"acme", "bolt"} {
		no, key := draft.Tenant(tenant, w.sealer.SealTenant)
		if i == 0 {
			o.key = key
		}
		for n := range 3 {
			e := event(tenant, n)
			draft.Event(no, indelible.EventRef(&key, e.ID), w.payload(e))
		}
	}
	o.put(draft.Heads(nil))
	r := w.verify()
	want(t, r, ledger.ResultOK)
	if len(r.Problems) != 0 {
		t.Fatal(describe(r))
	}
	return o
}

func (o *operator) put(d *ledger.Draft) {
	o.t.Helper()
	if err := d.Put(o.t.Context()); err != nil {
		o.t.Fatal(err)
	}
}

// event adds an event of acme to a draft, as an honest writer would.
func (o *operator) event(d *ledger.Draft, n int) {
	e := event("acme", n)
	d.Event(1, indelible.EventRef(&o.key, e.ID), o.payload(e))
}

// TestSignedLies: what an operator can sign and what it cannot hide. Each lie
// stands in a segment with sound signatures, in a tree that is published.
func TestSignedLies(t *testing.T) {
	t.Parallel()
	ref := indelible.Ref{1, 2, 3}
	row := func(o *operator, d *ledger.Draft, no, seq uint64) indelible.Leaf {
		return indelible.Leaf{Kind: indelible.KindEvent, EventRef: ref, TenantNo: no, TenantSeq: seq, Previous: d.Row(1).Leaf}
	}
	tests := map[string]struct {
		lie  func(*operator, *ledger.Draft)
		what string // part of what is wrong
		open bool   // only who can open payloads sees it
	}{
		"event in a row that is not there": {func(o *operator, d *ledger.Draft) { d.Leaf(row(o, d, 3, 1), o.payload(event("acme", 9))) }, "no tenant number 3", false},
		"event in row 0":                   {func(o *operator, d *ledger.Draft) { d.Leaf(row(o, d, 0, 1), o.payload(event("acme", 9))) }, "no tenant number 0", false},
		"event in the last row there is":   {func(o *operator, d *ledger.Draft) { d.Leaf(row(o, d, ^uint64(0), 1), o.payload(event("acme", 9))) }, "no tenant number", false},
		"a number left out":                {func(o *operator, d *ledger.Draft) { d.Leaf(row(o, d, 1, 6), o.payload(event("acme", 9))) }, "does not follow", false},
		"a number used twice":              {func(o *operator, d *ledger.Draft) { d.Leaf(row(o, d, 1, 4), o.payload(event("acme", 9))) }, "does not follow", false},
		"another leaf before": {func(o *operator, d *ledger.Draft) {
			l := row(o, d, 1, 5)
			l.Previous[0]++
			d.Leaf(l, o.payload(event("acme", 9)))
		}, "does not follow", false},
		"event of another tenant":    {func(o *operator, d *ledger.Draft) { d.Event(1, ref, o.payload(event("bolt", 9))) }, `tenant "bolt" in the row of "acme"`, true},
		"reference of another event": {func(o *operator, d *ledger.Draft) { d.Event(1, ref, o.payload(event("acme", 9))) }, "reference", true},
		"payload that is no event": {func(o *operator, d *ledger.Draft) {
			d.Event(1, ref, indelible.AppendPayload(nil, &[32]byte{}, []byte("{}")))
		}, "not an event", true},
		"payload that is none": {func(o *operator, d *ledger.Draft) { d.Leaf(row(o, d, 1, 5), []byte("payload")) }, "payload", false},
		"no payload":           {func(o *operator, d *ledger.Draft) { d.Leaf(row(o, d, 1, 5), nil) }, "payload", false},
		"tenant out of order": {func(o *operator, d *ledger.Draft) {
			d.Leaf(indelible.Leaf{Kind: indelible.KindTenant, EventRef: ref, TenantNo: 5, TenantSeq: 1}, o.payload(event("acme", 9)))
			o.event(d, 4)
		}, "out of order", false},
		"tenant 0": {func(o *operator, d *ledger.Draft) {
			d.Leaf(indelible.Leaf{Kind: indelible.KindTenant, EventRef: ref, TenantSeq: 1}, o.payload(event("acme", 9)))
		}, "out of order", false},
		"tenant that is there": {func(o *operator, d *ledger.Draft) {
			d.Leaf(indelible.Leaf{Kind: indelible.KindTenant, EventRef: ref, TenantNo: 1, TenantSeq: 1}, o.payload(event("acme", 9)))
		}, "out of order", false},
		"tenant without payload": {func(o *operator, d *ledger.Draft) {
			d.Leaf(indelible.Leaf{Kind: indelible.KindTenant, EventRef: ref, TenantNo: 3, TenantSeq: 1}, nil)
		}, "payload", false},
		"tenant twice":                     {func(o *operator, d *ledger.Draft) { d.Tenant("acme", o.sealer.SealTenant) }, "tenant has a row already", false},
		"tenant under another reference":   {func(o *operator, d *ledger.Draft) { o.tenantAgain(d, "acme") }, "split over rows 1 and 3", true},
		"tenant payload with other number": {func(o *operator, d *ledger.Draft) { d.Tenant("cray", o.sealNumber(7)) }, "says number 7", true},
		"tenant payload that is none": {func(o *operator, d *ledger.Draft) {
			d.Tenant("cray", func(indelible.Tenant) ([]byte, error) { return o.payload(event("cray", 1)), nil })
		}, "cannot be opened", true},
		"system leaf with a tenant": {func(o *operator, d *ledger.Draft) {
			d.Leaf(indelible.Leaf{Kind: indelible.KindInterference, TenantNo: 1}, nil)
		}, "names a tenant", false},
		"genesis again": {func(o *operator, d *ledger.Draft) { d.System(indelible.KindGenesis, indelible.Genesis{}) }, "genesis at index", false},
		"writer key nobody endorsed": {func(o *operator, d *ledger.Draft) {
			d.System(indelible.KindWriterKey, indelible.WriterKey{Origin: o.origin, LogID: o.logID})
		}, "not endorsed", false},
		"writer key of another log": {func(o *operator, d *ledger.Draft) {
			d.System(indelible.KindWriterKey, indelible.WriterKey{Origin: "elsewhere"})
		}, "another log", false},
		"rotation nobody signed": {func(o *operator, d *ledger.Draft) {
			d.System(indelible.KindLogKey, indelible.LogKey{OldKey: o.vkey, NewKey: o.vkey})
		}, "", false},
		"system payload with unknown field": {func(o *operator, d *ledger.Draft) { d.System(indelible.KindClock, map[string]int{"x": 1}) }, "unknown field", false},
		"heads leaf in the middle": {func(o *operator, d *ledger.Draft) {
			d.Heads(nil)
			o.event(d, 4)
			d.Tenant("cray", o.sealer.SealTenant)
		}, "not the last", false},
		"heads leaf in front": {func(o *operator, d *ledger.Draft) { d.Heads(nil); d.Heads(nil) }, "not the last", false},
		"leaf of a time of its own": {func(o *operator, d *ledger.Draft) {
			d.Raw((&indelible.Leaf{Kind: indelible.KindInterference, Time: 1, Segment: o.Next()}).AppendTo(nil), nil)
		}, "another segment or time", false},
		"leaf of another segment": {func(o *operator, d *ledger.Draft) {
			d.Raw((&indelible.Leaf{Kind: indelible.KindInterference}).AppendTo(nil), nil)
		}, "another segment or time", false},
		"leaf that is none": {func(o *operator, d *ledger.Draft) { d.Raw(bytes.Repeat([]byte{7}, indelible.LeafSize), nil) }, "leaf", false},
		"leaf with reserved bytes": {func(o *operator, d *ledger.Draft) {
			l := (&indelible.Leaf{Kind: indelible.KindInterference}).AppendTo(nil)
			l[150] = 1
			d.Raw(l, nil)
		}, "reserved", false},
		"wrong segment number": {func(o *operator, d *ledger.Draft) { d.Edit = func(s *ledger.Segment) { s.Seq++ } }, "segment", false},
		"another old root":     {func(o *operator, d *ledger.Draft) { d.Edit = func(s *ledger.Segment) { s.OldRoot[0]++ } }, "continues a tree", false},
		"another new root":     {func(o *operator, d *ledger.Draft) { d.Edit = func(s *ledger.Segment) { s.NewRoot[0]++ } }, "new root", false},
		"another predecessor":  {func(o *operator, d *ledger.Draft) { d.Edit = func(s *ledger.Segment) { s.Previous[0]++ } }, "predecessor", false},
		"an epoch gone by":     {func(o *operator, d *ledger.Draft) { d.Edit = func(s *ledger.Segment) { s.Epoch-- } }, "epoch", false},
		"another log":          {func(o *operator, d *ledger.Draft) { d.Edit = func(s *ledger.Segment) { s.LogID[0]++ } }, "another log", false},
		"earlier than before":  {func(o *operator, d *ledger.Draft) { d.Edit = func(s *ledger.Segment) { s.Time = 1 } }, "earlier", false},
		"a void that was none": {func(o *operator, d *ledger.Draft) {
			d.Edit = func(s *ledger.Segment) { s.Voids = []ledger.Void{{Seq: s.Seq - 1}} }
		}, "passes over", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOperator(t)
			d := o.Begin()
			test.lie(o, d)
			o.put(d.Heads(nil))
			r, err := o.tryVerify(o.mem)
			if err != nil {
				t.Error(err)
			}
			want(t, r, ledger.ResultTampered)
			if !strings.Contains(describe(r), test.what) || len(r.Problems) == 0 {
				t.Errorf("nothing speaks of %q\n%s", test.what, describe(r))
			}
			if r := o.verify(withoutKeys); test.open != (r.Result == ledger.ResultOK) || len(r.Unchecked) == 0 {
				t.Errorf("without keys: %s", describe(r))
			}
		})
	}
}

func withoutKeys(opt *ledger.VerifyOptions) { opt.IDKey, opt.Opener = nil, nil }

func (o *operator) sealNumber(no uint64) func(indelible.Tenant) ([]byte, error) {
	return func(t indelible.Tenant) ([]byte, error) {
		t.TenantNo = no
		return o.sealer.SealTenant(t)
	}
}

// tenantAgain gives a tenant a second row under a reference of its own.
func (o *operator) tenantAgain(d *ledger.Draft, tenant string) {
	d.Tenant(tenant+"'", func(t indelible.Tenant) ([]byte, error) {
		t.TenantID = tenant
		return o.sealer.SealTenant(t)
	})
}

// TestHeadsLies: the table of tenants cannot be signed wrongly.
func TestHeadsLies(t *testing.T) {
	t.Parallel()
	for what, lie := range map[string]func(*indelible.Heads){
		"root":     func(h *indelible.Heads) { h.Root[0]++ },
		"rows":     func(h *indelible.Heads) { h.Rows-- },
		"keys":     func(h *indelible.Heads) { h.Keys[0]++ },
		"previous": func(h *indelible.Heads) { h.PreviousHeads++ },
		"segment":  func(h *indelible.Heads) { h.Segment++ },
		"hash":     func(h *indelible.Heads) { h.SegmentHash[0]++ },
	} {
		o := newOperator(t)
		d := o.Begin()
		o.event(d, 4)
		o.put(d.Heads(lie))
		r := o.verify(withoutKeys)
		want(t, r, ledger.ResultTampered)
		if !strings.Contains(describe(r), "heads leaf does not match") {
			t.Errorf("%s: %s", what, describe(r))
		}
	}
}

// TestUnknownKinds: later kinds are opaque; critical ones keep a verifier that
// does not know them from saying that all is well.
func TestUnknownKinds(t *testing.T) {
	t.Parallel()
	for kind, result := range map[indelible.Kind]string{
		10: ledger.ResultOK, 999: ledger.ResultOK, 0x800d: ledger.ResultUnverified, 0xffff: ledger.ResultUnverified, 0x8004: ledger.ResultUnverified,
	} {
		o := newOperator(t)
		d := o.Begin()
		d.System(kind, map[string]string{"later": "kind"})
		o.event(d, 4)
		o.put(d.Heads(nil))
		r := o.verify()
		want(t, r, result)
		if (result == ledger.ResultOK) != (len(r.Problems) == 0) {
			t.Errorf("kind %#x: %s", uint16(kind), describe(r))
		}
	}
}

// TestExtensionFields: unknown fields in a segment's header are passed over,
// unless they are critical. Who cannot sign cannot stop anybody with one.
func TestExtensionFields(t *testing.T) {
	t.Parallel()
	plain, critical := []byte{0, 7, 0, 3, 'x', 'y', 'z'}, []byte{0x80, 7, 0, 0}
	for _, field := range [][]byte{plain, critical} {
		o := newOperator(t)
		d := o.Begin()
		o.event(d, 4)
		if err := d.Heads(nil).PutExtended(t.Context(), field, keys[1]); err != nil {
			t.Fatal(err)
		}
		result := ledger.ResultOK
		if field[0] != 0 {
			result = ledger.ResultUnverified
		}
		r := o.verify()
		want(t, r, result)
		if (result == ledger.ResultOK) != (len(r.Problems) == 0) {
			t.Error(describe(r))
		}
		name := ledger.SegmentName(o.Next() - 1)
		changed := bytes.Clone(o.mem.get(name))
		changed[bytes.Index(changed, []byte("INLF"))+100] ^= 1 // in a leaf, which is signed
		o.mem.set(name, changed)
		want(t, o.verify(), ledger.ResultTampered)
	}
	o := newOperator(t)
	d := o.Begin()
	o.event(d, 9)
	if err := d.PutExtended(t.Context(), critical, keys[7]); err != nil {
		t.Fatal(err)
	}
	p := o.d.open().ready()
	p.commit(event("acme", 3))
	p.publish().close()
	want(t, o.verify(), ledger.ResultOK)
	o.wantRecorded(events("acme", 0, 4), events("bolt", 0, 3))
}
