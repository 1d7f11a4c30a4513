package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"indelible"
	"indelible/internal/disk"
	"indelible/internal/disk/disktest"
	"indelible/internal/ledger"
	"indelible/internal/recorder"
	"indelible/internal/store"
	"indelible/internal/store/dir"
)

func openDir(t *testing.T, fsys disk.FS) store.Store {
	t.Helper()
	st, err := dir.Open(fsys, "/data/store/audit-logs")
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// life is what a log with its store on one disk lived through until the power
// went: what was acknowledged, and the last checkpoint somebody saw.
type life struct {
	*world
	d            *directory
	acknowledged []*indelible.Event
	seen         *ledger.Checkpoint
}

// live records and publishes in two processes until the power goes.
func live(t *testing.T, fsys *disktest.Mem, off context.Context) *life {
	st := openDir(t, fsys)
	w, d := newWorldOn(t, st, fsys)
	l := &life{world: w, d: d}
	for process := range 2 {
		p, err := d.tryOpen()
		if err != nil {
			return l
		}
		for i := range 3 {
			list := events("acme", 100*process+10*i, 5)
			if pending, err := p.recorder.Record(off, list, recorder.Options{}); err != nil || slices.ContainsFunc(pending, func(x *recorder.Pending) bool { return x.Err != nil }) {
				break
			}
			l.acknowledged = append(l.acknowledged, list...)
			if i == 1 {
				continue // two groups of the journal in one commit
			}
			w.clock.advance(publishEvery)
			if p.ledger.Flush(off) != nil {
				break
			}
			if o, err := st.Read(t.Context(), "checkpoint", store.ReadOptions{}); err == nil && off.Err() == nil {
				if l.seen, err = ledger.OpenCheckpoint(o.Data, w.vkey); err != nil {
					t.Error(err)
				}
			}
		}
		p.close()
	}
	return l
}

// TestPowerCut takes the power away at every sync of a log's life, journal,
// store and keys on one disk. What was acknowledged is there, once and in
// order, the log continues what anybody saw of it, and it goes on.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	count := disktest.New()
	live(t, count, t.Context())
	begin := disktest.New()
	newWorldOn(t, openDir(t, begin), begin)
	first, last := begin.Syncs()+1, count.Syncs()
	if last < first+40 {
		t.Fatalf("%d syncs in a life", last)
	}
	seeds := 2
	if testing.Short() {
		seeds = 1
	}
	parallel((last-first+1)*seeds, func(i int) {
		cut, seed := first+i/seeds, i%seeds
		fsys := disktest.New()
		off, powerOff := context.WithCancel(context.Background())
		defer powerOff()
		var left *disktest.Mem
		var once sync.Once
		fsys.OnSync(func(n int, _ string) error {
			if n < cut {
				return nil
			}
			once.Do(func() {
				rng := rand.New(rand.NewPCG(uint64(seed), uint64(cut)))
				if seed == 0 {
					rng = nil // nothing that was not synced survives
				}
				left = fsys.Crash(rng)
				powerOff()
			})
			return errors.New("the power is off")
		})
		l := live(t, fsys, off)
		if left == nil {
			left = fsys.Crash(nil) // this life had fewer syncs
		}
		l.goOn(t, fmt.Sprintf("cut at sync %d, seed %d", cut, seed), left)
	})
}

// goOn starts again from what a power cut left.
func (l *life) goOn(t *testing.T, what string, left *disktest.Mem) {
	d := *l.d
	d.fs, d.store = left, openDir(t, left)
	l.store = d.store
	p, err := d.tryOpen()
	if err != nil {
		t.Errorf("%s: open: %v", what, err)
		return
	}
	if _, err := p.tryCommit(event("acme", 1000)); err != nil {
		t.Errorf("%s: go on: %v", what, err)
	}
	if err := p.tryPublish(); err != nil {
		t.Errorf("%s: flush: %v", what, err)
	}
	p.close()
	r := l.verify(trusting(l.seen))
	if r.Result != ledger.ResultOK || len(r.Problems) > 0 {
		t.Errorf("%s: %s", what, describe(r))
	}
	got := l.recorded()["acme"]
	seen := make(map[string]bool)
	for _, id := range got {
		if seen[id] {
			t.Errorf("%s: event %s is there twice", what, id)
		}
		seen[id] = true
	}
	at := -1
	for _, e := range append(l.acknowledged, event("acme", 1000)) {
		i := slices.Index(got, e.ID)
		if i <= at {
			t.Errorf("%s: event %s, which was acknowledged, is at %d after %d", what, e.ID, i, at)
		}
		at = i
	}
}

// TestDiskFull: the disk of journal and store is full for a while. Records are
// refused or acknowledged, and what was acknowledged is kept.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	for space := int64(0); space < 40_000; space += 997 {
		fsys := disktest.New()
		st := openDir(t, fsys)
		w, d := newWorldOn(t, st, fsys)
		l := &life{world: w, d: d}
		p := d.open().ready()
		p.commit(events("acme", 0, 3)...)
		p.publish()
		l.acknowledged = events("acme", 0, 3)
		fsys.FailWrites(space, syscall.ENOSPC)
		for i := range 20 {
			e := event("acme", 3+i)
			if _, err := p.tryRecord(false, e); err != nil {
				break
			}
			l.acknowledged = append(l.acknowledged, e)
			w.clock.advance(publishEvery)
			if _, err := p.ledger.FlushWhileStoreAnswers(t.Context(), time.Nanosecond); err != nil {
				break
			}
		}
		p.close()
		fsys.FailWrites(0, nil)
		l.goOn(t, fmt.Sprintf("%d bytes left", space), fsys)
	}
}
