package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"
)

// tesseraLog opens a Tessera POSIX log in a folder.
func tesseraLog(ctx context.Context, dir string, batch uint, age time.Duration) (*tessera.Appender, func(context.Context) error, tessera.LogReader, note.Verifier, error) {
	skey, vkey, err := note.GenerateKey(rand.Reader, "bench.invalid/tessera")
	if err != nil {
		return nil, nil, nil, nil, err
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		return nil, nil, nil, nil, err
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return nil, nil, nil, nil, err
	}
	driver, err := posix.New(ctx, posix.Config{Path: dir})
	if err != nil {
		return nil, nil, nil, nil, err
	}
	opts := tessera.NewAppendOptions().WithCheckpointSigner(signer).WithBatching(batch, age).WithCheckpointInterval(time.Second).WithPushback(1 << 20)
	appender, shutdown, reader, err := tessera.NewAppender(ctx, driver, opts)
	return appender, shutdown, reader, verifier, err
}

// tesseraAppend has callers append 600-byte entries and wait for each index.
func tesseraAppend(ctx context.Context, dir string, callers int, batch uint, age, d time.Duration) (float64, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	a, shutdown, _, _, err := tesseraLog(ctx, dir, batch, age)
	if err != nil {
		return 0, err
	}
	settle()
	var count atomic.Int64
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	begun := time.Now()
	end := begun.Add(d)
	for c := range callers {
		wg.Go(func() {
			for i := uint64(0); time.Now().Before(end); i++ {
				_, err := a.Add(ctx, tessera.NewEntry(ready(0, uint64(c)<<32|i)))()
				if errors.Is(err, tessera.ErrPushback) {
					continue
				}
				if err != nil {
					failed.Store(&err)
					return
				}
				count.Add(1)
			}
		})
	}
	wg.Wait()
	took := time.Since(begun)
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	return float64(count.Load()) / took.Seconds(), shutdown(ctx)
}

// benchTessera finds Tessera's best batch setting, then appends to it and to
// our log in turn.
func benchTessera(ctx context.Context, e *env) error {
	type setting struct {
		batch uint
		age   time.Duration
	}
	logs := 0
	theirs := func(s setting) (float64, error) {
		logs++
		rate, err := tesseraAppend(ctx, filepath.Join(e.dir, fmt.Sprintf("tessera%d", logs)), 1024, s.batch, s.age, 2*time.Second)
		if os.Getenv("BENCH_VERBOSE") != "" {
			fmt.Printf("  Tessera, batch %d, age %s: %.0f/s\n", s.batch, s.age, rate)
		}
		return rate, err
	}
	var best setting
	most := 0.0
	for _, s := range []setting{{256, 10 * time.Millisecond}, {1024, 10 * time.Millisecond}, {1024, 100 * time.Millisecond}, {4096, 250 * time.Millisecond}} {
		rate, err := theirs(s)
		if err != nil {
			return err
		}
		if rate > most {
			most, best = rate, s
		}
	}
	var pairs []pair
	for round := range 5 {
		limit, err := theirs(best)
		if err != nil {
			return err
		}
		ours, err := ledgerAppend(ctx, e, 1024, 2*time.Second, 1, fmt.Sprintf("against-tessera-%d", round))
		if err != nil {
			return err
		}
		pairs = append(pairs, pair{ours, limit})
	}
	m := median(pairs)
	row(fmt.Sprintf("durable append, 1,024 callers: %.0f/s against Tessera POSIX %.0f/s (batch %d, age %s)", m.ours, m.limit, best.batch, best.age),
		fmt.Sprintf("%.1f x", m.ratio()), "8 x", "5 x")
	return nil
}
