package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"indelible"
	"indelible/internal/datadir"
)

// Types of the events that tell of a break between pseudonyms.
const (
	eventPseudonymsRotating = "pseudonyms.rotation.started"
	eventPseudonymsRotated  = "pseudonyms.rotated"
)

// rotatePseudonyms gives a tenant's data sets a new key of pseudonyms. The log
// knows before it happens, and after.
func (a *app) rotatePseudonyms(ctx context.Context, tenant string) error {
	d, err := datadir.Open(ctx, a.dir, a.env)
	if err != nil {
		return err
	}
	if !d.Encrypted() {
		return failf(exitFailure, "a log that begins with `indelible init` has one unless --no-encryption is given", "this ledger has no key store, and so no keys of pseudonyms")
	}
	idKey, err := datadir.LoadIDKey(a.dir)
	if err != nil {
		return err
	}
	keys, erased, err := a.openPseudonyms(ctx, d, idKey, "")
	if err != nil {
		return err
	}
	defer keys.keys.Close()
	if err := erased.known(ctx, tenant); err != nil {
		return err
	}
	ref := indelible.TenantRef(idKey, tenant)
	old, err := keys.keys.PurposeKey(ctx, ref, pseudonymPurpose)
	if err != nil {
		return fmt.Errorf("key of the pseudonyms of tenant %s: %w", field(tenant), err)
	}
	book := &book{a, d}
	details := map[string]string{"previous_key_id": hex.EncodeToString(old.ID[:])}
	if err := book.Record(ctx, []*indelible.Event{a.pseudonymsEvent(eventPseudonymsRotating, "started", tenant, details)}); err != nil {
		return fmt.Errorf("nothing was rotated, for it could not be recorded: %w", err)
	}
	next, err := keys.keys.RotatePurpose(ctx, ref, pseudonymPurpose)
	if err != nil {
		return fmt.Errorf("new key of the pseudonyms of tenant %s: %w", field(tenant), err)
	}
	details["key_id"] = hex.EncodeToString(next.ID[:])
	if err := book.Record(ctx, []*indelible.Event{a.pseudonymsEvent(eventPseudonymsRotated, "success", tenant, details)}); err != nil {
		return fmt.Errorf("pseudonyms of tenant %s have the new key %s; that it is there could not be recorded: %w", field(tenant), details["key_id"], err)
	}
	fmt.Fprintf(a.stderr, "data sets of tenant %s get pseudonyms of the key %s from now on; they do not join those of %s\n", field(tenant), details["key_id"], details["previous_key_id"])
	fmt.Fprintf(a.stderr, "make a new backup with `indelible keys backup`\n")
	return nil
}

func (a *app) pseudonymsEvent(kind, outcome, tenant string, details map[string]string) *indelible.Event {
	text, err := json.Marshal(details)
	if err != nil {
		panic(err) // strings
	}
	return &indelible.Event{
		ID: uuid.NewString(), Timestamp: time.Now().UTC(), EventType: kind, UserID: a.localUser(), TenantID: tenant, ResourceType: "key", ResourceID: details["previous_key_id"],
		Action: "rotate", Outcome: outcome, Details: text,
	}
}
