package seal

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"indelible"
)

// tenant is what the key store keeps of a tenant: a secret of 64 bytes, wrapped
// by the root key. The first half wraps data keys, the second makes tokens.
type tenant struct {
	no      int64
	id      indelible.ID
	ref     indelible.Ref
	wrapped []byte // nil: destroyed
	at      time.Time

	wrap       cipher.AEAD
	tokenKey   [32]byte
	confirmed  time.Time // when the root key unwrapped it last
	confirming bool
}

// token is how a person stands in the key store.
func (t *tenant) token(subject string) indelible.ID {
	var room [128]byte
	h := indelible.KeyedHash(&t.tokenKey, append(append(room[:0], "indelible/v1 subject\x00"...), subject...))
	return indelible.ID(h[:len(indelible.ID{})])
}

// wrapContext binds a tenant's secret to the log, the tenant and the key.
func (k *Keys) wrapContext(t *tenant) Context {
	return Context{{"log", k.opt.Origin}, {"tenant", t.ref.String()}, {"key", t.id.String()}}
}

// tenantFor returns a tenant ready for use, making its key at first use. The
// caller holds k.mu, which is free while the root key is asked: a root key that
// is slow must not hold up the tenants whose keys are here.
func (k *Keys) tenantFor(ctx context.Context, ref indelible.Ref) (*tenant, error) {
	t, ok := k.tenants[ref]
	if !ok {
		var err error
		t, err = k.readTenant(ctx, `ref = ? AND wrapped IS NOT NULL`, ref[:])
		if errors.Is(err, sql.ErrNoRows) {
			if k.opt.ReadOnly {
				return nil, &KeyError{Err: fmt.Errorf("%w: the tenant has none", ErrNoKey)}
			}
			return k.newTenant(ctx, ref)
		}
		if err != nil {
			return nil, err
		}
	}
	return t, k.confirm(ctx, t)
}

// tenantNo is tenantFor by number, for opening.
func (k *Keys) tenantNo(ctx context.Context, no int64) (*tenant, error) {
	t, ok := k.byNo[no]
	if !ok {
		var err error
		if t, err = k.readTenant(ctx, `no = ?`, no); err != nil {
			return nil, err
		}
	}
	return t, k.confirm(ctx, t)
}

func (k *Keys) readTenant(ctx context.Context, where string, arg any) (*tenant, error) {
	t := &tenant{}
	var ref, id []byte
	var at int64
	row := k.db.QueryRowContext(ctx, `SELECT no, ref, id, wrapped, coalesce(destroyed, created) FROM tenants WHERE `+where, arg)
	if err := row.Scan(&t.no, &ref, &id, &t.wrapped, &at); err != nil {
		return nil, err
	}
	if len(ref) != len(t.ref) || len(id) != len(t.id) || len(t.wrapped) > MaxWrapped {
		return nil, errors.New("the key store is damaged: a tenant's row")
	}
	copy(t.ref[:], ref)
	copy(t.id[:], id)
	t.at = time.UnixMilli(at)
	k.byNo[t.no] = t
	if t.wrapped != nil {
		k.tenants[t.ref] = t
	}
	return t, nil
}

// rootFits makes sure that the root key is the one of this store, before it wraps
// anything for it: what another one wrapped would be lost when the right one is
// back. The caller holds k.mu.
func (k *Keys) rootFits(ctx context.Context) error {
	for _, t := range k.byNo {
		if t.wrap != nil {
			return nil
		}
	}
	t, err := k.readTenant(ctx, `no = (SELECT min(no) FROM tenants WHERE wrapped IS NOT NULL AND no >= ?)`, 0)
	if errors.Is(err, sql.ErrNoRows) {
		return nil // it is the first
	}
	if err != nil {
		return err
	}
	return k.confirm(ctx, t)
}

// newTenant draws a tenant's secret. It is durable when it returns.
func (k *Keys) newTenant(ctx context.Context, ref indelible.Ref) (*tenant, error) {
	if err := k.rootFits(ctx); err != nil {
		return nil, err
	}
	t := &tenant{ref: ref, id: newID()}
	var secret [64]byte
	rand.Read(secret[:])
	k.mu.Unlock()
	wrapped, err := k.opt.Root.Wrap(ctx, secret[:], k.wrapContext(t))
	k.mu.Lock()
	if err != nil {
		return nil, fmt.Errorf("wrap a new tenant's key: %w", err)
	}
	if there, ok := k.tenants[ref]; ok { // somebody else was faster
		return there, k.confirm(ctx, there)
	}
	t.wrapped = wrapped
	now := k.opt.Clock()
	r, err := k.db.ExecContext(ctx, `INSERT INTO tenants (ref, id, wrapped, created) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`, ref[:], t.id[:], t.wrapped, now.UnixMilli())
	if err != nil {
		return nil, fmt.Errorf("keep a new tenant's key: %w", err)
	}
	if n, err := r.RowsAffected(); err != nil {
		return nil, err
	} else if n == 0 { // by another process
		if t, err = k.readTenant(ctx, `ref = ? AND wrapped IS NOT NULL`, ref[:]); err != nil {
			return nil, err
		}
		return t, k.confirm(ctx, t)
	}
	if t.no, err = r.LastInsertId(); err != nil {
		return nil, err
	}
	t.use(&secret, now)
	k.tenants[t.ref], k.byNo[t.no] = t, t
	return t, nil
}

// use takes an unwrapped secret.
func (t *tenant) use(secret *[64]byte, now time.Time) {
	block, err := aes.NewCipher(secret[:32])
	if err != nil {
		panic(err) // only for other lengths
	}
	if t.wrap, err = cipher.NewGCM(block); err != nil {
		panic(err)
	}
	copy(t.tokenKey[:], secret[32:])
	t.confirmed = now
}

// confirm makes sure that the root key still stands behind a tenant's secret:
// it is asked again after a quarter of the time that keys may be used without
// it, without holding anybody up, and at the end of that time nothing goes on.
func (k *Keys) confirm(ctx context.Context, t *tenant) error {
	if f, fenced := k.fenced[t.id]; fenced {
		return &KeyError{Key: t.id, Err: ErrErased, Fence: f.Index, At: f.At}
	}
	if t.wrapped == nil {
		return &KeyError{Key: t.id, Err: ErrErased, At: t.at}
	}
	age := k.opt.Clock().Sub(t.confirmed)
	switch {
	case t.wrap == nil || age >= k.opt.Offline:
		k.mu.Unlock()
		secret, err := k.unwrap(ctx, t)
		k.mu.Lock()
		return k.confirmedBy(t, secret, err)
	case age >= k.opt.Offline/4 && !t.confirming:
		t.confirming = true
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			secret, err := k.unwrap(ctx, t)
			k.mu.Lock()
			defer k.mu.Unlock()
			t.confirming = false
			if err != nil && unreachable(err) {
				return // there is time left
			}
			k.confirmedBy(t, secret, err)
		}()
	}
	return nil
}

func (k *Keys) unwrap(ctx context.Context, t *tenant) (*[64]byte, error) {
	b, err := k.opt.Root.Unwrap(ctx, t.wrapped, k.wrapContext(t))
	if err == nil && len(b) != 64 {
		err = fmt.Errorf("%w: unwrapped %d bytes", ErrUnknownKey, len(b))
	}
	if err != nil {
		return nil, err
	}
	return (*[64]byte)(b), nil
}

// confirmedBy takes the root key's answer. A refusal counts at once.
func (k *Keys) confirmedBy(t *tenant, secret *[64]byte, err error) error {
	if err == nil {
		t.use(secret, k.opt.Clock())
		return nil
	}
	t.wrap, t.tokenKey = nil, [32]byte{}
	k.sealing.clear()
	k.opening.clear()
	return &KeyError{Key: t.id, Err: fmt.Errorf("the root key does not unwrap it: %w", err)}
}

// unreachable reports whether asking the root key again can help.
func unreachable(err error) bool {
	return errors.Is(err, ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

func newID() (id indelible.ID) {
	rand.Read(id[:])
	return id
}
