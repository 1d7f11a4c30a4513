package seal

import (
	"context"
	"fmt"
)

// Rotate makes a new version of the root key and wraps every tenant's key under
// it. No record is touched. What was interrupted is done again as a whole:
// until then older versions unwrap what is left. It returns how many were wrapped.
func (k *Keys) Rotate(ctx context.Context) (int, error) {
	if err := k.opt.Root.Rotate(ctx); err != nil {
		return 0, fmt.Errorf("rotate the root key: %w", err)
	}
	ids, err := k.list(ctx, `SELECT id FROM tenants WHERE wrapped IS NOT NULL ORDER BY no`)
	if err != nil {
		return 0, err
	}
	for n, id := range ids {
		k.mu.Lock()
		t, err := k.readTenant(ctx, `id = ?`, id[:])
		k.mu.Unlock()
		if err != nil {
			return n, fmt.Errorf("tenant key %s: %w", id, err)
		}
		secret, err := k.unwrap(ctx, t)
		if err != nil {
			return n, fmt.Errorf("tenant key %s: %w", id, err)
		}
		wrapped, err := k.opt.Root.Wrap(ctx, secret[:], k.wrapContext(t))
		if err != nil {
			return n, fmt.Errorf("tenant key %s: %w", id, err)
		}
		if _, err := k.db.ExecContext(ctx, `UPDATE tenants SET wrapped = ? WHERE id = ? AND wrapped IS NOT NULL`, wrapped, id[:]); err != nil {
			return n, fmt.Errorf("tenant key %s: %w", id, err)
		}
	}
	k.mu.Lock()
	k.forget(nil)
	k.mu.Unlock()
	return len(ids), nil
}
