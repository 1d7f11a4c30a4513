package main

import (
	"context"
	"log/slog"
	"os"

	"indelible/internal/datadir"
	"indelible/internal/ledger"
	"indelible/internal/recorder"
)

func plainDescriptor(id string, salt [32]byte) ([]byte, error) {
	return recorder.Plain.SealDescriptor(id, salt)
}

func noEnv(string) string { return "" }

// newLedger makes a ledger in a directory of its own; done ends and removes it.
func newLedger(ctx context.Context, dir string) (*ledger.Ledger, func() error, error) {
	store := datadir.StoreConfig{Prefix: datadir.DefaultPrefix, Lock: "none", Retention: datadir.DefaultRetention}
	if _, err := datadir.Init(ctx, dir, datadir.InitOptions{Store: store}, noEnv); err != nil {
		return nil, nil, err
	}
	l, err := openLedger(ctx, dir)
	if err != nil {
		return nil, nil, err
	}
	return l, func() error { return l.Close() }, nil
}

func openLedger(ctx context.Context, dir string) (*ledger.Ledger, error) {
	d, err := datadir.Open(ctx, dir, noEnv)
	if err != nil {
		return nil, err
	}
	cfg, err := d.LedgerConfig()
	if err != nil {
		return nil, err
	}
	cfg.Sealer = recorder.Plain
	if os.Getenv("BENCH_VERBOSE") != "" {
		cfg.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	l, err := ledger.Open(cfg)
	if err != nil {
		return nil, err
	}
	return l, l.Ready(ctx)
}
