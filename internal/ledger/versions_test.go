package ledger_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"indelible"
	"indelible/internal/ledger"
)

// overlays are what somebody who may write to a bucket, and not delete
// versions, can put over an object.
var overlays = map[string]func(f *fixture, name string) []byte{
	"delete marker": func(*fixture, string) []byte { return nil },
	"garbage":       func(*fixture, string) []byte { return []byte("garbage") },
	"nothing":       func(*fixture, string) []byte { return []byte{} },
	"longer":        func(f *fixture, name string) []byte { return append(bytes.Clone(f.mem.get(name)), 0) },
	"forged": func(f *fixture, name string) []byte {
		var seq uint64
		if _, err := fmt.Sscanf(name, "wal/%d", &seq); err != nil {
			return []byte("forged")
		}
		return f.forgedSegment(f.t, f.mem, seq)
	},
}

// TestOverlays: what lies over an intact original is interference. It is
// named, the log is as good as before, and neither readers nor writers stop.
func TestOverlays(t *testing.T) {
	t.Parallel()
	base := newFixture(t, newMemory(true), 90)
	for what, overlay := range overlays {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			for _, name := range base.mem.names() {
				mem := base.mem.clone()
				mem.overlay(name, overlay(base, name))
				r, err := base.tryVerify(mem)
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
				if name == "checkpoint" { // which is replaced all the time
					want(t, r, ledger.ResultTampered)
					continue
				}
				want(t, r, ledger.ResultOK)
				if !named(r, name) || r.Events != 270 || r.Pending != 6 {
					t.Errorf("%s: %s", name, describe(r))
				}
			}
		})
		t.Run(what+" over all", func(t *testing.T) {
			t.Parallel()
			mem := base.mem.clone()
			names := mem.names()
			for _, name := range names {
				if name != "checkpoint" {
					mem.overlay(name, overlay(base, name))
				}
			}
			r := base.verifyStore(mem)
			want(t, r, ledger.ResultOK)

			w := *base.world
			w.t, w.store = t, mem
			w.wantRecorded(base.events[:270]) // a reader
			p := base.d.copyOf(&w, mem).open().ready()
			p.commit(event("acme", 7000))
			p.publish()
			p.close()
			want(t, w.verify(), ledger.ResultOK)
			w.wantRecorded(base.events, []*indelible.Event{event("acme", 7000)})
		})
	}
}

// TestBeneath: what lay under a name before the log's object is interference,
// too, also where a delete marker let the log write over it.
func TestBeneath(t *testing.T) {
	t.Parallel()
	for what, overlay := range overlays {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			base := newFixture(t, newMemory(true), 4)
			w := *base.world
			mem := base.mem
			w.t, w.store = t, mem
			var dirty []string
			p := base.d.copyOf(&w, mem).open().ready().publish()
			for i := range 3 {
				next := ledger.SegmentName(p.ledger.Status().LastSegment + 1)
				dirty = append(dirty, next)
				if data := overlay(base, next); data != nil {
					mem.overlay(next, data)
				}
				mem.overlay(next, nil)
				p.commit(event("acme", 100+i))
			}
			p.publish()
			p.close()
			p = base.d.copyOf(&w, mem).open(takeOver).ready()
			p.commit(event("acme", 103))
			p.publish()
			p.close()
			r := w.verify()
			want(t, r, ledger.ResultOK)
			for _, name := range dirty {
				if !named(r, name) {
					t.Errorf("%s is not named\n%s", name, describe(r))
				}
			}
			w.wantRecorded(base.events, events("acme", 100, 4))
		})
	}
}

// TestHiddenTail: the newest segments, which no checkpoint covers yet, are
// hidden by delete markers while no writer runs. The next one must not write
// over them: what was acknowledged stays.
func TestHiddenTail(t *testing.T) {
	t.Parallel()
	for what, overlay := range overlays {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			base := newFixture(t, newMemory(true), 4)
			w := *base.world
			w.t = t
			for name := range base.pending {
				base.mem.overlay(name, overlay(base, name))
			}
			d := base.d.copyOf(&w, base.mem)
			p := d.open().ready()
			p.commit(event("acme", 100))
			p.publish()
			p.close()
			want(t, w.verify(), ledger.ResultOK)
			w.wantRecorded(base.events, events("acme", 100, 1))
		})
	}
}

// TestVersionsGone: the original is gone and something else stands there.
func TestVersionsGone(t *testing.T) {
	t.Parallel()
	f := newFixture(t, newMemory(true), 4)
	for _, name := range f.mem.names() {
		if name == f.void || f.pending[name] {
			continue
		}
		mem := f.mem.clone()
		mem.set(name, nil)
		mem.overlay(name, []byte("garbage"))
		mem.overlay(name, nil)
		mem.overlay(name, []byte("more"))
		r := f.verifyStore(mem)
		want(t, r, ledger.ResultTampered)
		if !named(r, name) {
			t.Errorf("%s is not named\n%s", name, describe(r))
		}
	}
}

// TestAcrossBundles: a damaged segment whose leaves lie in several bundles is
// taken apart at the right places.
func TestAcrossBundles(t *testing.T) {
	t.Parallel()
	mem := newMemory(false)
	w, d := newWorld(t, mem)
	p := d.open().ready()
	p.commit(slices.Concat(events("acme", 0, 400), events("bolt", 0, 400))...)
	p.publish()
	p.close()
	var name string
	for _, n := range mem.names() {
		if strings.HasPrefix(n, "wal/") && len(mem.get(n)) > len(mem.get(name)) {
			name = n
		}
	}
	original := mem.get(name)
	for at := 0; at < len(original); at += len(original) / 61 {
		leaf, payload := ledger.Region(original, at)
		if leaf < 0 {
			continue
		}
		changed := bytes.Clone(original)
		changed[at] ^= 0x20
		c := mem.clone()
		c.set(name, changed)
		r := w.verifyStore(c)
		want(t, r, ledger.ResultTampered)
		wantLeaf(t, fmt.Sprintf("byte %d", at), r, original, leaf, payload)
	}
}
