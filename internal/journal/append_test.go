package journal

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"indelible"
	"indelible/internal/disk/disktest"
)

// gate holds up every sync of a group until it is opened.
type gate struct {
	open  chan struct{}
	syncs atomic.Int32
}

func newGate(m *disktest.Mem) *gate {
	g := &gate{open: make(chan struct{})}
	m.OnSync(func(_ int, name string) error {
		if strings.HasSuffix(name, suffix) {
			g.syncs.Add(1)
			<-g.open
		}
		return nil
	})
	return g
}

func openIn(t *testing.T, m *disktest.Mem, opts Options) *Journal {
	t.Helper()
	j, err := Open(m, "journal", opts)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func TestWaitingCallersShareOneSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := disktest.New()
		j := openIn(t, m, testOptions())
		defer j.Close()
		mustAppend(t, j, testRecord(0))
		g := newGate(m)
		var wg sync.WaitGroup
		acks := make([]Ack, 101)
		call := func(n int) {
			wg.Go(func() { acks[n] = mustAppend(t, j, testRecord(n))[0] })
			synctest.Wait()
		}
		call(1)
		for n := 2; n <= 100; n++ {
			call(n)
		}
		if acks[1].Sealed != nil {
			t.Fatal("acknowledged before the sync")
		}
		close(g.open)
		wg.Wait()
		if n := g.syncs.Load(); n != 2 {
			t.Errorf("%d syncs for one caller and 99 that waited", n)
		}
		for n := 2; n <= 100; n++ {
			if acks[n].Sealed != acks[2].Sealed || int(acks[n].Ordinal) != n-2 {
				t.Fatalf("record %d: group at %d, ordinal %d", n, acks[n].Offset, acks[n].Ordinal)
			}
		}
	})
}

// Callers wait for memory in the order in which they came, and can give up.
// There is room for one at a time: two that are let in together may overtake
// one another, and nobody is promised anything else.
func TestBytesInFlightAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := disktest.New()
		opts := testOptions()
		one := testRecord(10)
		opts.InFlightBytes = int64(one.size())
		j := openIn(t, m, opts)
		defer j.Close()
		mustAppend(t, j, testRecord(10))
		g := newGate(m)
		var wg sync.WaitGroup
		wg.Go(func() { mustAppend(t, j, testRecord(11)) }) // takes the room there is
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		var gaveUp error
		wg.Go(func() { _, gaveUp = j.Append(ctx, testRecords(13, 14)) })
		synctest.Wait()
		for n := 14; n <= 17; n++ {
			wg.Go(func() { mustAppend(t, j, testRecord(n)) })
			synctest.Wait()
		}
		j.mu.Lock()
		if j.flight.used != opts.InFlightBytes || len(j.flight.waiting) != 5 {
			t.Errorf("%d bytes in flight, %d callers wait", j.flight.used, len(j.flight.waiting))
		}
		j.mu.Unlock()
		cancel()
		synctest.Wait()
		if !errors.Is(gaveUp, context.Canceled) {
			t.Errorf("a caller that gave up: %v", gaveUp)
		}
		close(g.open)
		wg.Wait()
		want := append(testRecords(10, 12), testRecords(14, 18)...)
		if got := mustReadAll(t, j); !sameRecords(got, want) {
			t.Errorf("%d records, want %d in the order of the callers", len(got), len(want))
		}
		j.mu.Lock()
		if j.flight.used != 0 || j.promised != 0 {
			t.Errorf("afterwards %d bytes in flight, %d promised", j.flight.used, j.promised)
		}
		j.mu.Unlock()
	})
}

// Records larger than the memory allowed pass one at a time.
func TestAppendLargerThanMemory(t *testing.T) {
	opts := testOptions()
	opts.InFlightBytes = 50
	j := mustOpen(t, disktest.New(), opts)
	mustAppend(t, j, testRecords(0, 20)...)
	if got := mustReadAll(t, j); !sameRecords(got, testRecords(0, 20)) {
		t.Errorf("%d records", len(got))
	}
}

func TestCancelWhileWaitingForTheSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := disktest.New()
		j := openIn(t, m, testOptions())
		defer j.Close()
		mustAppend(t, j, testRecord(0))
		g := newGate(m)
		ctx, cancel := context.WithCancel(t.Context())
		var err error
		go func() { _, err = j.Append(ctx, testRecords(1, 2)) }()
		synctest.Wait()
		cancel()
		synctest.Wait()
		if !errors.Is(err, context.Canceled) {
			t.Errorf("append: %v", err)
		}
		if _, err := j.Append(ctx, testRecords(2, 3)); !errors.Is(err, context.Canceled) {
			t.Errorf("append with a context that ended: %v", err)
		}
		close(g.open)
		synctest.Wait()
		if got := mustReadAll(t, j); !sameRecords(got, testRecords(0, 2)) {
			t.Errorf("%d records", len(got))
		}
	})
}

func TestFull(t *testing.T) {
	m := disktest.New()
	opts := testOptions()
	opts.MaxBytes, opts.FileBytes = 2000, 500
	j := mustOpen(t, m, opts)
	n := 0
	var err error
	for ; err == nil; n++ {
		_, err = j.Append(context.Background(), testRecords(n, n+1))
	}
	if !errors.Is(err, ErrFull) || !strings.Contains(err.Error(), "limit of 2000") {
		t.Fatalf("append number %d: %v", n, err)
	}
	if got := mustReadAll(t, j); !sameRecords(got, testRecords(0, n-1)) {
		t.Errorf("%d records, %d acknowledged", len(got), n-1)
	}
	if err := j.Trim(j.Journals()[0].ID); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, j, testRecord(n))
	j.Close()

	// What earlier processes left counts too.
	opts.MaxBytes = 1000
	again := mustOpen(t, m, opts)
	if _, err := again.Append(context.Background(), testRecords(0, 1)); !errors.Is(err, ErrFull) {
		t.Errorf("after a restart: %v", err)
	}
}

func TestRecordTooLarge(t *testing.T) {
	j := mustOpen(t, disktest.New(), testOptions())
	big := testRecord(0)
	big.Payload = make([]byte, MaxRecord-recordFixed-len(big.Tenant))
	mustAppend(t, j, big)
	big.Payload = append(big.Payload, 0)
	if _, err := j.Append(context.Background(), []Record{testRecord(1), big}); err == nil || !strings.Contains(err.Error(), "record 1 is too large") {
		t.Errorf("append: %v", err)
	}
	if got := mustReadAll(t, j); len(got) != 1 {
		t.Errorf("%d records", len(got))
	}
}

func TestFilesAreEndedAndNamed(t *testing.T) {
	opts := testOptions()
	opts.FileBytes = 300
	j := mustOpen(t, disktest.New(), opts)
	for n := range 6 {
		mustAppend(t, j, testRecord(n))
		j.Grown(uint64(100 + n))
	}
	infos := j.Journals()
	if len(infos) < 3 {
		t.Fatalf("%d files", len(infos))
	}
	for i, f := range infos {
		if f.Live != (i == len(infos)-1) || f.Counter != uint64(i+1) {
			t.Errorf("file %d: %+v", i, f)
		}
		if i > 0 && (f.OpeningSize < 100 || f.ID == infos[i-1].ID) {
			t.Errorf("file %d: %+v", i, f)
		}
	}
	if err := j.Trim(infos[len(infos)-1].ID); err == nil {
		t.Error("the live journal was trimmed")
	}
	if err := j.Trim(infos[0].ID); err != nil {
		t.Error(err)
	}
	if got := mustReadAll(t, j); !sameRecords(got, testRecords(6-len(got), 6)) || len(got) == 6 {
		t.Errorf("%d records after a trim", len(got))
	}
}

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := testOptions()
		opts.FileBytes = 300
		j := openIn(t, disktest.New(), opts)
		var at indelible.ID
		var offset uint64
		woken := make(chan error)
		wait := func(ctx context.Context) {
			go func() { woken <- j.Wait(ctx, at, offset) }()
			synctest.Wait()
		}
		for n := range 6 { // in the same file and into the next
			wait(t.Context())
			select {
			case err := <-woken:
				t.Fatalf("woken for nothing: %v", err)
			default:
			}
			a := mustAppend(t, j, testRecord(n))[0]
			if err := <-woken; err != nil {
				t.Fatal(err)
			}
			at, offset = a.Journal, a.End
		}
		if err := j.Wait(t.Context(), at, offset-1); err != nil {
			t.Errorf("for something that is there: %v", err)
		}
		if err := j.Wait(t.Context(), j.Journals()[0].ID, 1<<40); err != nil {
			t.Errorf("for something in a later file: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		wait(ctx)
		cancel()
		if err := <-woken; !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		wait(t.Context())
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-woken; !errors.Is(err, ErrClosed) {
			t.Errorf("closed: %v", err)
		}
	})
}

// Close lets what was accepted become durable, and who waits for memory go.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := disktest.New()
		opts := testOptions()
		one := testRecord(0)
		opts.InFlightBytes = int64(one.size())
		j := openIn(t, m, opts)
		mustAppend(t, j, testRecord(0))
		g := newGate(m)
		var wg sync.WaitGroup
		errs := make([]error, 3)
		for n := 1; n < 3; n++ {
			wg.Go(func() { _, errs[n] = j.Append(t.Context(), testRecords(n, n+1)) })
			synctest.Wait()
		}
		wg.Go(func() {
			if err := j.Close(); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		close(g.open)
		wg.Wait()
		if errs[1] != nil || !errors.Is(errs[2], ErrClosed) {
			t.Errorf("accepted: %v, waiting: %v", errs[1], errs[2])
		}
		if _, err := j.Append(t.Context(), testRecords(3, 4)); !errors.Is(err, ErrClosed) {
			t.Errorf("append after close: %v", err)
		}
		if _, err := j.ReadGroup(j.Journals()[0].ID, fileHeaderSize); !errors.Is(err, ErrClosed) {
			t.Errorf("read after close: %v", err)
		}
		if err := j.Close(); err != nil {
			t.Errorf("second close: %v", err)
		}
		again := openIn(t, m.Crash(nil), testOptions())
		defer again.Close()
		if got := mustReadAll(t, again); !sameRecords(got, testRecords(0, 2)) {
			t.Errorf("%d records", len(got))
		}
	})
}

func TestOpeningsWithoutRecordsLeaveNoFiles(t *testing.T) {
	m := disktest.New()
	for range 3 {
		if err := mustOpen(t, m, testOptions()).Close(); err != nil {
			t.Fatal(err)
		}
	}
	if entries, err := m.List("journal"); err != nil || len(entries) != 0 {
		t.Errorf("%v, %v", entries, err)
	}
}
