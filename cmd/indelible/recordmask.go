package main

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"indelible"
	"indelible/internal/datadir"
	"indelible/internal/mask"
	"indelible/internal/recorder"
)

// eventMask is how events are masked before they are recorded, where
// indelible.yaml says so; nil where it does not. What a caller put into details
// and resource_id is scanned. Who acted stands in members of its own, which are
// sealed under the person's key and can be erased.
func eventMask(d *datadir.Directory, idKey *[32]byte, sealer recorder.Sealer) (func(context.Context, *indelible.Event) error, error) {
	if d.Config.Mask == nil || d.Config.Mask.Record == nil {
		return nil, nil
	}
	policy, err := maskPolicy(d, func(c *datadir.MaskConfig) *datadir.MaskTypes { return c.Record })
	if err != nil {
		return nil, err
	}
	var keys *pseudonymKeys
	if s, ok := sealer.(*recorder.Sealed); ok && s.Keys != nil {
		keys = newPseudonymKeys(s.Keys, idKey, eventPurpose)
	}
	var maskers sync.Pool // one serves one goroutine
	return func(ctx context.Context, e *indelible.Event) error {
		m, ok := maskers.Get().(*mask.Masker)
		if !ok {
			var err error
			if m, err = mask.New(policy, mask.Options{Redact: keys == nil, Key: make([]byte, mask.MinKey)}); err != nil { // each event's tenant brings its key
				return err
			}
		}
		defer maskers.Put(m)
		key, err := keys.of(ctx, e.TenantID)
		if err != nil {
			return err
		}
		if err := m.For(e.TenantID, key); err != nil {
			return err
		}
		m.Person([]byte(e.UserID))
		details, left := m.JSON(nil, e.Details, "details", true)
		resource, more := m.Text(nil, []byte(e.ResourceID), "resource_id", true)
		if left = slices.Concat(left, more); len(left) > 0 {
			return fmt.Errorf("still found after masking: %v", left)
		}
		if len(e.Details) > 0 {
			e.Details = details // the recorder makes them canonical again
		}
		e.ResourceID = string(resource)
		return nil
	}, nil
}
