package ledger_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"indelible"
	"indelible/internal/disk/disktest"
	"indelible/internal/ledger"
	"indelible/internal/store"
	"indelible/internal/store/storetest"
)

// history is a log at two moments.
type history struct {
	*world
	d          *directory
	early, now *memory
	earlyFS    *directory // the data directory as it was then
	first      *ledger.Checkpoint
	last       *ledger.Checkpoint
}

func newHistory(t *testing.T) *history {
	t.Helper()
	mem := newMemory(false)
	w, d := newPlainWorld(t, mem)
	h := &history{world: w, d: d, now: mem}
	p := d.open().ready()
	p.commit(events("acme", 0, 10)...)
	p.publish()
	p.close()
	h.early, h.earlyFS, h.first = mem.clone(), d.copyOf(w, nil), w.checkpoint(mem)
	p = d.open().ready()
	p.commit(events("acme", 10, 10)...)
	p.publish()
	p.close()
	h.last = w.checkpoint(mem)
	return h
}

// TestRollback: an older state is as sound as it was then. Only who remembers a
// later one, or finds a later one kept, can tell; without, the report says so.
func TestRollback(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	saysUnchecked := func(r *ledger.Report, what string) {
		t.Helper()
		if !strings.Contains(strings.Join(r.Unchecked, "\n"), what) {
			t.Errorf("unchecked %q does not speak of %q", r.Unchecked, what)
		}
	}
	// All of it.
	r := h.verifyStore(h.early)
	want(t, r, ledger.ResultOK)
	saysUnchecked(r, "rollback")
	want(t, h.verifyStore(h.early, trusting(h.first)), ledger.ResultOK)
	want(t, h.verifyStore(h.early, trusting(h.last)), ledger.ResultTampered)
	want(t, h.verifyStore(h.now, trusting(h.first)), ledger.ResultOK)
	saysUnchecked(h.verifyStore(h.now, trusting(h.first)), "split view")

	// The checkpoint alone: a later one was kept.
	mem := h.now.clone()
	mem.set("checkpoint", h.early.get("checkpoint"))
	r = h.verifyStore(mem)
	want(t, r, ledger.ResultTampered)
	if !named(r, "checkpoint") {
		t.Error(describe(r))
	}
	// And that is taken away: what is beyond the checkpoint shows as pending.
	mem.set(ledger.KeptCheckpoint(h.last.Size), nil)
	r = h.verifyStore(mem)
	want(t, r, ledger.ResultOK)
	if r.Pending == 0 {
		t.Error(describe(r))
	}
	want(t, h.verifyStore(mem, trusting(h.last)), ledger.ResultTampered)

	// Age is a hint that needs no memory.
	h.clock.advance(48 * time.Hour)
	old := func(o *ledger.VerifyOptions) { o.MaxAge = 24 * time.Hour }
	want(t, h.verifyStore(h.now, old), ledger.ResultUnverified)
}

// TestRollbackWriter: a writer whose store is older than what it signed stops.
func TestRollbackWriter(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	for what, mem := range map[string]*memory{"store": h.early, "checkpoint": h.now.clone(), "emptied": newMemory(false)} {
		t.Run(what, func(t *testing.T) {
			if what == "checkpoint" {
				mem.set("checkpoint", h.early.get("checkpoint"))
			}
			p := h.d.copyOf(h.world, mem).open()
			err := p.ledger.Ready(p.context())
			if what == "checkpoint" { // the segments are all there
				if err != nil {
					t.Errorf("the checkpoint can be made again: %v", err)
				}
				p.commit(event("acme", 20))
				p.publish()
				want(t, h.verifyStore(mem, trusting(h.last)), ledger.ResultOK)
				return
			}
			var bad *ledger.TamperError
			if !errors.As(err, &bad) {
				t.Errorf("ready: %v, want tampering", err)
			}
			p.close()
		})
	}
}

// TestFork: the operator continues the log twice, with the true keys. Each
// branch is sound in itself; who has seen one recognises the other.
func TestFork(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 10, 30} { // shorter, as long, longer
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			h := newHistory(t)
			fork := h.early.clone()
			d := *h.earlyFS
			d.store = fork
			p := d.open().ready()
			p.commit(events("bolt", 0, n)...)
			p.publish()
			p.close()
			want(t, h.verifyStore(fork), ledger.ResultOK)
			want(t, h.verifyStore(fork, trusting(h.first)), ledger.ResultOK)
			want(t, h.verifyStore(fork, trusting(h.last)), ledger.ResultTampered)
			want(t, h.verifyStore(h.now, trusting(h.checkpoint(fork))), ledger.ResultTampered)

			// The writer of the first branch does not sign on the second.
			p = h.d.copyOf(h.world, fork).open(takeOver)
			err := p.ledger.Ready(p.context())
			if err == nil {
				err = p.tryPublish()
			}
			var bad *ledger.TamperError
			if !errors.As(err, &bad) {
				t.Errorf("the writer goes on with a fork: %v", err)
			}
			p.close()
		})
	}
}

// TestForkWithoutCheckpoint: the same while nothing of the fork is published.
func TestForkWithoutCheckpoint(t *testing.T) {
	t.Parallel()
	for n := 1; n < 20; n++ {
		h := newHistory(t)
		fork := h.early.clone()
		d := *h.earlyFS
		d.store = fork
		p := d.open().ready()
		p.commit(events("bolt", 0, n)...)
		p.close()
		p = h.d.copyOf(h.world, fork).open(takeOver)
		if err := p.ledger.Ready(p.context()); err == nil {
			t.Errorf("the writer goes on with a fork of %d leaves", n)
		}
		p.close()
	}
}

// TestDropEvents: an operator with all keys makes the log again without a
// tenant's last events. Nothing in the new log shows it; every memory of the
// old one does.
func TestDropEvents(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	reader, err := ledger.NewReader(t.Context(), h.now, h.vkey)
	if err != nil {
		t.Fatal(err)
	}
	complete, err := reader.ProveTenant(t.Context(), "acme", h.sealer)
	if err != nil {
		t.Fatal(err)
	}
	again := newMemory(false)
	w, d := newWorld(t, again)
	w.clock = h.clock
	p := d.open().ready()
	p.commit(events("acme", 0, 15)...)
	p.commit(events("bolt", 0, 40)...)
	p.publish()
	p.close()

	// It cannot be seen in the log alone.
	want(t, w.verify(), ledger.ResultOK)
	// Who saw the old one sees it.
	want(t, w.verify(trusting(h.last)), ledger.ResultTampered)
	// So does the tenant with its old evidence: both prove, and contradict.
	if _, err := complete.Check(h.vkey); err != nil {
		t.Fatal(err)
	}
	reader, err = ledger.NewReader(t.Context(), again, h.vkey)
	if err != nil {
		t.Fatal(err)
	}
	now, err := reader.ProveTenant(t.Context(), "acme", w.sealer)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := now.Check(h.vkey); err != nil {
		t.Fatal(err)
	}
	if len(complete.Leaves) != 21 || len(now.Leaves) != 16 || now.Heads.Index < complete.Heads.Index {
		t.Errorf("%d leaves at %d before, %d at %d now", len(complete.Leaves), complete.Heads.Index, len(now.Leaves), now.Heads.Index)
	}
}

// TestStoreAway: what cannot be read is not verified; it is not tampering.
func TestStoreAway(t *testing.T) {
	t.Parallel()
	f := newFixture(t, newMemory(false), 20)
	for _, failure := range []error{store.ErrUnavailable, store.ErrDenied} {
		for _, name := range f.mem.names() {
			if name == f.void || f.pending[name] {
				continue
			}
			faulty := storetest.NewFaulty(f.mem)
			faulty.Inject(storetest.Fault{Op: storetest.Read, Name: name, Err: failure})
			r, err := f.tryVerify(faulty)
			if name == "checkpoint" {
				if !errors.Is(err, failure) {
					t.Errorf("checkpoint: %v", err)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			want(t, r, ledger.ResultUnverified)
			if !named(r, name) {
				t.Errorf("%s is not named\n%s", name, describe(r))
			}
		}
	}
	faulty := storetest.NewFaulty(f.mem)
	faulty.Inject(storetest.Fault{Op: storetest.List})
	if r, err := f.tryVerify(faulty); err == nil {
		t.Errorf("no error for a store that cannot be listed\n%s", describe(r))
	}
}

// TestWhileWriting: a log that grows while it is verified is not tampered with:
// partial tiles that were listed are gone when they are read.
func TestWhileWriting(t *testing.T) {
	t.Parallel()
	mem := newMemory(false)
	w, d := newWorld(t, mem)
	p := d.open().ready()
	p.commit(events("acme", 0, 100)...)
	p.publish()
	faulty := storetest.NewFaulty(mem)
	n := 100
	faulty.Inject(storetest.Fault{Op: storetest.Read, Name: "wal/*", Mode: storetest.Pass, Times: 1, Before: func(string) {
		p.commit(events("acme", n, 300)...)
		p.publish()
	}})
	r := w.verifyStore(faulty)
	if r.Result != ledger.ResultOK || len(r.Problems) > 0 {
		t.Error(describe(r))
	}
	p.close()
}

// TestForgedHeads: a store that forges the newest heads object and the segment
// below the checkpoint must not make an honest writer sign what it says.
func TestForgedHeads(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	// The forger's log has the same name, id and size, other keys, and other
	// rows: the last events of acme are not in its table.
	forged := newMemory(false)
	w := *h.world
	w.store, w.logKey = forged, keys[6]
	d := w.directory(1, disktest.New(), 1)
	if err := ledger.Create(t.Context(), d.config()); err != nil {
		t.Fatal(err)
	}
	forger, err := ledger.NewForger(t.Context(), d.config())
	if err != nil {
		t.Fatal(err)
	}
	var segment []byte
	var seq uint64
	for forger.Size() < h.last.Size {
		draft := forger.Begin()
		if forger.Size() == 1 {
			draft.Tenant("acme", h.sealer.SealTenant)
		}
		for n := forger.Size() + uint64(draft.Len()); n < h.last.Size-1; n++ {
			draft.Event(1, indelible.Ref{byte(n)}, h.payload(event("acme", int(n))))
		}
		draft.Heads(nil)
		draft.Edit = func(s *ledger.Segment) { s.NewRoot = h.last.Root }
		seq, segment = draft.Seal(1)
	}
	mem := h.now.clone()
	mem.set(ledger.HeadsName(h.last.Size), forger.Heads())
	mem.set(ledger.SegmentName(seq), segment)
	p := h.d.copyOf(h.world, mem).open(takeOver)
	err = p.ledger.Ready(p.context())
	if err == nil {
		t.Errorf("a writer goes on from a forged table of tenants")
	}
	p.close()
	want(t, h.verifyStore(mem), ledger.ResultTampered)
}
