package ledger_test

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"slices"
	"testing"

	"indelible"
	"indelible/internal/ledger"
)

// TestMoveSegments: segments in each other's places are found, whatever their
// signatures say.
func TestMoveSegments(t *testing.T) {
	t.Parallel()
	f := newFixture(t, newMemory(false), 20)
	name := ledger.SegmentName
	tests := []struct {
		what string
		move map[uint64]uint64 // slot → the slot its content comes from
	}{
		{"swap", map[uint64]uint64{2: 3, 3: 2}},
		{"swap the first two", map[uint64]uint64{0: 1, 1: 0}},
		{"rotate", map[uint64]uint64{1: 2, 2: 3, 3: 1}},
		{"twice in a row", map[uint64]uint64{3: 2}},
		{"the first again", map[uint64]uint64{4: 0}},
		{"swap beyond the checkpoint", map[uint64]uint64{8: 9, 9: 8}},
	}
	for _, test := range tests {
		mem := f.mem.clone()
		for to, from := range test.move {
			mem.set(name(to), f.mem.get(name(from)))
		}
		r, err := f.tryVerify(mem)
		if err != nil {
			t.Errorf("%s: %v", test.what, err)
		}
		for to := range test.move {
			if !named(r, name(to)) {
				t.Errorf("%s: %s is not named\n%s", test.what, name(to), describe(r))
			}
		}
		if !f.pending[name(8)] || test.move[8] == 0 {
			want(t, r, ledger.ResultTampered)
		}
	}
	t.Run("again after the end", func(t *testing.T) {
		mem := f.mem.clone()
		mem.set(name(10), f.mem.get(name(5)))
		r := f.verifyStore(mem)
		want(t, r, ledger.ResultOK)
		if !named(r, name(10)) {
			t.Errorf("the duplicate is not named\n%s", describe(r))
		}
	})
}

// forgedSegment continues a log with the key of somebody who has none of its own.
func (f *fixture) forgedSegment(t testing.TB, mem *memory, seq uint64) []byte {
	t.Helper()
	cfg := f.d.config()
	cfg.Store = mem
	forger, err := ledger.NewForger(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	draft := forger.Begin()
	draft.Event(1, indelible.Ref{1}, f.payload(event("acme", 9999)))
	draft.Edit = func(s *ledger.Segment) { s.Seq, s.Writer = seq, publicKey(keys[7]) }
	_, data := draft.Seal(100)
	s, err := ledger.DecodeSegment(data)
	if err == nil {
		t.Fatal("a segment whose signature is by another key than it names")
	}
	draft = forger.Begin()
	draft.Event(1, indelible.Ref{1}, f.payload(event("acme", 9999)))
	draft.Edit = func(x *ledger.Segment) { x.Seq, x.Writer = seq, publicKey(keys[7]); s = x }
	draft.Seal(100)
	return s.Seal(keys[7])
}

// TestForeignSlots: what others put into the slots of the log's end stops
// nobody and changes nothing. The writer passes over it, verify names it.
func TestForeignSlots(t *testing.T) {
	t.Parallel()
	base := newFixture(t, newMemory(false), 20)
	fill := func(fill func(*fixture, uint64) []byte, slots ...uint64) func(*testing.T, *fixture, uint64) []uint64 {
		return func(t *testing.T, f *fixture, next uint64) []uint64 {
			for _, k := range slots {
				f.mem.set(ledger.SegmentName(next+k), fill(f, next+k))
			}
			return slots
		}
	}
	garbage := func(*fixture, uint64) []byte { return []byte("garbage") }
	forged := func(f *fixture, seq uint64) []byte { return f.forgedSegment(t, f.mem, seq) }
	cut := func(f *fixture, seq uint64) []byte {
		last := f.mem.get(ledger.SegmentName(seq - 1))
		return last[:len(last)-1]
	}
	tests := map[string]func(*testing.T, *fixture, uint64) []uint64{
		"garbage":      fill(garbage, 0),
		"much garbage": fill(garbage, 0, 1, 2, 4, 5),
		"empty":        fill(func(*fixture, uint64) []byte { return []byte{} }, 0),
		"forged":       fill(forged, 0),
		"forged twice": fill(forged, 0, 2),
		"forged ahead": fill(forged, 1000),
		"cut":          fill(cut, 0),
		"a copy":       fill(func(f *fixture, seq uint64) []byte { return f.mem.get(ledger.SegmentName(seq - 1)) }, 0),
		"an old one":   fill(func(f *fixture, _ uint64) []byte { return f.mem.get(ledger.SegmentName(2)) }, 0),
		"far ahead":    fill(garbage, 1, 3, 100, 1<<40, 1<<63),
		"large":        fill(func(*fixture, uint64) []byte { return make([]byte, ledger.MaxSegment+1<<20) }, 0),
	}
	for what, attack := range tests {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			for _, live := range []bool{true, false} {
				mem := base.mem.clone()
				w := *base.world
				f := &fixture{world: &w, mem: mem, d: base.d.copyOf(&w, mem)}
				w.t, w.store, w.clock = t, mem, newClock()
				w.clock.advance(24 * 3600e9)
				p := f.d.open().ready().publish()
				next := p.ledger.Status().LastSegment + 1
				if !live { // a new process meets it while replaying
					if err := p.close(); err != nil {
						t.Fatal(err)
					}
				}
				slots := attack(t, f, next)
				if !live {
					p = f.d.open().ready()
				}
				list := slices.Concat(events("acme", 1000, 5), events("dora", 0, 5))
				for _, e := range list {
					p.commit(e)
				}
				p.publish()
				p.close()
				r := w.verify()
				want(t, r, ledger.ResultOK)
				for _, k := range slots {
					if !named(r, ledger.SegmentName(next+k)) {
						t.Errorf("%s is not named\n%s", ledger.SegmentName(next+k), describe(r))
					}
				}
				w.wantRecorded(base.events, list)
			}
		})
	}
}

// copyOf is the directory as it lies on its disk now, for a world of its own.
func (d *directory) copyOf(w *world, mem *memory) *directory {
	c := *d
	c.w, c.store, c.fs = w, mem, crashed(d.fs)
	return &c
}

// TestForgedFarAhead: a forged segment with an absurd number after a log that
// lost its beginning must not keep the verifier counting.
func TestForgedFarAhead(t *testing.T) {
	t.Parallel()
	f := newFixture(t, newMemory(false), 20)
	for _, cut := range []uint64{0, 1, 7, 9} {
		for _, signer := range []ed25519.PrivateKey{keys[7], keys[1]} {
			mem := f.mem.clone()
			forger, err := ledger.NewForger(t.Context(), f.d.config())
			if err != nil {
				t.Fatal(err)
			}
			var seg *ledger.Segment
			draft := forger.Begin()
			draft.Event(1, indelible.Ref{1}, f.payload(event("acme", 9999)))
			draft.Edit = func(s *ledger.Segment) {
				s.Seq, s.Writer, s.OldSize, s.NewSize = 1<<60, publicKey(signer), 1<<50, 1<<50+1
				seg = s
			}
			draft.Seal(100)
			mem.set(ledger.SegmentName(1<<60), seg.Seal(signer))
			mem.set(ledger.SegmentName(cut), nil)
			r, err := f.tryVerify(mem)
			if err != nil {
				t.Error(err)
			}
			if r.Result == ledger.ResultOK || cut < 8 && r.Result != ledger.ResultTampered {
				t.Errorf("without segment %d: %s", cut, describe(r))
			}
			if cut < 8 && !named(r, ledger.SegmentName(cut)) {
				t.Errorf("segment %d is not named\n%s", cut, describe(r))
			}
			if len(r.Problems) > 2000 {
				t.Errorf("%d problems", len(r.Problems))
			}
		}
	}
}

// TestVoidsLater: what the log passed over may change or go away; neither the
// verifier nor the writer minds.
func TestVoidsLater(t *testing.T) {
	t.Parallel()
	for what, data := range map[string][]byte{"gone": nil, "changed": []byte("something else"), "empty": {}} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			mem := newMemory(false)
			w, d := newWorld(t, mem)
			p := d.open().ready()
			p.commit(event("acme", 1))
			p.publish()
			var voids []string
			for i := range 4 {
				for k := range i {
					name := ledger.SegmentName(p.ledger.Status().LastSegment + 1 + uint64(k))
					mem.set(name, []byte("garbage"))
					voids = append(voids, name)
				}
				p.commit(event("acme", 2+i))
			}
			p.close()
			for _, name := range voids {
				mem.set(name, data)
			}
			p = d.open().ready()
			p.commit(event("acme", 6))
			p.publish()
			p.close()
			r := w.verify()
			want(t, r, ledger.ResultOK)
			w.wantRecorded(events("acme", 1, 6))
			for _, name := range voids {
				if named(r, name) != (data != nil) {
					t.Errorf("%s: named is not %v\n%s", name, data != nil, describe(r))
				}
			}
		})
	}
}

// TestForeignNames: what stands below our prefixes under no name of ours, or
// under one the log has not reached, is named and changes nothing.
func TestForeignNames(t *testing.T) {
	t.Parallel()
	f := newFixture(t, newMemory(false), 20)
	names := []string{
		"wal/x", "wal/1", "wal/00000000000000000003x", "wal/00000000000000000003/a", "wal/99999999999999999999",
		"heads/1", "heads/00000000000000000005", "heads/x", "tile/0/999", "tile/0/x001/000", "tile/7/000.p/1", "tile/entries/005.p/9",
		"tile/entries/x", "tile/0/000.p/255", "tile/0/00", "tile/x", "checkpoints/1", "checkpoints/x",
	}
	for _, name := range names {
		f.mem.set(name, []byte("foreign"))
	}
	elsewhere := []string{"2024/01/01/x", "waldo", "checkpoint.bak", "tiles/0"}
	for _, name := range elsewhere {
		f.mem.set(name, []byte("foreign"))
	}
	p := f.d.open().ready()
	p.commit(event("acme", 5000))
	p.publish()
	p.close()
	r := f.verify()
	want(t, r, ledger.ResultOK)
	for _, name := range names {
		if !named(r, name) {
			t.Errorf("%s is not named\n%s", name, describe(r))
		}
	}
	for _, name := range elsewhere {
		if named(r, name) {
			t.Errorf("%s is not below our prefixes and is named", name)
		}
	}
	f.wantRecorded(f.events, []*indelible.Event{event("acme", 5000)})
}

// TestTakenNames: names the log will need later are taken by others: the
// publisher puts the true content there.
func TestTakenNames(t *testing.T) {
	t.Parallel()
	for _, versioned := range []bool{false, true} {
		t.Run(fmt.Sprintf("versioned=%v", versioned), func(t *testing.T) {
			t.Parallel()
			mem := newMemory(versioned)
			w, d := newWorld(t, mem)
			p := d.open().ready()
			list := events("acme", 0, 300)
			p.commit(list[:100]...)
			p.publish()
			size := w.checkpoint(mem).Size
			at := func(n uint64) []string { // what a publish at size+n writes
				n += size
				return []string{
					ledger.HeadsName(n),
					ledger.TileName(0, int64(n/256), int(n%256)), ledger.TileName(-1, int64(n/256), int(n%256)),
				}
			}
			names := slices.Concat(at(101), at(202), []string{"tile/0/000", "tile/entries/000", "tile/1/000.p/1"})
			never := append(at(77), ledger.KeptCheckpoint(size+77)) // no publish ends there
			for _, name := range append(names, never...) {
				mem.set(name, []byte("taken"))
			}
			p.commit(list[100:200]...)
			p.publish()
			p.commit(list[200:]...)
			p.publish()
			p.close()
			if got := w.checkpoint(mem).Size; got != size+202 {
				t.Fatalf("the tree has %d leaves, want %d", got, size+202)
			}
			r := w.verify()
			want(t, r, ledger.ResultOK)
			gone := func(name string) bool { return !slices.Contains(mem.names(), name) } // superseded
			for _, name := range never {
				if !named(r, name) && !gone(name) {
					t.Errorf("%s is not named\n%s", name, describe(r))
				}
			}
			for _, name := range names {
				if bytes.Equal(mem.get(name), []byte("taken")) {
					t.Errorf("%s still holds what others put there", name)
				}
				if named(r, name) != versioned && !gone(name) {
					t.Errorf("%s: named is not %v\n%s", name, versioned, describe(r))
				}
			}
			w.wantRecorded(list)
		})
	}
}
