package ledger

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math"

	"indelible"
	"indelible/internal/sha256lanes"
)

// agreeing goes on from leaf number first of a segment and returns the first,
// up to end, whose payload does not agree with what is known of its tenant, or
// whose tenant is not known yet.
func (v *verifier) agreeing(h *hasher, seg *Segment, tenants []tenantCheck, first, end int) int {
	var leaf indelible.Leaf
	h.refs.reset()
	h.closed = h.closed[:0]
	i := first
	for ; i < end; i++ {
		if leaf.Decode(seg.Leaf(i)) != nil || leaf.TenantNo > uint64(len(tenants)) {
			break
		}
		if !leaf.Kind.Recorded() || leaf.TenantNo == 0 {
			continue
		}
		n := v.named(&tenants[leaf.TenantNo-1], seg.Payloads[i])
		if n.wrong != "" {
			break
		}
		if n.closed {
			h.closed = append(h.closed, i)
		}
		if n.hasID {
			h.refs.add(i, tenants[leaf.TenantNo-1].key, n.id, leaf.EventRef)
		}
	}
	i = min(i, h.refs.firstWrong(&h.batch))
	for _, at := range h.closed {
		if at < i {
			v.notOpened()
		}
	}
	return i
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
	n := v.named(tenant, payload)
	if n.closed {
		v.notOpened()
	}
	if n.hasID && tenant.key.EventRef(n.id) != leaf.EventRef {
		return "the reference in the leaf is not that of the event's id"
	}
	return n.wrong
}

// named is what a payload says of whose event it is.
type named struct {
	id     []byte // of the event, to be compared with the reference in its leaf
	hasID  bool
	closed bool   // there is no key
	wrong  string // with the tenant, or the payload
}

func (v *verifier) named(tenant *tenantCheck, payload []byte) (n named) {
	n.closed = tenant.closed
	if !tenant.known {
		return n
	}
	var tenantID []byte
	var err error
	if tenant.key == nil {
		tenantID, err = v.opt.Opener.EventTenant(payload)
	} else {
		tenantID, n.id, err = v.opt.Opener.EventIdentity(payload)
	}
	switch {
	case errors.Is(err, indelible.ErrSealed):
		n.closed = true
	case err != nil:
		n.wrong = "payload is not an event: " + err.Error()
	case string(tenantID) != tenant.id:
		n.wrong = fmt.Sprintf("event of tenant %q in the row of %q", tenantID, tenant.id)
	default:
		n.hasID = tenant.key != nil
	}
	return n
}

// refs are references of events to be computed together.
type refs struct {
	messages []byte
	outer    []byte
	all      []refCheck
}

type refCheck struct {
	leaf int
	key  *indelible.RefKey
	end  int // in messages
	want indelible.Ref
}

func (r *refs) reset() { r.messages, r.all = r.messages[:0], r.all[:0] }

// add adds the reference of an event's id, and what it must be.
func (r *refs) add(leaf int, key *indelible.RefKey, id []byte, want indelible.Ref) {
	r.messages = key.AppendInner(r.messages, id)
	r.all = append(r.all, refCheck{leaf, key, len(r.messages), want})
}

// firstWrong returns the first leaf whose reference is another.
func (r *refs) firstWrong(batch *sha256lanes.Batch) int {
	batch.Reset()
	begin := 0
	for _, c := range r.all {
		batch.Add(r.messages[begin:c.end])
		begin = c.end
	}
	r.outer = r.outer[:0]
	for i, inner := range batch.Sums() {
		r.outer = r.all[i].key.AppendOuter(r.outer, &inner)
	}
	const size = sha256.BlockSize + sha256.Size
	batch.Reset()
	for at := 0; at < len(r.outer); at += size {
		batch.Add(r.outer[at : at+size])
	}
	for i, sum := range batch.Sums() {
		if c := &r.all[i]; indelible.Ref(sum[:len(c.want)]) != c.want {
			return c.leaf
		}
	}
	return math.MaxInt
}
