package ledger_test

import (
	"bytes"
	"fmt"
	"testing"

	"indelible/internal/ledger"
)

// TestReadersBelieveNothing changes bytes under readers and a starting writer.
// What they give out is true, or they say that something is wrong; the log
// that a writer goes on with is the true one.
func TestReadersBelieveNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, newMemory(false), 90)
	truth := make(map[uint64]*ledger.Entry)
	r, err := ledger.NewReader(t.Context(), f.mem, f.vkey)
	if err != nil {
		t.Fatal(err)
	}
	size := r.Checkpoint().Size
	for e, err := range r.Entries(t.Context(), 0, size) {
		if err != nil {
			t.Fatal(err)
		}
		truth[e.Index] = e
	}
	whole, err := r.ProveTenant(t.Context(), "bolt", f.sealer)
	if err != nil {
		t.Fatal(err)
	}
	flips := 24
	if testing.Short() {
		flips = 6
	}
	names := f.mem.names()
	parallel(len(names)*flips, func(i int) {
		name := names[i/flips]
		data := bytes.Clone(f.mem.get(name))
		at := (i % flips) * len(data) / flips
		data[at] ^= 1 << (i % 8)
		mem := f.mem.clone()
		mem.set(name, data)
		what := fmt.Sprintf("%s byte %d", name, at)

		r, err := ledger.NewReader(t.Context(), mem, f.vkey)
		if err != nil {
			return
		}
		if r.Checkpoint().Size != size {
			t.Errorf("%s: a checkpoint of size %d", what, r.Checkpoint().Size)
		}
		for e, err := range r.Entries(t.Context(), 0, size) {
			if err != nil {
				break
			}
			if !bytes.Equal(e.Encoded, truth[e.Index].Encoded) || !bytes.Equal(e.Payload, truth[e.Index].Payload) {
				t.Errorf("%s: entry %d is another", what, e.Index)
			}
		}
		for index := uint64(i % 7); index < size; index += 61 {
			if e, err := r.Entry(t.Context(), index); err == nil && !bytes.Equal(e.Payload, truth[index].Payload) {
				t.Errorf("%s: entry %d is another", what, index)
			}
			if e, err := r.Prove(t.Context(), index, 2, nil); err == nil {
				if _, err := e.Check(f.vkey); err != nil {
					t.Errorf("%s: evidence of %d: %v", what, index, err)
				}
			}
		}
		if c, err := r.ProveTenant(t.Context(), "bolt", f.sealer); err == nil {
			if _, err := c.Check(f.vkey); err != nil || len(c.Leaves) != len(whole.Leaves) {
				t.Errorf("%s: evidence of %d leaves, want %d: %v", what, len(c.Leaves), len(whole.Leaves), err)
			}
		}
		if i%4 == 0 {
			f.writerBelieves(t, what, mem)
		}
	})
}

// writerBelieves starts a writer over a store in which one byte was changed.
// Either it refuses, or what it adds continues the true log: with the byte put
// back, everything verifies.
func (f *fixture) writerBelieves(t *testing.T, what string, mem *memory) {
	w := *f.world
	w.store, w.clock = mem, newClock()
	w.clock.advance(24 * 3600e9)
	d := f.d.copyOf(&w, mem)
	p, err := d.tryOpen()
	if err != nil {
		t.Errorf("%s: open: %v", what, err)
		return
	}
	defer p.close()
	if p.ledger.Ready(p.context()) != nil {
		return
	}
	if _, err := p.tryCommit(event("acme", 8000)); err != nil {
		return
	}
	if p.tryPublish() != nil {
		return
	}
	p.close()
	for _, name := range f.mem.names() {
		if name != "checkpoint" && mem.get(name) != nil {
			mem.set(name, f.mem.get(name))
		}
	}
	r, err := w.tryVerify(mem, trusting(f.checkpoint(f.mem)))
	if err != nil || r.Result != ledger.ResultOK {
		t.Errorf("%s: a writer went on from a lie: %v\n%s", what, err, describe(r))
	}
}
