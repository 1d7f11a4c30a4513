package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
)

// leafHashes hashes the entries of a bundle as RFC 6962 does.
func leafHashes(bundle []byte) ([][]byte, error) {
	var b api.EntryBundle
	if err := b.UnmarshalText(bundle); err != nil {
		return nil, fmt.Errorf("unmarshal bundle: %w", err)
	}
	hashes := make([][]byte, 0, len(b.Entries))
	for _, entry := range b.Entries {
		hashes = append(hashes, rfc6962.DefaultHasher.HashLeaf(entry))
	}
	return hashes, nil
}

// benchFsck compares verifying our ledger with Tessera's fsck of a log with as
// many entries of the same size, made by Tessera.
func benchFsck(ctx context.Context, e *env) error {
	n := min(e.n, 200_000)
	dir := filepath.Join(e.dir, "tessera-fsck")
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	a, shutdown, _, verifier, err := tesseraLog(ctx, dir, 4096, 250*time.Millisecond)
	if err != nil {
		return err
	}
	var last tessera.IndexFuture
	for i := range n {
		last = a.Add(ctx, tessera.NewEntry(ready(0, uint64(i))))
		if i%4096 == 4095 {
			if _, err := last(); err != nil {
				return err
			}
		}
	}
	if _, err := last(); err != nil {
		return err
	}
	if err := shutdown(ctx); err != nil {
		return err
	}
	theirs := make(map[uint]time.Duration)
	for range 3 {
		for _, workers := range []uint{1, 2} { // the command's default, and one a core
			begun := time.Now()
			f := fsck.New(verifier.Name(), verifier, &client.FileFetcher{Root: dir}, leafHashes, fsck.Opts{N: workers})
			if err := f.Check(ctx); err != nil {
				return fmt.Errorf("fsck: %w", err)
			}
			took := time.Since(begun)
			if best, ok := theirs[workers]; !ok || took < best {
				theirs[workers] = took
			}
		}
	}
	small := &env{dir: e.dir, n: n}
	own, _, err := bigLedger(ctx, small)
	if err != nil {
		return err
	}
	ours := time.Duration(1 << 62)
	for range 3 {
		_, took, err := verifyDir(ctx, own, false)
		if err != nil {
			return err
		}
		ours = min(ours, took)
	}
	for _, workers := range []uint{1, 2} {
		t := theirs[workers]
		row(fmt.Sprintf("full verification of %d: %.0f/s against Tessera fsck, %d workers, %.0f/s", n, rate(n, ours), workers, rate(n, t)),
			fmt.Sprintf("%.1f x", t.Seconds()/ours.Seconds()), "8 x", "4 x")
	}
	return nil
}
