package ledger_test

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"

	"indelible"
	"indelible/internal/ledger"
)

// A fixture is a log worth attacking: several tenants, processes, publishes,
// full tiles, a void, and segments beyond the checkpoint.
type fixture struct {
	*world
	d       *directory
	mem     *memory
	pending map[string]bool // segments beyond the checkpoint
	void    string          // a foreign object the log passed over
	events  []*indelible.Event
}

func newFixture(t *testing.T, mem *memory, perTenant int) *fixture {
	t.Helper()
	w, d := newWorld(t, mem)
	f := &fixture{world: w, d: d, mem: mem, pending: make(map[string]bool)}
	n := 0
	commit := func(p *writer, k int) {
		list := append(events("acme", n, k), append(events("bolt", n, k), events("cray", n, k)...)...)
		n += k
		p.commit(list...)
		f.events = append(f.events, list...)
	}
	p := d.open().ready()
	commit(p, 1)
	commit(p, perTenant/2)
	p.publish()
	if err := p.close(); err != nil {
		t.Fatal(err)
	}
	p = d.open().ready()
	commit(p, perTenant-perTenant/2-2)
	f.void = ledger.SegmentName(p.ledger.Status().LastSegment + 1)
	mem.set(f.void, []byte("a foreign object in a slot of the log"))
	commit(p, 1)
	p.publish()
	for range 2 {
		commit(p, 1)
		f.pending[ledger.SegmentName(p.ledger.Status().LastSegment)] = true
	}
	if err := p.close(); err != nil {
		t.Fatal(err)
	}
	r := f.verify()
	if r.Result != ledger.ResultOK || len(r.Problems) != 1 || !named(r, f.void) || r.Pending != 6 {
		t.Fatalf("want a sound log with one void\n%s", describe(r))
	}
	return f
}

// parallel calls f with 0 to n−1 on all processors.
func parallel(n int, f func(i int)) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	next := 0
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for {
				mu.Lock()
				i := next
				next++
				mu.Unlock()
				if i >= n {
					return
				}
				f(i)
			}
		})
	}
	wg.Wait()
}

// exhaustive reports whether every byte is to be tried; a soak does.
func exhaustive() bool { return os.Getenv("SOAK") != "" }

// TestFlipBytes changes bytes, one at a time: every fifth of a small log, fewer
// of one with full tiles, and all of both in a soak.
func TestFlipBytes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ perTenant, stride int }{{4, 5}, {90, 301}} {
		t.Run(fmt.Sprintf("%d events", 3*test.perTenant), func(t *testing.T) {
			t.Parallel()
			stride := test.stride
			if exhaustive() {
				stride = 1
			} else if testing.Short() {
				stride *= 7
			}
			f := newFixture(t, newMemory(false), test.perTenant)
			type flip struct {
				name string
				at   int
			}
			var flips []flip
			for i, name := range f.mem.names() {
				size := len(f.mem.get(name))
				for at := i % min(stride, size); at < size; at += stride {
					flips = append(flips, flip{name, at})
				}
			}
			parallel(len(flips), func(i int) {
				f.checkFlip(t, flips[i].name, flips[i].at, byte(1)<<(i%8))
			})
			t.Logf("%d bytes of %d objects", len(flips), len(f.mem.names()))
		})
	}
}

func (f *fixture) checkFlip(t *testing.T, name string, at int, bit byte) {
	original := f.mem.get(name)
	changed := bytes.Clone(original)
	changed[at] ^= bit
	mem := f.mem.clone()
	mem.set(name, changed)
	r, err := f.tryVerify(mem)
	what := fmt.Sprintf("%s byte %d of %d xor %#x", name, at, len(original), bit)
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
	if !named(r, name) {
		t.Errorf("%s: not named\n%s", what, describe(r))
	}
	leaf, payload := -1, false
	if strings.HasPrefix(name, "wal/") {
		leaf, payload = ledger.Region(original, at)
	}
	switch {
	case name == f.void, f.pending[name] && !payload:
		// The checkpoint does not cover it: it is as good as a foreign object.
		return
	case r.Result != ledger.ResultTampered:
		t.Errorf("%s: result %s\n%s", what, r.Result, describe(r))
	}
	if leaf >= 0 {
		wantLeaf(t, what, r, original, leaf, payload)
	}
}

// wantLeaf fails the test unless the report names this leaf of a segment, and
// no other, with its event id where that can still be read.
func wantLeaf(t *testing.T, what string, r *ledger.Report, segment []byte, leaf int, payload bool) {
	t.Helper()
	seg, err := ledger.DecodeSegment(segment)
	if err != nil {
		t.Fatal(err)
	}
	var l indelible.Leaf
	if err := l.Decode(seg.Leaf(leaf)); err != nil {
		t.Fatal(err)
	}
	index := seg.OldSize + uint64(leaf)
	found := false
	for _, p := range r.Problems {
		if p.Index == nil {
			continue
		}
		if *p.Index != index {
			t.Errorf("%s: index %d named, want %d alone\n%s", what, *p.Index, index, describe(r))
			return
		}
		found = true
		if l.Kind.Recorded() && !payload && p.EventID == "" {
			t.Errorf("%s: the event at %d is not named\n%s", what, index, describe(r))
		}
	}
	if !found {
		t.Errorf("%s: index %d is not named\n%s", what, index, describe(r))
	}
}

// TestDamageObjects takes objects away, cuts them short and makes them longer.
func TestDamageObjects(t *testing.T) {
	t.Parallel()
	f := newFixture(t, newMemory(false), 90)
	names := f.mem.names()
	damages := map[string]func([]byte) []byte{
		"delete":     func([]byte) []byte { return nil },
		"empty":      func([]byte) []byte { return []byte{} },
		"half":       func(b []byte) []byte { return b[:len(b)/2] },
		"less one":   func(b []byte) []byte { return b[:len(b)-1] },
		"one more":   func(b []byte) []byte { return append(bytes.Clone(b), 0) },
		"line feed":  func(b []byte) []byte { return append(bytes.Clone(b), '\n') },
		"twice":      func(b []byte) []byte { return append(bytes.Clone(b), b...) },
		"zeros":      func(b []byte) []byte { return make([]byte, len(b)) },
		"other case": bytes.ToUpper,
	}
	for how, damage := range damages {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			for _, name := range names {
				mem := f.mem.clone()
				mem.set(name, damage(f.mem.get(name)))
				r, err := f.tryVerify(mem)
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
				switch {
				case how == "delete" && f.mayBeAbsent(name):
					if r.Result != ledger.ResultOK {
						t.Errorf("%s: result %s\n%s", name, r.Result, describe(r))
					}
				case !named(r, name):
					t.Errorf("%s: not named\n%s", name, describe(r))
				case name != f.void && !f.pending[name] && r.Result != ledger.ResultTampered:
					t.Errorf("%s: result %s\n%s", name, r.Result, describe(r))
				}
			}
		})
	}
}

// mayBeAbsent: superseded partial tiles and kept checkpoints need not be there,
// a foreign object needs not, and the loss of the last segment beyond the
// checkpoint cannot be seen.
func (f *fixture) mayBeAbsent(name string) bool {
	if name == f.void || strings.HasPrefix(name, "checkpoints/") {
		return true
	}
	if strings.Contains(name, ".p/") {
		return !strings.HasSuffix(name, fmt.Sprintf(".p/%d", f.checkpoint(f.mem).Size%256)) && !strings.HasPrefix(name, "tile/1/")
	}
	last := ""
	for pending := range f.pending {
		last = max(last, pending)
	}
	return name == last
}
