package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"time"

	"indelible"
	"indelible/internal/datadir"
	"indelible/internal/ledger"
	"indelible/internal/recorder"
	"indelible/internal/sample"
)

// bigLedger makes a ledger of n sample events once and returns its directory
// and the largest memory the appending took.
func bigLedger(ctx context.Context, e *env) (string, uint64, error) {
	dir := filepath.Join(e.dir, fmt.Sprintf("big-%d", e.n))
	if _, err := os.Stat(dir); err == nil {
		return dir, 0, nil
	}
	memory := watchMemory()
	err := fillLedger(ctx, dir, e.n, false)
	return dir, memory(), err
}

// fillLedger makes a ledger of n events, sealed or not.
func fillLedger(ctx context.Context, dir string, n int, sealed bool) error {
	way, err := newRoad(ctx, dir, sealed)
	if err != nil {
		return err
	}
	batch := make([]*indelible.Event, 0, 512)
	flush := func() error {
		pending, err := way.recorder.Record(ctx, batch, recorder.Options{})
		for _, p := range pending {
			err = errors.Join(err, p.Err)
		}
		batch = batch[:0]
		return err
	}
	for ev := range sample.Events(7, n) {
		if batch = append(batch, ev); len(batch) == cap(batch) {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := flush(); err != nil {
		return err
	}
	if err := way.ledger.Flush(ctx); err != nil {
		return err
	}
	return way.close()
}

// verifyDir verifies a ledger, as an auditor with nothing but the public key
// does or as its owner, who has the id-key and checks references too, and
// returns the time taken.
func verifyDir(ctx context.Context, dir string, owner bool) (*ledger.Report, time.Duration, error) {
	d, err := datadir.Open(ctx, dir, noEnv)
	if err != nil {
		return nil, 0, err
	}
	vkey, err := d.VerifierKey()
	if err != nil {
		return nil, 0, err
	}
	var key *[32]byte
	if owner {
		if key, err = datadir.LoadIDKey(dir); err != nil {
			return nil, 0, err
		}
	}
	begun := time.Now()
	defer profile()()
	r, err := ledger.Verify(ctx, d.Store, ledger.VerifyOptions{VerifierKey: vkey, OwnKey: true, IDKey: key, Opener: recorder.Plain})
	took := time.Since(begun)
	if err == nil && r.Result != ledger.ResultOK {
		err = fmt.Errorf("verify says %s: %+v", r.Result, r.Problems)
	}
	return r, took, err
}

// rehash is the least a verification can cost: one core hashing the same
// leaves and payloads, already in memory.
func rehash(dir string) (time.Duration, error) {
	names, err := filepath.Glob(filepath.Join(dir, "store", datadir.DefaultPrefix, "wal", "*"))
	if err != nil {
		return 0, err
	}
	var segments []*ledger.Segment
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			return 0, err
		}
		seg, err := ledger.DecodeSegment(b)
		if err != nil {
			return 0, err
		}
		segments = append(segments, seg)
	}
	best := time.Duration(1 << 62)
	for range 3 {
		begun := time.Now()
		for _, seg := range segments {
			for i := range seg.Count() {
				bareLeaf(seg.Leaf(i))
				if _, err := indelible.HashPayload(seg.Payloads[i]); err != nil {
					return 0, err
				}
			}
		}
		best = min(best, time.Since(begun))
	}
	return best, nil
}

func bareLeaf(leaf []byte) [32]byte {
	var b [1 + indelible.LeafSize]byte
	copy(b[1:], leaf)
	return sha256.Sum256(b[:])
}

func benchVerify(ctx context.Context, e *env) error {
	dir, appending, err := bigLedger(ctx, e)
	if err != nil {
		return err
	}
	bare, err := rehash(dir)
	if err != nil {
		return err
	}
	cores := runtime.GOMAXPROCS(0)
	runtime.GC()
	debug.FreeOSMemory() // the rehash held all of it
	limit := bare / time.Duration(cores)
	var peak uint64
	for _, who := range []struct {
		owner bool
		name  string
	}{{false, "with the public key"}, {true, "with the id-key too"}} {
		best := time.Duration(1 << 62)
		for range 3 {
			runtime.GC()
			memory := watchMemory()
			r, took, err := verifyDir(ctx, dir, who.owner)
			if err != nil {
				return err
			}
			if r.Events != uint64(e.n) {
				return fmt.Errorf("%d events verified, %d recorded", r.Events, e.n)
			}
			peak = max(peak, memory())
			best = min(best, took)
		}
		row(fmt.Sprintf("full verification %s: %.0f/s against %d cores' bare rehash %.0f/s", who.name, rate(e.n, best), cores, rate(e.n, limit)),
			fmt.Sprintf("%.2f", limit.Seconds()/best.Seconds()), "0.7", "0.5")
	}
	row("memory, verifying", fmt.Sprintf("%d MB", peak>>20), "200 MB", "256 MB")
	if appending > 0 {
		row("memory, appending steadily", fmt.Sprintf("%d MB", appending>>20), "150 MB", "200 MB")
	}
	return nil
}

func rate(n int, d time.Duration) float64 { return float64(n) / d.Seconds() }
