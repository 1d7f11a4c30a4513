package seal

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"indelible"
)

// wrappedKey is the size of a wrapped data key: nonce, key, tag.
const wrappedKey = 12 + 32 + 16

// row is a data key on its way to the disk, or from it.
type row struct {
	slot
	no      int64
	id      indelible.ID
	wrapped []byte // nil: destroyed
	created int64  // ms
	gone    int64  // when it was destroyed, ms
	fence   uint64
}

// binding is what a wrapped data key is bound to: everything its row says.
func (k *Keys) binding(dst []byte, r *row) []byte {
	dst = append(dst, "indelible/v1 data key\x00"...)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(k.opt.Origin)))
	dst = append(dst, k.opt.Origin...)
	dst = append(dst, r.id[:]...)
	dst = append(dst, r.kind)
	dst = binary.BigEndian.AppendUint32(dst, r.period)
	dst = append(dst, r.subject[:]...)
	return append(dst, r.class...)
}

// newKey draws the key of a slot and hands it to the next batch. The caller
// holds k.mu.
func (k *Keys) newKey(ctx context.Context, t *tenant, s slot) (*DataKey, error) {
	if k.opt.ReadOnly {
		return nil, &KeyError{Err: fmt.Errorf("%w: it was never made", ErrNoKey)}
	}
	var random [32 + 12]byte
	rand.Read(random[:])
	r := row{slot: s, created: k.opt.Clock().UnixMilli()}
	var err error
	if r.no, r.id, err = k.numbers.draw(ctx, k.db); err != nil {
		return nil, err
	}
	d := &DataKey{ID: r.id, Key: [32]byte(random[:32])}
	var room [256]byte
	r.wrapped = append(make([]byte, 0, wrappedKey), random[32:]...)
	r.wrapped = t.wrap.Seal(r.wrapped, r.wrapped, d.Key[:], k.binding(room[:0], &r))
	k.fresh[s] = d
	k.nowPresent(s)
	d.made = k.batch.add(r)
	k.opening.put(d.ID, opened{d, t})
	return d, nil
}

// unwrapRow opens a data key's row under its tenant's key.
func (k *Keys) unwrapRow(t *tenant, r *row) (*DataKey, error) {
	if len(r.wrapped) != wrappedKey {
		return nil, &KeyError{Key: r.id, Err: errDamagedRow}
	}
	var room [256]byte
	key, err := t.wrap.Open(nil, r.wrapped[:12], r.wrapped[12:], k.binding(room[:0], r))
	if err != nil || len(key) != 32 {
		return nil, &KeyError{Key: r.id, Err: errDamagedRow}
	}
	return &DataKey{ID: r.id, Key: [32]byte(key)}, nil
}

var errDamagedRow = fmt.Errorf("%w: its row was changed, or is of another tenant", indelible.ErrWrongKey)

// readSlot reads the live key of a slot from the disk; nil if there is none.
func (k *Keys) readSlot(ctx context.Context, t *tenant, s slot) (*DataKey, error) {
	r := row{slot: s}
	var id []byte
	err := k.db.QueryRowContext(ctx, `SELECT id, wrapped FROM keys WHERE tenant = ? AND kind = ? AND period = ? AND class = ? AND subject = ? AND wrapped IS NOT NULL`,
		s.tenant, s.kind, s.period, s.class, s.subject[:]).Scan(&id, &r.wrapped)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read a data key: %w", err)
	}
	copy(r.id[:], id)
	return k.unwrapRow(t, &r)
}

// opened is a data key and whose it is.
type opened struct {
	*DataKey
	tenant *tenant
}

// Key returns a data key for opening, and the tenant whose it is.
func (k *Keys) Key(ctx context.Context, id indelible.ID) (*DataKey, indelible.Ref, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.replayed.Load() {
		return nil, indelible.Ref{}, &KeyError{Key: id, Err: ErrNotReady}
	}
	if id == (indelible.ID{}) {
		return nil, indelible.Ref{}, &KeyError{Err: ErrErased}
	}
	if f, fenced := k.fenced[id]; fenced {
		return nil, indelible.Ref{}, &KeyError{Key: id, Err: ErrErased, Fence: f.Index, At: f.At}
	}
	if o, ok := k.opening.get(id); ok {
		return o.DataKey, o.tenant.ref, k.confirm(ctx, o.tenant)
	}
	r, err := k.readKey(ctx, id)
	if err != nil {
		return nil, indelible.Ref{}, err
	}
	t, err := k.tenantNo(ctx, r.tenant)
	if err != nil {
		return nil, indelible.Ref{}, err
	}
	if r.wrapped == nil {
		return nil, t.ref, &KeyError{Key: id, Err: ErrErased, Fence: r.fence, At: time.UnixMilli(r.gone)}
	}
	d, err := k.unwrapRow(t, r)
	if err != nil {
		return nil, indelible.Ref{}, err
	}
	k.opening.put(id, opened{d, t})
	return d, t.ref, nil
}

// absent says why a key is not in the store: it may have been fenced before
// the store ever saw it.
func (k *Keys) absent(ctx context.Context, id indelible.ID) error {
	var at int64
	var fence uint64
	err := k.db.QueryRowContext(ctx, `SELECT at, fence FROM fenced WHERE id = ?`, id[:]).Scan(&at, &fence)
	if errors.Is(err, sql.ErrNoRows) {
		return &KeyError{Key: id, Err: ErrNoKey}
	}
	if err != nil {
		return fmt.Errorf("read key %s: %w", id, err)
	}
	return &KeyError{Key: id, Err: ErrErased, Fence: fence, At: time.UnixMilli(at)}
}

func (k *Keys) readKey(ctx context.Context, id indelible.ID) (*row, error) {
	r := &row{id: id}
	var subject []byte
	var gone, fence sql.NullInt64
	err := k.db.QueryRowContext(ctx, `SELECT tenant, kind, period, class, subject, wrapped, destroyed, fence FROM keys WHERE no = ? AND id = ?`, k.numbers.row(id), id[:]).
		Scan(&r.tenant, &r.kind, &r.period, &r.class, &subject, &r.wrapped, &gone, &fence)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, k.absent(ctx, id)
	}
	if err != nil {
		return nil, fmt.Errorf("read key %s: %w", id, err)
	}
	copy(r.subject[:], subject)
	r.gone, r.fence = gone.Int64, uint64(fence.Int64)
	return r, nil
}
