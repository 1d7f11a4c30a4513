package main

import (
	"context"
	"fmt"

	"indelible/internal/datadir"
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
	keys.Replayed(0)
	return s, keys.Close, nil
}
