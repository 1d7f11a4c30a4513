package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"indelible"
	"indelible/internal/datadir"
	"indelible/internal/handover"
	"indelible/internal/ledger"
	"indelible/internal/recorder"
)

// book records what happens to datasets in the ledger of the data directory. It
// holds the ledger only while it records: an export may take hours.
type book struct {
	app *app
	dir *datadir.Directory
}

// Record implements dataset.Recorder.
func (b *book) Record(ctx context.Context, events []*indelible.Event) error {
	for {
		err := b.record(ctx, events)
		if !errors.Is(err, handover.ErrGone) {
			return err
		}
		// The process that took our events ended. They have their ids: what of
		// them was recorded is not recorded again.
	}
}

func (b *book) record(ctx context.Context, events []*indelible.Event) (err error) {
	way, err := b.app.findRoad(ctx, b.dir, writeOptions{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, way.Close()) }()
	pending, away, err := way.Record(ctx, events, recorder.Options{AwaitStore: true, Import: true, System: true})
	if err != nil {
		return err
	}
	for _, p := range pending {
		if p.Err != nil {
			return fmt.Errorf("event of tenant %s: %w", field(p.Event.TenantID), p.Err)
		}
		if away != nil {
			p.Settle() // it is safe in the journal
			continue
		}
		var receipt indelible.Receipt
		if receipt, away, err = p.WaitWhileStoreAnswers(ctx, storeWait); err != nil {
			return err
		}
		if receipt.Conflict {
			return fmt.Errorf("event of tenant %s: %w", field(p.Event.TenantID), recorder.ErrConflict)
		}
	}
	if away == nil {
		_, err = way.Flush(ctx)
	}
	return err
}

// Evidence implements dataset.Recorder.
func (b *book) Evidence(ctx context.Context, tenantID, eventID string) ([]byte, error) {
	r, err := b.app.openForReading(ctx)
	if err != nil {
		return nil, err
	}
	matches, err := r.Find(ctx, eventID, tenantID, r.idKey, r.sealer)
	if errors.Is(err, ledger.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	e, err := r.proveLeaf(ctx, b.app, strconv.FormatUint(matches[0].Index, 10), proveOptions{tenant: tenantID})
	if err != nil {
		return nil, err
	}
	return evidenceBytes(e)
}

// evidenceBytes is how evidence stands in a file.
func evidenceBytes(e any) ([]byte, error) {
	text, err := json.MarshalIndent(e, "", "  ")
	return append(text, '\n'), err
}

// keyedHash hides a value from whoever has not the key.
type keyedHash struct{ key *[32]byte }

// Pseudonym implements dataset.Pseudonymizer.
func (k keyedHash) Pseudonym(kind, value string) string {
	mac := hmac.New(sha256.New, k.key[:])
	mac.Write([]byte("indelible/v1 dataset\x00" + kind + "\x00" + value))
	return hex.EncodeToString(mac.Sum(nil))
}
