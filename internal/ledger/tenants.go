package ledger

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"indelible"
	"indelible/internal/store"
)

// Tenant returns what is needed to make records of a tenant. A tenant the log
// does not know yet gets a new salt, which the log then takes over with the
// tenant's first record; seal makes the descriptor that carries it.
func (l *Ledger) Tenant(id string, seal func(id string, salt [32]byte) ([]byte, error)) (*TenantKeys, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k, ok := l.tenants[id]; ok {
		return k, nil
	}
	k := &TenantKeys{Ref: indelible.TenantRef(l.cfg.IDKey, id)}
	salt, settled, err := l.knownSalt(k.Ref)
	if err != nil {
		return nil, fmt.Errorf("tenant %q: %w", id, err)
	}
	if !settled {
		rand.Read(salt[:])
	}
	k.settled = settled
	k.IDKey = indelible.TenantKey(l.cfg.IDKey, &salt)
	if k.Descriptor, err = seal(id, salt); err != nil {
		return nil, fmt.Errorf("tenant %q: %w", id, err)
	}
	l.tenants[id] = k
	return k, nil
}

// knownSalt reads the salt of a tenant the log knows.
func (l *Ledger) knownSalt(ref indelible.Ref) (salt [32]byte, known bool, err error) {
	l.stateMu.RLock()
	defer l.stateMu.RUnlock()
	if l.state == nil {
		return salt, false, nil
	}
	no, known := l.state.byRef[ref]
	if !known {
		return salt, false, nil
	}
	t, err := l.cfg.Sealer.OpenTenant(l.state.tenants[no-1].Payload)
	return t.Salt, true, err
}

// settleTenants drops what was assumed of tenants before the log was replayed.
func (l *Ledger) settleTenants() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, k := range l.tenants {
		if _, known := l.state.byRef[k.Ref]; known && !k.settled {
			delete(l.tenants, id)
		}
	}
}

// forgetErased drops what is known of tenants that were erased: a new record
// begins a row of its own.
func (l *Ledger) forgetErased() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, k := range l.tenants {
		_, known := l.state.byRef[k.Ref]
		if _, erased := l.state.gov.erased[k.Ref]; erased && !known {
			delete(l.tenants, id)
		}
	}
}

// tenantOf finds the tenant of a record, beginning it if it is new, and the
// record's event reference under the tenant's key.
func (l *Ledger) tenantOf(t *txn, r *Record) (no uint64, ref indelible.Ref, err error) {
	tenantRef := indelible.Ref(r.TenantRef)
	no, known := t.tenantNo(tenantRef)
	if !known {
		// A record made before its tenant was erased belongs to the row it had.
		old, erased := t.gov.erased[tenantRef]
		if erased && bytes.Equal(l.descriptors[tenantRef], r.Tenant) {
			return old, indelible.Ref(r.EventRef), nil
		}
		id, salt, err := l.cfg.Sealer.OpenDescriptor(r.Tenant)
		if err != nil && erased && !transient(err) {
			return old, indelible.Ref(r.EventRef), nil
		}
		if err != nil {
			return 0, ref, fmt.Errorf("journal record's tenant: %w", err)
		}
		no = t.tenantCount() + 1
		payload, err := l.cfg.Sealer.SealTenant(indelible.Tenant{Salt: salt, TenantID: id, TenantNo: no})
		if err != nil {
			return 0, ref, err
		}
		h, err := indelible.HashPayload(payload)
		if err != nil {
			return 0, ref, err
		}
		t.add(indelible.KindTenant, tenantRef, no, h, payload)
		l.descriptors[tenantRef] = bytes.Clone(r.Tenant)
		return no, indelible.Ref(r.EventRef), nil
	}
	if bytes.Equal(l.descriptors[tenantRef], r.Tenant) {
		return no, indelible.Ref(r.EventRef), nil
	}
	return l.rekeyed(t, no, tenantRef, r)
}

// rekeyed handles a record that was made before its process could know the
// tenant's salt, as happens when a process starts while the store is away: its
// reference is computed again under the tenant's key.
func (l *Ledger) rekeyed(t *txn, no uint64, tenantRef indelible.Ref, r *Record) (uint64, indelible.Ref, error) {
	_, salt, err := l.cfg.Sealer.OpenDescriptor(r.Tenant)
	if err != nil {
		return 0, indelible.Ref{}, fmt.Errorf("journal record's tenant: %w", err)
	}
	tenant, err := l.cfg.Sealer.OpenTenant(t.tenantLeaf(no).Payload)
	if err != nil {
		return 0, indelible.Ref{}, fmt.Errorf("tenant number %d: %w", no, err)
	}
	if salt == tenant.Salt {
		l.descriptors[tenantRef] = bytes.Clone(r.Tenant)
		return no, indelible.Ref(r.EventRef), nil
	}
	id, err := l.cfg.Sealer.EventID(r.Payload)
	if err != nil {
		return 0, indelible.Ref{}, err
	}
	key := indelible.TenantKey(l.cfg.IDKey, (*[32]byte)(&tenant.Salt))
	return no, indelible.EventRef(&key, id), nil
}

// tenantLeaf is the tenant leaf of a tenant within the transaction.
func (t *txn) tenantLeaf(no uint64) keptLeaf {
	if n := uint64(len(t.base.tenants)); no > n {
		return t.tenants[no-n-1]
	}
	return t.base.tenants[no-1]
}

// lookupTime is how long a caller waits for a store that does not answer.
const lookupTime = 2 * time.Second

// Lookup finds the event with a reference: its leaf and payload. It answers
// false while the log has not been replayed.
func (l *Ledger) Lookup(ctx context.Context, ref indelible.Ref, all bool) (p Placed, payload []byte, found bool, err error) {
	l.stateMu.RLock()
	ready := l.state != nil
	l.stateMu.RUnlock()
	if !ready {
		return p, nil, false, nil
	}
	find := l.window.lookup
	if all {
		find = l.window.lookupAll
	}
	index, found, err := find(ref)
	if st := l.told(); err != nil || !found || index >= st.Size || st.StoreErr != nil {
		return p, nil, false, err
	}
	brief, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	leaf, payload, err := l.earlier(brief, nil, index, once)
	if err != nil && brief.Err() != nil && ctx.Err() == nil {
		err = fmt.Errorf("%w: no answer within %v", store.ErrUnavailable, lookupTime)
	}
	if transient(err) {
		// The caller must not wait for a store that is away. What is in the
		// log twice the committer finds.
		l.setStatus(func(s *Status) {
			if s.StoreErr == nil {
				s.StoreErr, s.StoreSince = err, l.cfg.Clock()
			}
		})
		return p, nil, false, nil
	}
	if err != nil {
		return p, nil, false, err
	}
	var was indelible.Leaf
	if err := was.Decode(leaf); err != nil {
		return p, nil, false, err
	}
	if was.EventRef != ref {
		return p, nil, false, fmt.Errorf("the index of references is damaged; remove %s, it is made again", l.window.dir)
	}
	return Placed{Index: index, Leaf: indelible.LeafHash(leaf), Segment: was.Segment, Repeat: true}, payload, true, nil
}
