package ledger

import (
	"errors"
	"fmt"

	"indelible"
)

// agreeing goes on from leaf number first of a segment and returns the first,
// up to end, whose payload does not agree with what is known of its tenant, or
// whose tenant is not known yet.
func (v *verifier) agreeing(seg *Segment, tenants []tenantCheck, first, end int) int {
	var leaf indelible.Leaf
	for i := first; i < end; i++ {
		if leaf.Decode(seg.Leaf(i)) != nil || leaf.TenantNo > uint64(len(tenants)) {
			return i
		}
		if leaf.Kind.Recorded() && leaf.TenantNo > 0 && v.misnamed(&tenants[leaf.TenantNo-1], &leaf, seg.Payloads[i]) != "" {
			return i
		}
	}
	return end
}

// checkIdentities compares each event's tenant and id with its leaf, from leaf
// number first on.
func (v *verifier) checkIdentities(seg *Segment, tenants []tenantCheck, first int) {
	var leaf indelible.Leaf
	for i := first; i < seg.Count(); i++ {
		if leaf.Decode(seg.Leaf(i)) != nil || !leaf.Kind.Recorded() || leaf.TenantNo == 0 || leaf.TenantNo > uint64(len(tenants)) {
			continue
		}
		what := v.misnamed(&tenants[leaf.TenantNo-1], &leaf, seg.Payloads[i])
		if what == "" {
			continue
		}
		index := seg.OldSize + uint64(i)
		v.problem(tampering, Problem{Object: segmentName(seg.Seq), Segment: &seg.Seq, Index: &index, EventID: v.eventID(seg.Payloads[i]), What: what})
	}
}

// misnamed says what is wrong with the tenant or id an event's payload names.
func (v *verifier) misnamed(tenant *tenantCheck, leaf *indelible.Leaf, payload []byte) string {
	if tenant.closed {
		v.notOpened()
	}
	if !tenant.known {
		return ""
	}
	var tenantID, eventID []byte
	var err error
	if tenant.key == nil {
		tenantID, err = v.opt.Opener.EventTenant(payload)
	} else {
		tenantID, eventID, err = v.opt.Opener.EventIdentity(payload)
	}
	switch {
	case errors.Is(err, indelible.ErrSealed):
		v.notOpened()
		return ""
	case err != nil:
		return "payload is not an event: " + err.Error()
	case string(tenantID) != tenant.id:
		return fmt.Sprintf("event of tenant %q in the row of %q", tenantID, tenant.id)
	case tenant.key != nil && tenant.key.EventRef(eventID) != leaf.EventRef:
		return "the reference in the leaf is not that of the event's id"
	}
	return ""
}
