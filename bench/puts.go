package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"indelible/internal/datadir"
	"indelible/internal/ledger"
	"indelible/internal/recorder"
	"indelible/internal/store/storetest"
)

// benchPuts counts writes to the store, each of which is one PUT on S3: for
// many small commits with a publish each, and for one large one.
func benchPuts(ctx context.Context, e *env) error {
	dir := filepath.Join(e.dir, "puts")
	store := datadir.StoreConfig{Prefix: datadir.DefaultPrefix, Lock: "none", Retention: datadir.DefaultRetention}
	if _, err := datadir.Init(ctx, dir, datadir.InitOptions{Store: store}, noEnv); err != nil {
		return err
	}
	d, err := datadir.Open(ctx, dir, noEnv)
	if err != nil {
		return err
	}
	cfg, err := d.LedgerConfig()
	if err != nil {
		return err
	}
	counted := storetest.NewFaulty(d.Store)
	cfg.Store, cfg.Sealer = counted, recorder.Plain
	cfg.CommitEvery, cfg.PublishEvery = time.Hour, time.Hour // only when asked to
	l, err := ledger.Open(cfg)
	if err != nil {
		return err
	}
	defer l.Close()
	if err := l.Flush(ctx); err != nil {
		return err
	}
	keys, err := l.Tenant("t0", plainDescriptor)
	if err != nil {
		return err
	}
	next := uint64(0)
	add := func(n int) error {
		records := make([]ledger.Record, n)
		for i := range records {
			records[i] = readyRecord(keys, next)
			next++
		}
		if _, err := l.Append(ctx, records); err != nil {
			return err
		}
		return l.Flush(ctx)
	}
	writes := func(prefix string) int {
		return counted.Count(storetest.Create, prefix) + counted.Count(storetest.Replace, prefix)
	}
	const rounds = 100
	if err := add(1); err != nil { // the first checkpoint kept is one of an hour
		return err
	}
	counted.Forget()
	for range rounds {
		if err := add(3); err != nil {
			return err
		}
	}
	segments, all := writes("wal/*"), writes("*")
	row(fmt.Sprintf("S3 writes, %d rounds of one commit and one publish: per commit", rounds), fmt.Sprintf("%.2f", float64(segments)/rounds), "1", "1")
	row("S3 writes: per publish", fmt.Sprintf("%.2f", float64(all-segments)/rounds), "≤ 5", "5")
	counted.Forget()
	const many = 70_000
	if err := add(many); err != nil {
		return err
	}
	tiles := writes("tile/*")
	limit := 5 + 2*(many/256+1) + 3*(many/65536+1)
	row(fmt.Sprintf("S3 writes of tiles for %d leaves at once; limit %d", many, limit), fmt.Sprint(tiles), "≤ "+fmt.Sprint(limit), "same")
	return nil
}
