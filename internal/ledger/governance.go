package ledger

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"indelible"
)

// governance is what fence, expired, policy and hold leaves have decided so far.
type governance struct {
	operators   []indelible.PublicKey // in the order they were added
	retention   *indelible.Retention  // nil: none recorded, nothing expires
	retentionAt uint64                // index of its leaf
	holds       map[indelible.ID]HeldScope
	expired     []Expiry                 // by slot, disjoint
	erased      map[indelible.Ref]uint64 // the latest row of tenants that were erased
}

// HeldScope is a hold that was not lifted, and the index of its leaf.
type HeldScope struct {
	indelible.HoldScope
	Index uint64
	Since int64 // commit time, ms
}

// Expiry is an expired leaf: which segments are removed, and since when.
type Expiry struct {
	indelible.Expired
	Index uint64
	At    int64 // commit time of the leaf, ms
}

func (g *governance) clone() *governance {
	c := *g
	c.operators, c.expired = slices.Clone(g.operators), slices.Clone(g.expired)
	c.holds, c.erased = maps.Clone(g.holds), maps.Clone(g.erased)
	if c.holds == nil {
		c.holds, c.erased = make(map[indelible.ID]HeldScope), make(map[indelible.Ref]uint64)
	}
	return &c
}

// expiry is the expired leaf that covers a slot, or nil.
func (g *governance) expiry(seq uint64) *Expiry {
	i, found := slices.BinarySearchFunc(g.expired, seq, func(e Expiry, seq uint64) int {
		switch {
		case e.Last < seq:
			return -1
		case e.First > seq:
			return 1
		}
		return 0
	})
	if !found {
		return nil
	}
	return &g.expired[i]
}

// decide is the transaction's governance, to be changed.
func (t *txn) decide() *governance {
	if t.gov == t.base.gov {
		t.gov = t.base.gov.clone()
	}
	return t.gov
}

// standing reports whether a leaf's payload is repeated in every full heads
// object: what the log after it depends on, however long ago it was.
func standing(kind indelible.Kind, payload []byte) bool {
	switch kind {
	case indelible.KindGenesis, indelible.KindWriterKey, indelible.KindLogKey,
		indelible.KindExpired, indelible.KindPolicy, indelible.KindHold:
		return true
	case indelible.KindFence:
		// Of a tenant: it may come back, in a row of its own.
		var f indelible.Fence
		return systemContent(payload, &f) == nil && f.Erased != nil && f.Erased.Erase.Subject == nil
	}
	return false
}

// checkGovernance checks a leaf somebody decided, and notes what it decides.
func (t *txn) checkGovernance(leaf *indelible.Leaf, payload []byte) error {
	switch leaf.Kind {
	case indelible.KindFence:
		var f indelible.Fence
		if err := systemContent(payload, &f); err != nil {
			return err
		}
		return t.checkFence(leaf, &f)
	case indelible.KindExpired:
		var e indelible.Expired
		if err := systemContent(payload, &e); err != nil {
			return err
		}
		return t.checkExpired(leaf, &e)
	case indelible.KindPolicy:
		var p indelible.Policy
		if err := systemContent(payload, &p); err != nil {
			return err
		}
		return t.checkPolicy(&p)
	case indelible.KindHold:
		var h indelible.Hold
		if err := systemContent(payload, &h); err != nil {
			return err
		}
		return t.checkHold(leaf, &h)
	}
	return nil
}

func (t *txn) checkFence(leaf *indelible.Leaf, f *indelible.Fence) error {
	if r := f.Readmitted; r != nil {
		if len(f.Keys) > 0 || f.Erased != nil || f.Expired != nil || r.Person.Subject == nil {
			return errors.New("readmits nobody, or does something else besides")
		}
		return t.approved(&r.Approval, &indelible.Action{Readmit: &r.Person})
	}
	if n := len(f.Keys); n == 0 && f.Erased == nil || n > indelible.MaxFenceKeys {
		return fmt.Errorf("names %d keys: want 1 to %d", n, indelible.MaxFenceKeys)
	}
	for i := 1; i < len(f.Keys); i++ {
		if string(f.Keys[i-1][:]) >= string(f.Keys[i][:]) {
			return errors.New("its keys are not in order")
		}
	}
	switch {
	case (f.Erased == nil) == (f.Expired == nil):
		return errors.New("want one reason, erased or expired")
	case f.Erased != nil:
		e := f.Erased
		if err := t.approved(&e.Approval, &indelible.Action{Erase: &e.Erase}); err != nil {
			return err
		}
		if h := t.gov.heldErasure(&e.Erase); h != nil {
			return fmt.Errorf("erases what hold %s keeps", h.ID)
		}
		if e.Erase.Subject == nil {
			t.eraseTenant(e.Erase.Tenant)
		}
		return nil
	}
	end, err := indelible.PeriodEnd(f.Expired.Period)
	if err != nil {
		return err
	}
	if err := t.underPolicy(f.Expired.Policy); err != nil {
		return err
	}
	over := end.AddDate(0, 0, int(t.gov.retention.Days(f.Expired.Class)))
	if leaf.Time < over.UnixMilli() {
		return fmt.Errorf("class %s of %s is kept until %s", f.Expired.Class, f.Expired.Period, over.Format(time.DateOnly))
	}
	if h := t.gov.heldTime(end.AddDate(0, -1, 0).UnixMilli(), end.UnixMilli()); h != nil {
		return fmt.Errorf("destroys what hold %s keeps", h.ID)
	}
	return nil
}

func (t *txn) checkExpired(leaf *indelible.Leaf, e *indelible.Expired) error {
	if e.First > e.Last || e.Last >= leaf.Segment || e.Reason != "retention" {
		return errors.New("names slots that are none, or no reason")
	}
	if err := t.underPolicy(e.Policy); err != nil {
		return err
	}
	over := time.UnixMilli(e.Time).UTC().AddDate(0, 0, int(t.gov.retention.Shortest()))
	if leaf.Time < over.UnixMilli() {
		return fmt.Errorf("no policy lets segment %d go before %s", e.Last, over.Format(time.DateOnly))
	}
	if h := t.gov.heldTime(e.Time, e.Time+1); h != nil {
		return fmt.Errorf("removes what hold %s keeps", h.ID)
	}
	i, _ := slices.BinarySearchFunc(t.gov.expired, e.First, func(x Expiry, first uint64) int { return cmp.Compare(x.Last, first) })
	if i < len(t.gov.expired) && t.gov.expired[i].First <= e.Last {
		return fmt.Errorf("slot %d expired before", t.gov.expired[i].First)
	}
	g := t.decide()
	g.expired = slices.Insert(g.expired, i, Expiry{*e, t.size, leaf.Time})
	return nil
}

// eraseTenant takes a tenant's row from it: if it comes back, it gets another.
func (t *txn) eraseTenant(ref indelible.Ref) {
	no, there := t.tenantNo(ref)
	if !there || t.tenantLeaf(no).Index > t.size {
		return // it has come back since
	}
	t.decide().erased[ref] = no
	t.byRef[ref] = 0
}

// underPolicy checks that a leaf names the retention policy in force.
func (t *txn) underPolicy(index uint64) error {
	if t.gov.retention == nil || index != t.gov.retentionAt {
		return fmt.Errorf("leaf %d is not the retention policy in force", index)
	}
	return nil
}

func (t *txn) checkPolicy(p *indelible.Policy) error {
	switch {
	case (p.Operator == nil) == (p.Retention == nil):
		return errors.New("want an operator or a retention policy")
	case p.Operator != nil:
		return t.checkOperator(p.Operator, p.Approval)
	}
	if err := p.Retention.Check(); err != nil {
		return err
	}
	before := t.gov.retention
	if before == nil && t.hasTenants() {
		before = &indelible.Retention{Default: indelible.DefaultDays}
	}
	if before != nil && p.Retention.Shortens(before) {
		if p.Approval == nil {
			return errors.New("keeps something for less time than before, which two operators decide")
		}
		if err := t.approved(p.Approval, &indelible.Action{Retention: p.Retention}); err != nil {
			return err
		}
	} else if p.Approval != nil {
		return errors.New("carries an approval nobody asked for")
	}
	g := t.decide()
	g.retention, g.retentionAt = p.Retention, t.size
	return nil
}

// hasTenants reports whether a tenant has begun by now: until then a log has
// kept nothing that a policy could keep for less time.
func (t *txn) hasTenants() bool {
	return len(t.tenants) > 0 || len(t.base.tenants) > 0 && t.base.tenants[0].Index < t.size
}

func (t *txn) checkOperator(o *indelible.Operator, a *indelible.Approval) error {
	known := t.gov.operators
	if slices.Contains(known, o.Key) {
		return errors.New("is an operator already")
	}
	switch {
	case len(known) >= 2 && a == nil:
		return errors.New("adds an operator, which two operators decide")
	case len(known) >= 2:
		if err := t.approved(a, &indelible.Action{Operator: &o.Key}); err != nil {
			return err
		}
	case len(known) == 1:
		if err := o.VerifyIntroduction(known[0], t.base.origin, t.logID); err != nil {
			return err
		}
	}
	g := t.decide()
	g.operators = append(g.operators, o.Key)
	return nil
}

func (t *txn) checkHold(leaf *indelible.Leaf, h *indelible.Hold) error {
	switch {
	case (h.Add == nil) == (h.Lift == nil):
		return errors.New("want one of add and lift")
	case h.Add != nil:
		if _, there := t.gov.holds[h.Add.ID]; there {
			return fmt.Errorf("hold %s is there already", h.Add.ID)
		}
		if h.Add.Subject != nil && h.Add.Tenant == nil {
			return errors.New("names a subject without its tenant")
		}
		t.decide().holds[h.Add.ID] = HeldScope{*h.Add, t.size, leaf.Time}
		return nil
	}
	if _, there := t.gov.holds[*h.Lift]; !there {
		return fmt.Errorf("no hold %s to lift", *h.Lift)
	}
	if h.Approval == nil {
		return errors.New("lifts a hold, which two operators decide")
	}
	if err := t.approved(h.Approval, &indelible.Action{Lift: h.Lift}); err != nil {
		return err
	}
	delete(t.decide().holds, *h.Lift)
	return nil
}

// approved checks that two operators of this log decided on an action.
func (t *txn) approved(a *indelible.Approval, action *indelible.Action) error {
	return a.Verify(action, t.base.origin, t.logID, t.gov.operators)
}

// Keeps reports whether a hold keeps something of what would be erased. A hold
// on a time alone keeps every person and tenant: of whom there is nothing in
// that time the log does not say.
func (h *HeldScope) Keeps(e *indelible.Erase) bool {
	switch {
	case h.Tenant != nil && *h.Tenant != e.Tenant:
		return false
	case h.Subject != nil && e.Subject != nil && *h.Subject != *e.Subject:
		return false
	}
	return true
}

// heldTime is a hold on all tenants that covers some of a time, or nil. Whether
// one on a tenant does, leaves do not say.
func (g *governance) heldTime(begin, end int64) *HeldScope {
	for _, h := range g.decided().Holds {
		if h.Tenant == nil && (h.From == nil || *h.From < end) && (h.Until == nil || *h.Until > begin) {
			return &h
		}
	}
	return nil
}

// heldErasure is a hold that keeps something of what would be erased, or nil.
func (g *governance) heldErasure(e *indelible.Erase) *HeldScope {
	for _, id := range slices.SortedFunc(maps.Keys(g.holds), func(a, b indelible.ID) int { return cmp.Compare(string(a[:]), string(b[:])) }) {
		if h := g.holds[id]; h.Keeps(e) {
			return &h
		}
	}
	return nil
}

// decided is the governance as others see it.
func (g *governance) decided() Decided {
	d := Decided{Operators: slices.Clone(g.operators), Retention: g.retention, RetentionAt: g.retentionAt, Expired: slices.Clone(g.expired)}
	d.Holds = slices.SortedFunc(maps.Values(g.holds), func(a, b HeldScope) int { return cmp.Compare(a.Index, b.Index) })
	return d
}
