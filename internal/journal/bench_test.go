package journal

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"path"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"indelible"
	"indelible/internal/disk"
	"indelible/internal/disk/disktest"
)

const benchPayload = 1 << 10

var benchWaiters = []int{1, 16, 256, 1024}

// run lets n goroutines share b.N calls.
func run(b *testing.B, n int, call func(payload []byte)) {
	b.SetBytes(benchPayload)
	b.ReportAllocs()
	todo := make(chan struct{}, b.N)
	for range b.N {
		todo <- struct{}{}
	}
	close(todo)
	b.ResetTimer()
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			payload := make([]byte, benchPayload)
			for range todo {
				call(payload)
			}
		})
	}
	wg.Wait()
}

// BenchmarkAppend writes over spares, as a process does that has run for a while.
func BenchmarkAppend(b *testing.B) { benchAppend(b, true) }

// BenchmarkAppendNew writes new files only.
func BenchmarkAppendNew(b *testing.B) { benchAppend(b, false) }

func benchAppend(b *testing.B, spares bool) {
	_, key, _ := ed25519.GenerateKey(nil)
	opts := Options{Signer: func(root [32]byte, id [16]byte, group uint64, ms int64) (sig [64]byte, err error) {
		copy(sig[:], ed25519.Sign(key, indelible.ReceiptMessage(indelible.ID{}, id, group, ms, root)))
		return sig, nil
	}}
	for _, n := range benchWaiters {
		dir := b.TempDir()
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			if spares {
				makeSpares(b, dir, opts)
			}
			j, err := Open(disk.OS, dir, opts)
			if err != nil {
				b.Fatal(err)
			}
			defer j.Close()
			tenant := make([]byte, 64)
			groups := trimming(b, j)
			run(b, n, func(payload []byte) {
				rec := [1]Record{{PayloadHash: sha256.Sum256(payload), Tenant: tenant, Payload: payload}}
				if _, err := j.Append(context.Background(), rec[:]); err != nil {
					b.Error(err)
				}
			})
			b.StopTimer()
			b.ReportMetric(float64(b.N)/float64(groups()), "records/group")
		})
	}
}

// makeSpares fills and gives up files until there are as many spares as are kept.
func makeSpares(b *testing.B, dir string, opts Options) {
	j, err := Open(disk.OS, dir, opts)
	if err != nil {
		b.Fatal(err)
	}
	defer j.Close()
	big := []Record{{Payload: make([]byte, 1<<20)}}
	for len(j.Journals()) <= maxSpares-len(j.spares) {
		if _, err := j.Append(context.Background(), big); err != nil {
			b.Fatal(err)
		}
	}
	for _, f := range j.Journals() {
		if !f.Live {
			if err := j.Trim(f.ID); err != nil {
				b.Fatal(err)
			}
		} else if _, err := j.Retire(f.ID, f.Length); err != nil {
			b.Fatal(err)
		}
	}
}

// trimming gives up files that have ended, as a committer would, until the
// function it returns is called, which tells how many groups were written.
func trimming(b *testing.B, j *Journal) (groups func() int) {
	stop, done := make(chan struct{}), make(chan struct{})
	count := 0
	sweep := func() {
		for _, f := range j.Journals() {
			if f.Live {
				continue
			}
			count += countGroups(b, j, f)
			if err := j.Trim(f.ID); err != nil {
				b.Error(err)
			}
		}
	}
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
				sweep()
			}
		}
	}()
	return func() int {
		close(stop)
		<-done
		for _, f := range j.Journals() {
			count += countGroups(b, j, f)
		}
		return count
	}
}

func countGroups(b *testing.B, j *Journal, f Info) (n int) {
	r, err := disk.OS.Open(filepath.Join(j.dir, fileName(f.Counter, f.ID)))
	if err != nil {
		b.Error(err)
		return 0
	}
	defer r.Close()
	var h [groupHeaderSize]byte
	for at := f.First; at < f.Length; n++ {
		if _, err := r.ReadAt(h[:], int64(at)); err != nil {
			b.Error(err)
			return n
		}
		g, err := decodeGroupHeader(h[:])
		if err != nil {
			b.Error(err)
			return n
		}
		at += groupHeaderSize + uint64(g.length)
	}
	return n
}

// BenchmarkBare is what the machine gives for the same bytes and the same
// goroutines: each hashes and copies its bytes into the group being filled; one
// writes and syncs a group and wakes those who wait for it.
func BenchmarkBare(b *testing.B) {
	for _, n := range benchWaiters {
		b.Run(fmt.Sprint(n), func(b *testing.B) { benchBare(b, n) })
	}
}

func benchBare(b *testing.B, n int) {
	f, err := disk.OS.Create(filepath.Join(b.TempDir(), "bare"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	type group struct {
		buf  []byte
		done chan struct{}
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	next := &group{done: make(chan struct{})}
	work, stop := make(chan struct{}, 1), make(chan struct{})
	wg.Go(func() {
		var spare []byte
		for {
			select {
			case <-work:
			case <-stop:
				return
			}
			mu.Lock()
			g := next
			next = &group{buf: spare[:0], done: make(chan struct{})}
			mu.Unlock()
			if _, err := f.Write(g.buf); err != nil {
				b.Error(err)
			}
			if err := f.Sync(); err != nil {
				b.Error(err)
			}
			spare = g.buf
			close(g.done)
		}
	})
	rest := make([]byte, recordFixed+64)
	run(b, n, func(payload []byte) {
		sum := sha256.Sum256(payload)
		mu.Lock()
		g := next
		g.buf = append(append(append(g.buf, sum[:]...), rest[32:]...), payload...)
		mu.Unlock()
		select {
		case work <- struct{}{}:
		default:
		}
		<-g.done
	})
	close(stop)
	wg.Wait()
}

// BenchmarkSerial is the ceiling: one goroutine, nobody to wake, groups of a
// fixed number of records.
func BenchmarkSerial(b *testing.B) {
	for _, n := range benchWaiters {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			f, err := disk.OS.Create(filepath.Join(b.TempDir(), "serial"))
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			payload := make([]byte, benchPayload)
			rest := make([]byte, recordFixed+64)
			var buf []byte
			b.SetBytes(benchPayload)
			for i := 0; b.Loop(); i++ {
				sum := sha256.Sum256(payload)
				buf = append(append(append(buf, sum[:]...), rest[32:]...), payload...)
				if i%n == n-1 {
					if _, err := f.Write(buf); err != nil {
						b.Fatal(err)
					}
					if err := f.Sync(); err != nil {
						b.Fatal(err)
					}
					buf = buf[:0]
				}
			}
		})
	}
}

// BenchmarkScanTail is what a spare of full size costs at Open that was hardly
// written over.
func BenchmarkScanTail(b *testing.B) {
	m := disktest.New()
	opts := testOptions()
	j, err := Open(m, "journal", opts)
	if err != nil {
		b.Fatal(err)
	}
	many := testRecords(0, 300)
	for i := range many {
		many[i].Payload = bytes.Repeat([]byte(`{"/action":"start"}`), 30)
	}
	for len(j.Journals()) < 2 {
		if _, err := j.Append(b.Context(), many); err != nil {
			b.Fatal(err)
		}
	}
	info := j.Journals()[0]
	if err := j.Close(); err != nil {
		b.Fatal(err)
	}
	old, err := disk.ReadFile(m, path.Join("journal", fileName(info.Counter, info.ID)), 1<<30)
	if err != nil {
		b.Fatal(err)
	}
	data := over(old, buildFile(testRecords(0, 1)))
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		s, err := scanFile(bytes.NewReader(data), testID, uint64(len(data)), nil)
		if err != nil || s.old == 0 || s.damage != nil {
			b.Fatalf("%+v, %v", s, err)
		}
	}
}
