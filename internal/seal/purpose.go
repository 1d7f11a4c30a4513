package seal

import (
	"context"
	"database/sql"
	"fmt"

	"indelible"
)

// PurposeKey is a secret of a tenant for something other than sealing, such as
// making pseudonyms: the same until somebody rotates it. It is durable when it
// is returned. A store that is only read has those that were made.
func (k *Keys) PurposeKey(ctx context.Context, ref indelible.Ref, purpose string) (*DataKey, error) {
	return k.purposeKey(ctx, ref, purpose, false)
}

// RotatePurpose makes a new secret for a purpose. The ones before stay in the
// store and are given out no more.
func (k *Keys) RotatePurpose(ctx context.Context, ref indelible.Ref, purpose string) (*DataKey, error) {
	return k.purposeKey(ctx, ref, purpose, true)
}

func (k *Keys) purposeKey(ctx context.Context, ref indelible.Ref, purpose string, next bool) (*DataKey, error) {
	if err := k.flush(ctx); err != nil { // generations are counted on the disk
		return nil, err
	}
	d, err := func() (*DataKey, error) {
		k.mu.Lock()
		defer k.mu.Unlock()
		t, err := k.tenantFor(ctx, ref)
		if err != nil {
			return nil, err
		}
		var newest sql.NullInt64
		if err := k.db.QueryRowContext(ctx, `SELECT max(period) FROM keys WHERE tenant = ? AND kind = ? AND class = ?`, t.no, kindPurpose, purpose).Scan(&newest); err != nil {
			return nil, fmt.Errorf("find the key for %s: %w", purpose, err)
		}
		generation := uint32(newest.Int64)
		if next || !newest.Valid {
			generation++
		}
		return k.slotKey(ctx, t, slot{tenant: t.no, kind: kindPurpose, class: purpose, period: generation}, nil)
	}()
	if err != nil {
		return nil, err
	}
	return d, k.Durable(ctx, d.Made())
}
