package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"indelible"
	"indelible/internal/store"
)

// ErrLogExists: the store holds a log already.
var ErrLogExists = errors.New("the store holds a log already")

// Create begins a log in an empty store: the genesis leaf, published. A crash
// in between leaves a log that the same directory's next start completes.
func Create(ctx context.Context, cfg Config) error {
	cfg = cfg.withDefaults()
	if err := CheckEmpty(ctx, cfg.Store); err != nil {
		return err
	}
	vkey, err := indelible.FormatVerifierKey(cfg.Origin, publicKey(cfg.LogKeys[0]))
	if err != nil {
		return err
	}
	s := newState(cfg.Origin)
	s.logID = cfg.LogID
	t := s.begin(0, cfg.Clock().UnixMilli())
	err = t.addSystem(indelible.KindGenesis, indelible.Genesis{
		Format: 1, Suite: 1, Origin: cfg.Origin, VerifierKey: vkey, LogID: cfg.LogID, Operator: cfg.Operator, Writer: cfg.Writer.Endorsed,
	})
	if err != nil {
		return err
	}
	_, data := t.seal(&cfg.Writer, cfg.Writer.Endorsed.Epoch, indelible.ID{}, journalMark{})
	var until time.Time
	if cfg.Retention > 0 {
		until = cfg.Clock().Add(cfg.Retention)
	}
	err = cfg.Store.Create(ctx, segmentName(0), data, until)
	if errors.Is(err, store.ErrExist) {
		there, rerr := readAll(ctx, cfg.Store, segmentName(0), MaxSegment)
		if rerr == nil && string(there) == string(data) {
			return nil
		}
		return ErrLogExists
	}
	if err != nil {
		return fmt.Errorf("write the first segment: %w", err)
	}
	return nil
}

// CheckEmpty returns ErrLogExists if the store holds anything of a log.
func CheckEmpty(ctx context.Context, st store.Store) error {
	for _, prefix := range []string{walPrefix, checkpointName, tilePrefix, headsPrefix} {
		for name, err := range st.List(ctx, prefix, "") {
			if err != nil {
				return fmt.Errorf("look for a log in the store: %w", err)
			}
			return fmt.Errorf("%w: %s", ErrLogExists, name)
		}
	}
	return nil
}
