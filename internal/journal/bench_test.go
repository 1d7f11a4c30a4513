package journal

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"indelible"
	"indelible/internal/disk"
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

func BenchmarkAppend(b *testing.B) {
	_, key, _ := ed25519.GenerateKey(nil)
	for _, n := range benchWaiters {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			j, err := Open(disk.OS, b.TempDir(), Options{Signer: func(root [32]byte, id [16]byte, group uint64, ms int64) (sig [64]byte, err error) {
				copy(sig[:], ed25519.Sign(key, indelible.ReceiptMessage(indelible.ID{}, id, group, ms, root)))
				return sig, nil
			}})
			if err != nil {
				b.Fatal(err)
			}
			defer j.Close()
			tenant := make([]byte, 64)
			run(b, n, func(payload []byte) {
				rec := [1]Record{{PayloadHash: sha256.Sum256(payload), Tenant: tenant, Payload: payload}}
				if _, err := j.Append(context.Background(), rec[:]); err != nil {
					b.Error(err)
				}
			})
			b.StopTimer()
			groups := 0
			for _, f := range j.Journals() {
				for at := f.First; at < f.Length; groups++ {
					g, err := j.ReadGroup(f.ID, at)
					if err != nil {
						b.Fatal(err)
					}
					at = g.End
				}
			}
			b.ReportMetric(float64(b.N)/float64(groups), "records/group")
		})
	}
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
