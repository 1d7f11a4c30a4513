package ledger

import (
	"errors"
	"fmt"
	"slices"

	"indelible"
)

// tenantCheck is what events are compared with.
type tenantCheck struct {
	id    string
	key   *indelible.RefKey // nil: references are not checked
	known bool

	closed bool // there is no key to tell
}

// noteTenants opens the payloads of new tenant leaves: one tenant, one row.
func (v *verifier) noteTenants(t *txn) {
	if len(t.tenants) == 0 {
		return
	}
	known := slices.Clip(*v.known.Load()) // others may be reading it
	for _, k := range t.tenants {
		v.report.Tenants++
		if t.returned(k) {
			v.report.Returned++
		}
		var c tenantCheck
		if v.opt.Opener != nil && k.Payload != nil {
			c = v.checkTenant(k)
		}
		known = append(known, c)
		v.system = append(v.system, len(c.id) > 0 && c.id[0] == '_')
	}
	v.known.Store(&known)
}

// returned reports whether a tenant had another row before, and was erased.
func (t *txn) returned(k keptLeaf) bool {
	var leaf indelible.Leaf
	if leaf.Decode(k.Leaf) != nil {
		return false
	}
	no, erased := t.gov.erased[leaf.EventRef]
	return erased && no < leaf.TenantNo
}

func (v *verifier) checkTenant(k keptLeaf) (c tenantCheck) {
	var leaf indelible.Leaf
	if leaf.Decode(k.Leaf) != nil {
		return c
	}
	object := segmentName(leaf.Segment)
	wrong := func(what string) {
		v.problem(tampering, Problem{Object: object, Segment: &leaf.Segment, Index: &k.Index, What: what})
	}
	t, err := v.opt.Opener.OpenTenant(k.Payload)
	if errors.Is(err, indelible.ErrSealed) {
		v.notOpened()
		c.closed = true
		return c
	}
	if err != nil {
		wrong("tenant payload cannot be opened: " + err.Error())
		return c
	}
	if t.TenantNo != leaf.TenantNo {
		wrong(fmt.Sprintf("tenant payload says number %d, its leaf %d", t.TenantNo, leaf.TenantNo))
	}
	if no, taken := v.tenants[t.TenantID]; taken {
		wrong(fmt.Sprintf("tenant %q is split over rows %d and %d", t.TenantID, no, leaf.TenantNo))
	}
	v.tenants[t.TenantID] = leaf.TenantNo
	c = tenantCheck{id: t.TenantID, known: true}
	if v.opt.IDKey != nil {
		if indelible.TenantRef(v.opt.IDKey, t.TenantID) != leaf.EventRef {
			wrong(fmt.Sprintf("the reference in the leaf is not that of tenant %q", t.TenantID))
		}
		key := indelible.TenantKey(v.opt.IDKey, (*[32]byte)(&t.Salt))
		c.key = indelible.NewRefKey(&key)
	}
	return c
}
