package main

import (
	"context"
	"fmt"

	"indelible/internal/datadir"
	"indelible/internal/ledger"
	"indelible/internal/recorder"
)

// sealerFor returns what makes and reads the payloads of a ledger. Keys that
// are opened are closed when the program ends.
func (a *app) sealerFor(ctx context.Context, d *datadir.Directory, idKey *[32]byte, readOnly bool) (recorder.Sealer, func() error, error) {
	if !d.Encrypted() {
		return recorder.Plain, func() error { return nil }, nil
	}
	s := &recorder.Sealed{Origin: d.Config.Origin, IDKey: idKey}
	keys, err := d.OpenKeys(ctx, readOnly, a.env)
	if err != nil {
		if !readOnly {
			return nil, nil, fmt.Errorf("keys: %w", err)
		}
		// Much can be read, and everything verified, without.
		s.Closed = err
		return s, func() error { return nil }, nil
	}
	s.Keys = keys
	s.Classes = d.Config.Retention
	return s, keys.Close, nil
}

// applyFences lets a reader's keys open what the log has not fenced. Where the
// fences cannot be read they open nothing.
func applyFences(ctx context.Context, r *ledger.Reader, sealer recorder.Sealer) error {
	f, ok := sealer.(ledger.Fencer)
	if !ok {
		return nil
	}
	fences, err := r.Fences(ctx, f.FencedTo())
	if err != nil {
		return fmt.Errorf("read the log's fences: %w", err)
	}
	return f.ApplyFences(ctx, r.Checkpoint().Size, fences)
}
