package seal

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"indelible"
)

// ExpirableExcept is Expirable without the keys of some tenants.
func (k *Keys) ExpirableExcept(ctx context.Context, class string, period uint32, kept []indelible.Ref) ([]indelible.ID, error) {
	if len(kept) == 0 {
		return k.Expirable(ctx, class, period)
	}
	args := []any{class, period}
	for _, ref := range kept {
		args = append(args, ref[:])
	}
	return k.list(ctx, `SELECT id FROM keys WHERE class = ? AND period = ? AND kind IN (2, 3) AND wrapped IS NOT NULL
		AND tenant NOT IN (SELECT no FROM tenants WHERE ref IN (?`+strings.Repeat(`, ?`, len(kept)-1)+`)) ORDER BY id`, args...)
}

// Standing is what the key store says of a data key.
type Standing struct {
	Class  string
	Period uint32 // yyyymm
	Tenant indelible.Ref
	Live   bool // it has material, and so has its tenant's key
}

// Standing looks a data key up. One that is not there is ErrNoKey.
func (k *Keys) Standing(ctx context.Context, id indelible.ID) (s Standing, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	r, err := k.readKey(ctx, id)
	if err != nil {
		return s, err
	}
	s.Class, s.Period = r.class, r.period
	var ref, wrapped []byte
	err = k.db.QueryRowContext(ctx, `SELECT ref, wrapped FROM tenants WHERE no = ?`, r.tenant).Scan(&ref, &wrapped)
	if err != nil || len(ref) != len(s.Tenant) {
		return s, errors.Join(fmt.Errorf("read the tenant of key %s", id), err)
	}
	copy(s.Tenant[:], ref)
	s.Live = r.wrapped != nil && wrapped != nil
	return s, nil
}
