package seal

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"

	"indelible"
)

// PurposeKey is a secret of a tenant for something other than sealing, such as
// making pseudonyms: the same until somebody rotates it. It is durable when it
// is returned. A store that is only read has those that were made.
func (k *Keys) PurposeKey(ctx context.Context, ref indelible.Ref, purpose string) (*DataKey, error) {
	return k.purposeKey(ctx, ref, purpose, false)
}

// FormerPurposeKeys are the secrets for a purpose before the last one, the oldest
// first: for recognising what was made with them.
func (k *Keys) FormerPurposeKeys(ctx context.Context, ref indelible.Ref, purpose string) (keys [][]byte, err error) {
	t, err := k.lookUp(ctx, ref)
	if err != nil || t == nil {
		return nil, err
	}
	rows, err := k.db.QueryContext(ctx, `SELECT id, period, wrapped FROM keys WHERE tenant = ?1 AND kind = ?2 AND class = ?3 AND wrapped IS NOT NULL
		AND period < (SELECT max(period) FROM keys WHERE tenant = ?1 AND kind = ?2 AND class = ?3) ORDER BY period`, t.no, kindPurpose, purpose)
	if err != nil {
		return nil, fmt.Errorf("find the keys for %s: %w", purpose, err)
	}
	defer rows.Close()
	for rows.Next() {
		r := row{slot: slot{tenant: t.no, kind: kindPurpose, class: purpose}}
		var id []byte
		if err := rows.Scan(&id, &r.period, &r.wrapped); err != nil {
			return nil, fmt.Errorf("read a key for %s: %w", purpose, err)
		}
		copy(r.id[:], id)
		d, err := k.unwrapRow(t, &r)
		if err != nil {
			return nil, err
		}
		keys = append(keys, d.Key[:])
	}
	return keys, rows.Err()
}

// RotatePurpose makes a new secret for a purpose. The ones before stay in the
// store and make nothing any more.
func (k *Keys) RotatePurpose(ctx context.Context, ref indelible.Ref, purpose string) (*DataKey, error) {
	return k.purposeKey(ctx, ref, purpose, true)
}

func (k *Keys) purposeKey(ctx context.Context, ref indelible.Ref, purpose string, next bool) (*DataKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	t, err := k.tenantFor(ctx, ref)
	if err != nil {
		return nil, err
	}
	s := slot{tenant: t.no, kind: kindPurpose, class: purpose}
	if s.period, err = newestGeneration(ctx, k.db, s); err != nil {
		return nil, err
	}
	if next || s.period == 0 {
		if s.period, err = k.makeGeneration(ctx, t, s, next); err != nil {
			return nil, err
		}
	}
	return k.slotKey(ctx, t, s, nil)
}

// newestGeneration counts on the disk: other processes make purpose keys, too.
func newestGeneration(ctx context.Context, db interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}, s slot) (uint32, error) {
	var newest sql.NullInt64
	if err := db.QueryRowContext(ctx, `SELECT max(period) FROM keys WHERE tenant = ? AND kind = ? AND class = ?`, s.tenant, s.kind, s.class).Scan(&newest); err != nil {
		return 0, fmt.Errorf("find the key for %s: %w", s.class, err)
	}
	return uint32(newest.Int64), nil
}

// makeGeneration makes a purpose's first key, or the next, in a transaction of
// its own: of several processes that need the first one makes it.
func (k *Keys) makeGeneration(ctx context.Context, t *tenant, s slot, next bool) (generation uint32, err error) {
	if k.opt.ReadOnly {
		return 0, &KeyError{Err: fmt.Errorf("%w: it was never made", ErrNoKey)}
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("make a key for %s: %w", s.class, err)
		}
	}()
	r := row{slot: s, created: k.opt.Clock().UnixMilli()}
	if r.no, r.id, err = k.numbers.draw(ctx, k.db); err != nil {
		return 0, err
	}
	tx, err := k.db.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, ignoreDone(tx.Rollback()))
		}
	}()
	if generation, err = newestGeneration(ctx, tx, s); err != nil {
		return 0, err
	}
	if !next && generation > 0 { // another process was faster
		return generation, tx.Rollback()
	}
	r.period = generation + 1
	var random [12 + 32]byte
	rand.Read(random[:])
	var room [256]byte
	r.wrapped = append(make([]byte, 0, wrappedKey), random[:12]...)
	r.wrapped = t.wrap.Seal(r.wrapped, r.wrapped, random[12:], k.binding(room[:0], &r))
	if _, err := tx.ExecContext(ctx, insertStatement(1), r.no, r.id[:], r.tenant, int64(r.kind), int64(r.period), r.class, r.subject[:], r.wrapped, r.created); err != nil {
		return 0, err
	}
	return r.period, tx.Commit()
}
