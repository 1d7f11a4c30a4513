package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"sync"
	"syscall"
	"testing"

	"indelible/internal/disk"
	"indelible/internal/disk/disktest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// smallOptions make new groups and files after a few records.
func smallOptions() Options {
	opts := testOptions()
	opts.Signer = quickSigner
	opts.FileBytes = 1200
	opts.GroupBytes = 400
	return opts
}

// quickSigner is for tests that make many groups: under the race detector a
// real signature takes as long as all the rest.
func quickSigner(root [32]byte, _ [16]byte, group uint64, _ int64) (sig [64]byte, err error) {
	copy(sig[:], root[:])
	sig[63] = byte(group)
	return sig, nil
}

// powerRecords makes every third record longer than a block of the disk, which
// may survive a power cut without the blocks before it.
func powerRecords(from, to int) []Record {
	records := testRecords(from, to)
	for i := range records {
		if (from+i)%3 == 0 {
			records[i].Payload = bytes.Repeat(records[i].Payload, 1000)
		}
	}
	return records
}

// The power goes at every sync, before it and after it, with the unsynced rest
// lost or kept at random. What was acknowledged is there afterwards, in order
// and once; what was not may be there, but only whole and in its place.
func TestPowerLossAtEverySync(t *testing.T) {
	type crash struct {
		what string
		m    *disktest.Mem
	}
	var crashes []crash
	acked := map[*disktest.Mem]int{}
	rng := rand.New(rand.NewPCG(1, 2))
	m := disktest.New()
	opts := smallOptions()
	opts.FileBytes, opts.GroupBytes = 30_000, 20_000
	done := 0
	cut := func(when string) disktest.Hook {
		return func(n int, name string) error {
			for range 4 {
				c := crash{fmt.Sprintf("%s sync %d of %s", when, n, name), m.Crash(rng)}
				crashes, acked[c.m] = append(crashes, c), done
			}
			c := crash{fmt.Sprintf("%s sync %d of %s", when, n, name), m.Crash(nil)}
			crashes, acked[c.m] = append(crashes, c), done
			return nil
		}
	}
	m.OnSync(cut("before"))
	m.AfterSync(cut("after"))
	total := 0
	for process := range 2 {
		j := mustOpen(t, m, opts)
		for call := range 7 {
			n := 1 + (process+call)%7 // up to three groups
			mustAppend(t, j, powerRecords(total, total+n)...)
			total += n
			done = total
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if len(crashes) < 5*2*2*7 {
		t.Fatalf("only %d crashes", len(crashes))
	}
	for _, c := range crashes {
		j := mustOpen(t, c.m, opts)
		got := mustReadAll(t, j)
		if len(got) < acked[c.m] {
			t.Fatalf("crash %s: %d records of %d acknowledged", c.what, len(got), acked[c.m])
		}
		mustAppend(t, j, powerRecords(len(got), len(got)+1)...)
		if again := mustReadAll(t, j); !sameRecords(again, powerRecords(0, len(got)+1)) {
			t.Fatalf("crash %s: %s", c.what, cmp.Diff(powerRecords(0, len(got)+1), again))
		}
		for _, f := range j.Journals() {
			if f.Damage != nil {
				t.Fatalf("crash %s: %+v", c.what, f)
			}
		}
		j.Close()
	}
}

// Each sync fails in turn, once without effect and once with. Nobody is told
// that a record is durable when it may not be, and the journal takes no more.
func TestFailedSync(t *testing.T) {
	boom := errors.New("boom")
	for _, persisted := range []bool{false, true} {
		for at := 1; ; at++ {
			m := disktest.New()
			failed := false
			hook := func(n int, _ string) error {
				if n == at {
					failed = true
					return boom
				}
				return nil
			}
			if persisted {
				m.AfterSync(hook)
			} else {
				m.OnSync(hook)
			}
			acked := appendUntilBroken(t, m, 12, boom)
			m.OnSync(nil)
			m.AfterSync(nil)
			again := mustOpen(t, m.Crash(nil), smallOptions())
			got := mustReadAll(t, again)
			if len(got) < acked || !persisted && len(got) > acked || !sameRecords(got, testRecords(0, len(got))) {
				t.Fatalf("sync %d failed (persisted %v): %d acknowledged, %d there", at, persisted, acked, len(got))
			}
			again.Close()
			if !failed {
				break
			}
		}
	}
}

// appendUntilBroken appends records one by one and returns how many were acknowledged.
func appendUntilBroken(t *testing.T, m *disktest.Mem, records int, cause error) int {
	t.Helper()
	j, err := Open(m, "journal", smallOptions())
	if err != nil {
		if !errors.Is(err, cause) {
			t.Fatal(err)
		}
		return 0
	}
	acked := 0
	for n := range records {
		if _, err = j.Append(context.Background(), testRecords(n, n+1)); err != nil {
			break
		}
		acked++
	}
	if err != nil {
		if !errors.Is(err, ErrBroken) || !errors.Is(err, cause) {
			t.Fatalf("append: %v", err)
		}
		syncs := m.Syncs()
		for _, later := range []error{
			second(j.Append(context.Background(), testRecords(0, 1))),
			j.Wait(context.Background(), testID, 0),
			j.Trim(testID),
			second(j.ReadGroup(testID, 0)),
			j.Close(),
		} {
			if !errors.Is(later, err) && !errors.Is(later, ErrBroken) {
				t.Fatalf("a later call: %v", later)
			}
		}
		if m.Syncs() != syncs {
			t.Fatal("the failed sync was tried again")
		}
		return acked
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return acked
}

func second[T any](_ T, err error) error { return err }

func TestDiskFull(t *testing.T) {
	for space := int64(0); space < 2000; space += 7 {
		m := disktest.New()
		m.FailWrites(space, syscall.ENOSPC)
		acked := appendUntilBroken(t, m, 12, ErrDiskFull)
		m.FailWrites(0, nil)
		again := mustOpen(t, m, smallOptions())
		if got := mustReadAll(t, again); len(got) != acked || !sameRecords(got, testRecords(0, acked)) {
			t.Fatalf("%d bytes of space: %d acknowledged, %d there", space, acked, len(got))
		}
		again.Close()
	}
}

// A crash during the quarantine leaves a file that can be quarantined again.
func TestPowerLossDuringQuarantine(t *testing.T) {
	data := buildFile(exampleGroups()...)
	hit := ends(t, data)[1]
	data[hit+9]++
	m := place(t, data)
	rng := rand.New(rand.NewPCG(3, 4))
	var crashes []*disktest.Mem
	m.OnSync(func(int, string) error {
		for range 8 {
			crashes = append(crashes, m.Crash(rng))
		}
		return nil
	})
	if _, err := Quarantine(m, "journal", testID); err != nil {
		t.Fatal(err)
	}
	for i, c := range append(crashes, m.Crash(nil)) {
		if _, err := Quarantine(c, "journal", testID); err != nil {
			t.Fatalf("crash %d: %v", i, err)
		}
		j := mustOpen(t, c, testOptions())
		if got := mustReadAll(t, j); len(got) != 6 {
			t.Fatalf("crash %d: %d records", i, len(got))
		}
		j.Close()
		entries, err := c.List("journal/quarantine")
		if err != nil {
			t.Fatal(err)
		}
		kept := 0
		for _, e := range entries {
			got, err := disk.ReadFile(c, path.Join("journal/quarantine", e.Name()), 1<<20)
			if err == nil && len(got) > 0 && string(got) == string(data[hit:int(hit)+len(got)]) {
				kept++
			}
		}
		if kept == 0 {
			t.Fatalf("crash %d: the damaged bytes are gone", i)
		}
	}
}

// A journal of one process after another, against a list.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := disktest.New()
		opts := smallOptions()
		opts.MaxBytes = 6000
		open := func() *Journal {
			j, err := Open(m, "journal", opts)
			if err != nil {
				t.Fatal(err)
			}
			return j
		}
		j := open()
		defer func() { j.Close() }()
		var want []Record // what is in the journal
		next := 0
		read := func() []Record {
			got, err := readAll(j)
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				records := testRecords(next, next+rapid.IntRange(1, 9).Draw(t, "n"))
				_, err := j.Append(context.Background(), records)
				switch {
				case err == nil:
					want = append(want, records...)
					next += len(records)
				case !errors.Is(err, ErrFull):
					t.Fatal(err)
				}
			},
			"restart": func(t *rapid.T) {
				if err := j.Close(); err != nil {
					t.Fatal(err)
				}
				j = open()
			},
			"power loss": func(t *rapid.T) {
				after := m.Crash(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)))
				if err := j.Close(); err != nil {
					t.Fatal(err)
				}
				m = after
				j = open()
			},
			"trim": func(t *rapid.T) {
				infos := j.Journals()
				if len(infos) == 0 {
					t.Skip("nothing there")
				}
				oldest := infos[0]
				gone := 0
				for at := oldest.First; at < oldest.Length; {
					g, err := j.ReadGroup(oldest.ID, at)
					if err != nil {
						t.Fatal(err)
					}
					gone, at = gone+len(g.Records), g.End
				}
				if oldest.Live {
					if ok, err := j.Retire(oldest.ID, oldest.Length-1); ok || err != nil {
						t.Fatalf("retired before its end: %v", err)
					}
					if ok, err := j.Retire(oldest.ID, oldest.Length); !ok || err != nil {
						t.Fatalf("not retired: %v", err)
					}
				} else if err := j.Trim(oldest.ID); err != nil {
					t.Fatal(err)
				}
				want = want[gone:]
			},
			"": func(t *rapid.T) {
				if got := read(); !sameRecords(got, want) {
					t.Fatalf("%d records there, want %d", len(got), len(want))
				}
			},
		})
	})
}

// Many callers at once: everything they are told is true, and nobody's records
// change order.
func TestConcurrentAppends(t *testing.T) {
	m := disktest.New()
	opts := smallOptions()
	opts.FileBytes, opts.GroupBytes, opts.InFlightBytes = 20_000, 4_000, 6_000
	j := mustOpen(t, m, opts)
	const callers, calls = 16, 40
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for k := range calls {
				from := (c*calls + k) * 10
				records := testRecords(from, from+1+k%5)
				acks, err := j.Append(context.Background(), records)
				if err != nil {
					t.Error(err)
					return
				}
				a := acks[len(acks)-1]
				g, err := j.ReadGroup(a.Journal, a.Offset)
				if err != nil || !cmp.Equal(g.Records[a.Ordinal], records[len(records)-1]) {
					t.Errorf("record %d is not where its ack says: %v", from, err)
				}
			}
		})
	}
	wg.Wait()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	again := mustOpen(t, m.Crash(nil), opts)
	seen := map[string]bool{}
	last := make([]string, callers)
	for _, r := range mustReadAll(t, again) {
		ref := string(r.EventRef[:])
		var n int
		fmt.Sscanf(ref, "%d", &n)
		c := n / 10 / calls
		if seen[ref] || ref <= last[c] {
			t.Fatalf("record %s is there twice or out of order", ref)
		}
		seen[ref], last[c] = true, ref
	}
	if want := callers * calls * 3; len(seen) != want {
		t.Errorf("%d records, want %d", len(seen), want)
	}
}
