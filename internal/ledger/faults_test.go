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

// storeSteps are the steps of a commit and a publish in the store.
var storeSteps = []struct {
	op   storetest.Op
	name string
}{
	{storetest.Create, "wal/*"},
	{storetest.Create, "tile/0/*"},
	{storetest.Create, "tile/1/*"},
	{storetest.Create, "tile/entries/*"},
	{storetest.Create, "heads/*"},
	{storetest.Create, "checkpoints/*"},
	{storetest.Replace, "checkpoint"},
	{storetest.Read, "checkpoint"},
	{storetest.Remove, "tile/*"},
	{storetest.List, "tile/*"},
}

// TestStepFailsOnce: each step fails, or is done and its reply lost, once or a
// few times. The same process gets over it.
func TestStepFailsOnce(t *testing.T) {
	t.Parallel()
	ways := []storetest.Fault{
		{Mode: storetest.Refuse, Times: 1}, {Mode: storetest.Refuse, Times: 3}, {Mode: storetest.Refuse, Times: 1, Err: store.ErrDenied},
		{Mode: storetest.LoseReply, Times: 1}, {Mode: storetest.Late, Times: 1},
	}
	for _, step := range storeSteps {
		for i, fault := range ways {
			fault.Op, fault.Name = step.op, step.name
			t.Run(fmt.Sprintf("%s %s way %d", step.op, step.name, i), func(t *testing.T) {
				t.Parallel()
				testStepFailsOnce(t, fault)
			})
		}
	}
}

func testStepFailsOnce(t *testing.T, fault storetest.Fault) {
	faulty := storetest.NewFaulty(newMemory(true))
	w, d := newWorld(t, faulty)
	p := d.open().ready()
	p.commit(events("acme", 0, 10)...)
	p.publish()
	end := faulty.Inject(fault)
	p.journal(events("acme", 10, 140)...)
	p.publish()
	p.journal(events("acme", 150, 140)...)
	p.publish()
	end()
	faulty.Release() // what comes later than late
	p.commit(events("acme", 290, 10)...)
	p.publish()
	if err := p.close(); err != nil {
		t.Error(err)
	}
	want(t, w.verify(), ledger.ResultOK)
	w.wantRecorded(events("acme", 0, 300))
}

// TestStepFailsAndProcessDies: a step fails, or is done, or will be done after
// the process died, and the next process goes on.
func TestStepFailsAndProcessDies(t *testing.T) {
	t.Parallel()
	for _, step := range storeSteps {
		for _, mode := range []storetest.Mode{storetest.Refuse, storetest.LoseReply, storetest.Late} {
			for _, skip := range []int{0, 1} {
				for _, release := range []string{"before", "ready", "after"} {
					if mode != storetest.Late && release != "ready" {
						continue
					}
					t.Run(fmt.Sprintf("%s %s mode %d skip %d %s", step.op, step.name, mode, skip, release), func(t *testing.T) {
						t.Parallel()
						testStepFailsAndProcessDies(t, storetest.Fault{Op: step.op, Name: step.name, Mode: mode, Skip: skip}, release)
					})
				}
			}
		}
	}
}

func testStepFailsAndProcessDies(t *testing.T, fault storetest.Fault, release string) {
	faulty := storetest.NewFaulty(newMemory(true))
	w, d := newWorld(t, faulty)
	p := d.open().ready()
	p.commit(events("acme", 0, 10)...)
	p.publish()
	hit := make(chan struct{}, 1000)
	fault.Before = func(string) { hit <- struct{}{} }
	end := faulty.Inject(fault)
	flushed := make(chan error, 2)
	p.journal(events("acme", 10, 140)...)
	go func() {
		err := p.tryPublish()
		if err == nil {
			p.journal(events("acme", 150, 140)...)
			err = p.tryPublish()
		}
		flushed <- err
	}()
	done := false
	select {
	case <-hit:
	case err := <-flushed:
		if done = true; err != nil {
			t.Errorf("flush: %v", err)
		}
	}
	p.close()
	if !done {
		<-flushed
	}
	end()
	// The power goes, too: what the disk did not promise is gone.
	d.fs = crashed(d.fs)
	if release == "before" {
		faulty.Release()
	}
	p = d.open().ready()
	if release == "ready" {
		faulty.Release()
	}
	p.commit(event("acme", 1000))
	p.publish()
	if release == "after" {
		faulty.Release()
	}
	p.journal(events("acme", 10, 140)...) // a caller that never got an answer
	p.journal(events("acme", 150, 140)...)
	p.commit(event("acme", 1001))
	p.publish()
	p.close()
	want(t, w.verify(), ledger.ResultOK)
	got := w.recorded()["acme"]
	seen := make(map[string]int)
	for _, id := range got {
		seen[id]++
	}
	for _, e := range append(events("acme", 0, 290), events("acme", 1000, 2)...) {
		if seen[e.ID] != 1 {
			t.Errorf("event %s is there %d times", e.ID, seen[e.ID])
		}
	}
	if len(got) != 292 {
		t.Errorf("%d events, want 292", len(got))
	}
}

// TestSlotTrouble: answers that leave the slot of the next segment in doubt.
func TestSlotTrouble(t *testing.T) {
	t.Parallel()
	t.Run("taken and free again", func(t *testing.T) {
		t.Parallel()
		mem := newMemory(false)
		faulty := storetest.NewFaulty(mem)
		w, d := newWorld(t, faulty)
		p := d.open().ready()
		p.commit(event("acme", 0))
		faulty.Inject(storetest.Fault{Op: storetest.Create, Name: "wal/*", Mode: storetest.Refuse, Err: store.ErrExist, Times: 1})
		p.commit(event("acme", 1))
		p.publish()
		w.wantClean()
		w.wantRecorded(events("acme", 0, 2))
	})
	t.Run("taken with every attempt", func(t *testing.T) {
		t.Parallel()
		mem := newMemory(false)
		faulty := storetest.NewFaulty(mem)
		w, d := newWorld(t, faulty)
		p := d.open().ready()
		p.commit(event("acme", 0))
		end := faulty.Inject(storetest.Fault{Op: storetest.Create, Name: "wal/*", Mode: storetest.Pass, Times: 20, Before: func(name string) { mem.set(name, []byte("garbage")) }})
		p.commit(event("acme", 1))
		end()
		p.publish()
		want(t, w.verify(), ledger.ResultOK)
		w.wantRecorded(events("acme", 0, 2))
		if n := len(w.verify().Problems); n != 20 {
			t.Errorf("%d voids named, want 20", n)
		}
	})
	t.Run("read back away", func(t *testing.T) {
		t.Parallel()
		faulty := storetest.NewFaulty(newMemory(true))
		w, d := newWorld(t, faulty)
		p := d.open().ready()
		p.commit(event("acme", 0))
		faulty.Inject(storetest.Fault{Op: storetest.Create, Name: "wal/*", Mode: storetest.LoseReply, Times: 1})
		faulty.Inject(storetest.Fault{Op: storetest.Read, Name: "wal/*", Times: 2})
		faulty.Inject(storetest.Fault{Op: storetest.Versions, Name: "wal/*", Times: 2})
		p.commit(event("acme", 1))
		p.publish()
		want(t, w.verify(), ledger.ResultOK)
		w.wantRecorded(events("acme", 0, 2))
	})
}

// TestStoreAwayAtStart: a fresh process records while the store is away, and
// brings it there later; also as the second in a row, and for tenants whose
// salt it cannot know.
func TestStoreAwayAtStart(t *testing.T) {
	t.Parallel()
	faulty := storetest.NewFaulty(newMemory(false))
	w, d := newWorld(t, faulty)
	p := d.open().ready()
	p.commit(events("acme", 0, 5)...)
	p.publish()
	p.close()
	faulty.SetDown(true)
	for i := range 3 {
		p = d.open()
		p.journal(append(events("acme", 5+5*i, 5), events("bolt", 5*i, 5)...)...)
		p.journal(event("acme", 2), event("bolt", 0)) // repeats nobody can see yet
		if p.ledger.Status().Ready {
			t.Error("ready while the store is away")
		}
		p.close()
	}
	p = d.open()
	p.journal(event("cray", 0))
	faulty.SetDown(false)
	p.ready().publish()
	p.close()
	w.wantClean()
	w.wantRecorded(events("acme", 0, 20), events("bolt", 0, 15), events("cray", 0, 1))
}

// TestClocks: a clock that is not to be believed stops commits, not the journal.
func TestClocks(t *testing.T) {
	t.Parallel()
	faulty := storetest.NewFaulty(newMemory(false))
	w, d := newWorld(t, faulty)
	p := d.open().ready()
	p.commit(event("acme", 0))
	p.publish()
	p.close()
	for what, wrong := range map[string]func(*ledger.Config){
		"store ahead":  func(*ledger.Config) { faulty.SetSkew(10 * time.Minute) },
		"store behind": func(*ledger.Config) { faulty.SetSkew(-10 * time.Minute) },
		"ours behind the log": func(c *ledger.Config) {
			c.Clock = func() time.Time { return w.clock.Now().Add(-3 * time.Hour) }
		},
	} {
		faulty.SetSkew(0)
		p = d.open(wrong)
		_, err := p.tryCommit(event("acme", 100))
		if !errors.Is(err, ledger.ErrClock) {
			t.Errorf("%s: %v, want ErrClock", what, err)
		}
		p.close()
	}
	faulty.SetSkew(time.Minute)
	p = d.open().ready()
	p.commit(event("acme", 1))
	p.publish()
	p.close()
	w.wantClean()
	got := w.recorded()["acme"]
	if len(got) != 3 { // the one journalled under a wrong clock is there, once
		t.Errorf("%d events, want 3", len(got))
	}
}

// TestDiskSteps: each write of the data directory fails, or is done and then
// fails, with the store in memory; the next process goes on.
func TestDiskSteps(t *testing.T) {
	t.Parallel()
	for _, part := range []string{"/data/keys", "/data/journal"} {
		for _, after := range []bool{false, true} {
			for skip := range 5 {
				t.Run(fmt.Sprintf("%s after=%v skip %d", part, after, skip), func(t *testing.T) {
					t.Parallel()
					testDiskStep(t, part, after, skip)
				})
			}
		}
	}
}

func testDiskStep(t *testing.T, part string, after bool, skip int) {
	fsys := disktest.New()
	w, d := newWorldOn(t, newMemory(false), fsys)
	p := d.open().ready()
	p.commit(events("acme", 0, 3)...)
	p.publish()
	left := skip
	fail := func(_ int, name string) error {
		if !strings.HasPrefix(name, part) {
			return nil
		}
		if left--; left >= 0 {
			return nil
		}
		return errors.New("disk fails")
	}
	if after {
		fsys.AfterSync(fail)
	} else {
		fsys.OnSync(fail)
	}
	var acknowledged []*indelible.Event
	for i := range 4 {
		e := event("acme", 3+i)
		if _, err := p.tryRecord(false, e); err != nil {
			break
		}
		acknowledged = append(acknowledged, e)
		if p.tryPublish() != nil {
			break
		}
	}
	p.close()
	fsys.OnSync(nil)
	fsys.AfterSync(nil)
	p = d.open().ready()
	p.commit(events("acme", 0, 10)...) // all again
	p.publish()
	p.close()
	w.wantClean()
	got := w.recorded()["acme"]
	if len(got) != 10 {
		t.Errorf("%d events, want 10", len(got))
	}
	for i, e := range append(events("acme", 0, 3), acknowledged...) {
		if got[i] != e.ID {
			t.Errorf("event %d is %s, want %s", i, got[i], e.ID)
		}
	}
}
