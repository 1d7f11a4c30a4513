package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"indelible/internal/datadir"
	"indelible/internal/ledger"
)

// benchOpen opens a large ledger for writing, and proves single leaves in it.
func benchOpen(ctx context.Context, e *env) error {
	dir, _, err := bigLedger(ctx, e)
	if err != nil {
		return err
	}
	best := time.Duration(1 << 62)
	for range 3 {
		begun := time.Now()
		l, err := openLedger(ctx, dir)
		if err != nil {
			return err
		}
		best = min(best, time.Since(begun))
		if err := l.Close(); err != nil {
			return err
		}
	}
	row(fmt.Sprintf("open a ledger of %d events for writing", e.n), fmt.Sprintf("%.3f s", best.Seconds()), "0.3 s", "1 s")

	d, err := datadir.Open(ctx, dir, noEnv)
	if err != nil {
		return err
	}
	vkey, err := d.VerifierKey()
	if err != nil {
		return err
	}
	var took []time.Duration
	for range 51 {
		begun := time.Now()
		r, err := ledger.NewReader(ctx, d.Store, vkey)
		if err != nil {
			return err
		}
		if _, err := r.Prove(ctx, rand.Uint64N(uint64(e.n)), 9, nil); err != nil {
			return err
		}
		took = append(took, time.Since(begun))
	}
	slices.Sort(took)
	row("prove by index in it, checkpoint to evidence, median", fmt.Sprintf("%.1f ms", float64(took[len(took)/2])/1e6), "20 ms", "50 ms")
	return nil
}
