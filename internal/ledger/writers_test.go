package ledger_test

import (
	"errors"
	"io/fs"
	"slices"
	"testing"

	"indelible"
	"indelible/internal/disk/disktest"
	"indelible/internal/ledger"
	"indelible/internal/recorder"
	"indelible/internal/store/storetest"
)

// second makes another data directory for the same log.
func (w *world) second(n int) *directory {
	d := w.directory(n, disktest.New(), 1)
	return d
}

func wantOtherWriter(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, ledger.ErrOtherWriter) {
		t.Errorf("%s: %v, want ErrOtherWriter", what, err)
	}
}

// refused opens a directory and expects it to be told of another writer.
func refused(t *testing.T, what string, d *directory) {
	t.Helper()
	p, err := d.tryOpen()
	if err == nil {
		err = p.ledger.Ready(p.context())
		p.close()
	}
	wantOtherWriter(t, what, err)
}

// TestTakeOver: another directory writes only when told to take over, with a
// writer-key leaf of its own; the one before is fenced, remembers it, and comes
// back only by taking over in turn.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	w, a := newWorld(t, newMemory(false))
	b := w.second(2)
	pa := a.open().ready()
	pa.commit(events("acme", 0, 3)...)
	refused(t, "b without taking over", b)

	pb := b.open(takeOver).ready()
	pb.commit(events("acme", 3, 3)...)
	pb.publish()
	if n := w.kinds()[indelible.KindWriterKey]; n != 1 {
		t.Errorf("%d writer-key leaves, want 1", n)
	}
	// a is alive and does not know yet: what it journals stays there.
	_, err := pa.tryCommit(events("acme", 6, 3)...)
	wantOtherWriter(t, "a goes on", err)
	wantOtherWriter(t, "a again", pa.ledger.Err())
	if _, err := pa.tryRecord(false, event("acme", 9)); err == nil {
		t.Error("a fenced writer accepts records")
	}
	pa.close()
	refused(t, "a comes back", a)

	// It remembers although the store says otherwise.
	down := storetest.NewFaulty(w.store)
	down.SetDown(true)
	asleep := *a
	asleep.store = down
	_, err = asleep.tryOpen()
	wantOtherWriter(t, "a comes back without a store", err)

	// The other way round; b is alive.
	pa = a.open(takeOver).ready()
	pa.publish() // brings what a had journalled
	wantOtherWriter(t, "b goes on", func() error { _, err := pb.tryCommit(event("bolt", 0)); return err }())
	pb.close()
	pa.commit(event("acme", 9))
	pa.publish()
	pa.close()
	if n := w.kinds()[indelible.KindWriterKey]; n != 1 {
		t.Errorf("%d writer-key leaves, want 1: a's key is known from the beginning", n)
	}
	a.open().ready().close() // no longer fenced
	pb = b.open(takeOver).ready()
	pb.publish()
	pb.close()
	w.wantClean()
	w.wantRecorded(events("acme", 0, 10), events("bolt", 0, 1))
}

// TestTakeOverAfterCrash: the writer before died at any step of a commit or
// publish, and its last write may still be on its way.
func TestTakeOverAfterCrash(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"wal/*", "tile/*", "heads/*", "checkpoint"} {
		for _, mode := range []storetest.Mode{storetest.Refuse, storetest.LoseReply, storetest.Late} {
			faulty := storetest.NewFaulty(newMemory(false))
			w, a := newWorld(t, faulty)
			b := w.second(2)
			pa := a.open().ready()
			pa.commit(events("acme", 0, 3)...)
			pa.publish()
			hit := make(chan struct{}, 1000)
			end := faulty.Inject(storetest.Fault{Name: name, Mode: mode, Before: func(string) { hit <- struct{}{} }})
			pa.journal(event("acme", 3))
			flushed := make(chan error, 1)
			go func() { flushed <- pa.tryPublish() }()
			<-hit
			pa.close()
			<-flushed
			end()
			pb := b.open(takeOver).ready()
			faulty.Release()
			pb.commit(event("acme", 4))
			pb.publish()
			pb.close()
			faulty.Release()
			// a's directory still holds what it promised.
			pa = a.open(takeOver).ready()
			pa.publish()
			pa.close()
			want(t, w.verify(), ledger.ResultOK)
			got := w.recorded()["acme"]
			slices.Sort(got)
			var ids []string
			for _, e := range events("acme", 0, 5) {
				ids = append(ids, e.ID)
			}
			if !slices.Equal(got, ids) {
				t.Errorf("%s mode %d: %v", name, mode, got)
			}
		}
	}
}

// TestDuel: two writers that both keep taking over. Whoever wins, the log
// stays one log, and nothing that was acknowledged is lost or doubled.
func TestDuel(t *testing.T) {
	t.Parallel()
	w, a := newWorld(t, newMemory(false))
	b := w.second(2)
	acknowledged := make(chan string, 10_000)
	duel := func(d *directory, tenant string, done chan<- struct{}) {
		defer close(done)
		for n := range 40 {
			for {
				p, err := d.tryOpen(takeOver)
				if err == nil {
					var receipts []indelible.Receipt
					if receipts, err = p.tryCommit(event(tenant, n)); err == nil {
						acknowledged <- receipts[0].ID
					}
					p.close()
				}
				if err == nil {
					break
				}
				if !errors.Is(err, ledger.ErrOtherWriter) {
					t.Errorf("%s: %v", tenant, err)
					return
				}
			}
		}
	}
	doneA, doneB := make(chan struct{}), make(chan struct{})
	go duel(a, "acme", doneA)
	go duel(b, "bolt", doneB)
	<-doneA
	<-doneB
	close(acknowledged)
	for _, d := range []*directory{a, b} {
		d.open(takeOver).ready().publish().close()
	}
	w.wantClean()
	w.wantRecorded(events("acme", 0, 40), events("bolt", 0, 40))
}

// TestClonedDirectory: a copy of a data directory, with its keys, is used
// beside the original. The later one fences the earlier; nothing is doubled.
func TestClonedDirectory(t *testing.T) {
	t.Parallel()
	w, a := newWorld(t, newMemory(false))
	pa := a.open().ready()
	pa.commit(events("acme", 0, 3)...)
	pa.publish()
	pa.journal(event("acme", 3))
	clone := a.copyOf(w, nil)
	clone.store = w.store
	pa.publish()

	pc := clone.open().ready()
	pc.commit(event("acme", 4))
	pc.publish() // what lay in its journal is in the log already
	_, err := pa.tryCommit(event("acme", 5))
	wantOtherWriter(t, "the original goes on", err)
	pa.close()
	refused(t, "the original comes back", a)
	pa = a.open(takeOver).ready()
	pa.publish()
	_, err = pc.tryCommit(event("acme", 6))
	wantOtherWriter(t, "the clone goes on", err)
	pc.close()
	pa.close()
	clone.open(takeOver).ready().publish().close()
	want(t, w.verify(), ledger.ResultOK)
	w.wantRecorded(events("acme", 0, 7))
}

// TestClonesTogether: both were open before either wrote.
func TestClonesTogether(t *testing.T) {
	t.Parallel()
	w, a := newWorld(t, newMemory(false))
	a.open().ready().publish().close()
	clone := a.copyOf(w, nil)
	clone.store = w.store
	pa, pc := a.open().ready(), clone.open().ready()
	pa.commit(event("acme", 0))
	_, err := pc.tryCommit(event("acme", 1))
	wantOtherWriter(t, "the clone", err)
	pc.close()
	pa.commit(event("acme", 2))
	pa.publish()
	pa.close()
	clone.open(takeOver).ready().publish().close()
	w.wantClean()
	w.wantRecorded([]*indelible.Event{event("acme", 0), event("acme", 2), event("acme", 1)})
}

// TestJournalFromCopy: the journal is an older copy, with records that are in
// the log already and without some that are, and the log goes on.
func TestJournalFromCopy(t *testing.T) {
	t.Parallel()
	for _, keepWindow := range []bool{true, false} {
		faulty := storetest.NewFaulty(newMemory(false))
		w, a := newWorld(t, faulty)
		a.open().ready().publish().close()
		faulty.SetDown(true)
		pa := a.open()
		pa.journal(events("acme", 0, 3)...)
		copy1 := crashed(a.fs)
		pa.journal(events("acme", 3, 3)...)
		copy2 := crashed(a.fs)
		faulty.SetDown(false)
		pa.ready().publish()
		pa.journal(events("acme", 6, 3)...)
		pa.publish()
		pa.close()
		for i, fsys := range []*disktest.Mem{copy1.(*disktest.Mem), copy2.(*disktest.Mem)} {
			restored := *a
			restored.fs = fsys
			if !keepWindow {
				removeAll(t, fsys, "/data/journal/window")
			}
			p := restored.open().ready()
			p.commit(event("acme", 9+i))
			p.publish()
			p.close()
		}
		w.wantClean()
		w.wantRecorded(events("acme", 0, 11))
	}
}

func removeAll(t *testing.T, fsys *disktest.Mem, dir string) {
	t.Helper()
	entries, err := fsys.List(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := fsys.Remove(dir + "/" + e.Name()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRepeats: the same event again, from the same process, another, and
// another directory, is there once; another event under its id is a conflict.
func TestRepeats(t *testing.T) {
	t.Parallel()
	faulty := storetest.NewFaulty(newMemory(false))
	w, a := newWorld(t, faulty)
	p := a.open().ready()
	first := p.commit(event("acme", 0))[0]
	again := p.commit(event("acme", 0))[0]
	if !again.Repeat || *again.Index != *first.Index {
		t.Errorf("repeat: %+v", again)
	}
	p.publish()
	p.close()
	faulty.SetDown(true)
	p = a.open()
	p.journal(event("acme", 0)) // before it can know
	other := event("acme", 0)
	other.Outcome = "other"
	p.journal(other)
	faulty.SetDown(false)
	p.ready().publish()
	if pending, err := p.recorder.Record(p.context(), []*indelible.Event{other}, recorder.Options{}); err != nil || pending[0].Err == nil {
		t.Errorf("a conflict that can be seen at once is not refused: %v", err)
	}
	p.close()
	b := w.second(2)
	p = b.open(takeOver).ready()
	p.journal(event("acme", 0), event("bolt", 0), event("bolt", 0))
	p.publish()
	p.close()
	w.wantClean()
	r := w.verify()
	got := w.recorded()
	if len(got["bolt"]) != 1 || len(got["acme"]) != 2 || r.Conflicts != 1 {
		t.Errorf("recorded %v, %d conflicts", got, r.Conflicts)
	}
}
