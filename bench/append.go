package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"indelible"
	"indelible/internal/ledger"
)

const recordSize = 600

// benchAppend compares the ledger with the least that durable appending can
// cost: hashing the bytes, writing them and one fsync for all who wait.
func benchAppend(ctx context.Context, e *env) error {
	for _, c := range []struct {
		callers     int
		goal, floor string
	}{{256, "0.6", "0.4"}, {1024, "0.5", "0.3"}} {
		var pairs []pair
		for round := range 5 {
			bare, err := bareAppend(e, c.callers, 2*time.Second)
			if err != nil {
				return err
			}
			got, err := ledgerAppend(ctx, e, c.callers, 2*time.Second, 1, fmt.Sprintf("a%d-%d", c.callers, round))
			if err != nil {
				return err
			}
			pairs = append(pairs, pair{got, bare})
		}
		m := median(pairs)
		row(fmt.Sprintf("durable append, %d callers: %.0f/s against bare %.0f/s", c.callers, m.ours, m.limit), fmt.Sprintf("%.2f", m.ratio()), c.goal, c.floor)
	}
	return nil
}

// pair is what was measured right after one another.
type pair struct{ ours, limit float64 }

func (p pair) ratio() float64 { return p.ours / p.limit }

// median is the pair in the middle by ratio.
func median(pairs []pair) pair {
	slices.SortFunc(pairs, func(a, b pair) int { return cmp.Compare(a.ratio(), b.ratio()) })
	return pairs[len(pairs)/2]
}

// settle lets the disk finish what was written before, so that no measurement
// pays for the one before it.
func settle() { syscall.Sync() }

// bareAppend is the limit: callers hand over 600 bytes; one goroutine hashes,
// writes and syncs whatever has gathered and wakes them all.
func bareAppend(e *env, callers int, d time.Duration) (float64, error) {
	f, err := os.Create(filepath.Join(e.dir, "bare"))
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	settle()
	var mu sync.Mutex
	var pending []byte
	next := make(chan struct{})
	wake := make(chan struct{}, 1)
	stop := make(chan struct{})
	var failed atomic.Pointer[error]
	go func() {
		var buf []byte
		for {
			select {
			case <-wake:
			case <-stop:
				return
			}
			mu.Lock()
			buf, pending = pending, buf[:0]
			done := next
			next = make(chan struct{})
			mu.Unlock()
			if _, err := f.Write(buf); err != nil {
				failed.Store(&err)
			}
			if err := f.Sync(); err != nil {
				failed.Store(&err)
			}
			close(done)
		}
	}()
	var count atomic.Int64
	var wg sync.WaitGroup
	end := time.Now().Add(d)
	begun := time.Now()
	for range callers {
		wg.Go(func() {
			rec := make([]byte, recordSize)
			for time.Now().Before(end) {
				sum := sha256.Sum256(rec)
				copy(rec, sum[:])
				mu.Lock()
				pending = append(pending, rec...)
				done := next
				mu.Unlock()
				select {
				case wake <- struct{}{}:
				default:
				}
				<-done
				count.Add(1)
			}
		})
	}
	wg.Wait()
	took := time.Since(begun)
	close(stop)
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	return float64(count.Load()) / took.Seconds(), nil
}

// ready makes a 600-byte payload: sealed elsewhere, as far as the ledger knows.
func ready(tenant, n uint64) []byte {
	var salt [32]byte
	binary.BigEndian.PutUint64(salt[:], n)
	head := fmt.Sprintf(`{"/action":"start","/event_type":"workflow_execution","/id":"%08x-0000-8000-8000-%012x","/tenant_id":"t%d","/details":{"pad":"`, n>>48, n&(1<<48-1), tenant)
	tail := `"}}`
	pad := recordSize - 4 - 50 - len(head) - len(tail)
	part := make([]byte, 0, recordSize)
	part = append(part, head...)
	for range pad {
		part = append(part, 'x')
	}
	part = append(part, tail...)
	return indelible.AppendPayload(make([]byte, 0, recordSize), &salt, part)
}

// readyRecord makes record number n of a tenant.
func readyRecord(k *ledger.TenantKeys, n uint64) ledger.Record {
	payload := ready(0, n)
	hash, err := indelible.HashPayload(payload)
	if err != nil {
		panic(err) // ready makes well-formed payloads
	}
	r := ledger.Record{TenantRef: k.Ref, PayloadHash: hash, Tenant: k.Descriptor, Payload: payload}
	copy(r.EventRef[:], hash[:])
	return r
}

// ledgerAppend has callers append ready records to a new ledger and counts
// what is durable in the journal; the clock runs until all is in the store.
func ledgerAppend(ctx context.Context, e *env, callers int, d time.Duration, tenants int, name string) (float64, error) {
	defer profile()()
	l, done, err := newLedger(ctx, filepath.Join(e.dir, name))
	if err != nil {
		return 0, err
	}
	defer done()
	settle()
	keys := make([]*ledger.TenantKeys, tenants)
	for i := range keys {
		if keys[i], err = l.Tenant(fmt.Sprintf("t%d", i), plainDescriptor); err != nil {
			return 0, err
		}
	}
	var count atomic.Uint64
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	begun := time.Now()
	end := begun.Add(d)
	for c := range callers {
		wg.Go(func() {
			// The payload is sealed and hashed beforehand; each record is
			// another event, so each has another reference.
			recs := []ledger.Record{readyRecord(keys[0], uint64(c))}
			refs := rand.NewPCG(uint64(c), uint64(begun.UnixNano()))
			for i := c; time.Now().Before(end); i++ {
				k := keys[i%len(keys)]
				recs[0].TenantRef, recs[0].Tenant = k.Ref, k.Descriptor
				binary.BigEndian.PutUint64(recs[0].EventRef[:], refs.Uint64())
				binary.BigEndian.PutUint64(recs[0].EventRef[8:], refs.Uint64())
				if _, err := l.Append(ctx, recs); err != nil {
					failed.Store(&err)
					return
				}
				count.Add(1)
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	appended := time.Since(begun)
	if err := l.Flush(ctx); err != nil {
		return 0, err
	}
	took := time.Since(begun)
	if os.Getenv("BENCH_VERBOSE") != "" {
		fmt.Printf("  %d appended in %.2fs, in the store after %.2fs\n", count.Load(), appended.Seconds(), took.Seconds())
	}
	return float64(count.Load()) / took.Seconds(), nil
}
