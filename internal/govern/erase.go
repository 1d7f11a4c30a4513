package govern

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"indelible"
	"indelible/internal/ledger"
)

// Keys is what the executor needs of the key store of an encrypted log. The
// ledger destroys the keys a fence names before it answers.
type Keys interface {
	// ErasableSubject lists the keys of a person that have material.
	ErasableSubject(ctx context.Context, tenant indelible.Ref, subject string) ([]indelible.ID, error)
	// ErasableTenant is the key of a tenant, under which all its others lie.
	ErasableTenant(ctx context.Context, tenant indelible.Ref) ([]indelible.ID, error)
	// Suppress puts pseudonyms on the list that later data sets leave out.
	Suppress(ctx context.Context, tenant indelible.Ref, tokens []string) error
}

// Certificate says what an erasure was: the content of the event
// subject.erased or tenant.erased. It names nobody.
type Certificate struct {
	Erased   string              `json:"erased"` // subject or tenant
	Tenant   indelible.Ref       `json:"tenant_ref"`
	Subject  *indelible.Ref      `json:"subject_ref,omitempty"`
	Proposal indelible.ID        `json:"proposal"`
	Proposer indelible.PublicKey `json:"proposer"`
	Approver indelible.PublicKey `json:"approver"`
	Fence    uint64              `json:"fence"` // index of the leaf
	Keys     int                 `json:"keys"`  // destroyed
	At       time.Time           `json:"at"`
	Counts   *Counts             `json:"counts"`          // when it was proposed
	State    string              `json:"state"`           // final, or pending backups
	Until    *time.Time          `json:"until,omitempty"` // of the last backup known that may hold the keys
	Remains  string              `json:"remains"`         // in words
}

// remains says what an erasure leaves behind, wherever it was.
const remains = "leaves, times, sizes and the skeleton of each event stay; one keyed token of the person stays in the key store, so that the erasure lasts, and the pseudonyms the person would have in data sets, so that later ones leave them out; " +
	"copies that left the log (evidence, data sets, whatever read it) are beyond it"

const remainsOfTenant = "leaves, times and sizes stay; the tenant's keyed reference stays in the log; copies that left the log (evidence, data sets, whatever read it) are beyond it"

// ErrNotEncrypted: nobody can be erased from a log whose records are readable.
var ErrNotEncrypted = errors.New("the records of this log are not encrypted: nobody can be erased from it")

// HeldError: a hold keeps what was to go.
type HeldError struct{ Hold indelible.ID }

func (e *HeldError) Error() string { return fmt.Sprintf("hold %s keeps it", e.Hold) }

// HeldBack returns a *HeldError if a hold keeps something of what would be erased.
func HeldBack(holds []ledger.HeldScope, e *indelible.Erase) error {
	for _, h := range holds {
		if h.Keeps(e) {
			return &HeldError{h.ID}
		}
	}
	return nil
}

// erase carries out an approved erasure: fence and destroy, publish, certify.
// Each step finds out whether it was done before a crash.
func (x *Executor) erase(ctx context.Context, p *Proposal) (*Certificate, error) {
	if x.Keys == nil {
		return nil, ErrNotEncrypted
	}
	c := newCertificate(p)
	if err := x.publish(ctx); err != nil {
		return nil, err
	}
	if err := x.suppress(ctx, p); err != nil {
		return nil, err
	}
	fences, err := x.Fences(ctx, p.About.Counts.Size)
	if err != nil {
		return nil, err
	}
	if !c.fencedBy(fences) {
		if err := x.fence(ctx, p, c); err != nil {
			return nil, err
		}
		if err := x.publish(ctx); err != nil {
			return nil, err
		}
	}
	if err := x.Forget(ctx, p.About.Tenant, p.About.Subject); err != nil {
		return nil, fmt.Errorf("the keys are destroyed, the search index still remembers: %w", err)
	}
	backups, err := ReadBackups(x.Dir)
	if err != nil {
		return nil, err
	}
	c.State, c.Until = backupsUntil(backups, c.At, x.Clock())
	event, err := c.event()
	if err != nil {
		return nil, err
	}
	if err := x.Record(ctx, event); err != nil {
		return nil, fmt.Errorf("the keys are destroyed, the certificate is not recorded yet: %w", err)
	}
	return c, x.publish(ctx)
}

// suppress keeps a person out of later data sets. The key their pseudonyms are
// made with is there only before a tenant is erased, and so it comes first.
func (x *Executor) suppress(ctx context.Context, p *Proposal) error {
	if p.Action.Erase.Subject == nil || x.Tokens == nil {
		return nil
	}
	tokens, err := x.Tokens(ctx, p.About.Tenant, p.About.Subject)
	if err != nil {
		return fmt.Errorf("the person's pseudonyms: %w", err)
	}
	return x.Keys.Suppress(ctx, p.Action.Erase.Tenant, tokens)
}

func newCertificate(p *Proposal) *Certificate {
	e := p.Action.Erase
	c := &Certificate{
		Erased: "subject", Tenant: e.Tenant, Subject: e.Subject, Proposal: p.ID(), Proposer: p.Approval.Proposer, Approver: p.Approval.Approver,
		Counts: p.About.Counts, Remains: remains,
	}
	if e.Subject == nil {
		c.Erased, c.Remains = "tenant", remainsOfTenant
	}
	return c
}

// fencedBy finds the fence of this erasure in the log, if it was written before
// a crash.
func (c *Certificate) fencedBy(fences []ledger.Fence) bool {
	for _, f := range fences {
		if f.Erased != nil && f.Erased.Approval.Proposal == c.Proposal {
			c.Fence, c.At, c.Keys = f.Index, time.UnixMilli(f.Time).UTC(), len(f.Keys)
			return true
		}
	}
	return false
}

// fence puts the fence into the log. When that answers the keys are destroyed.
func (x *Executor) fence(ctx context.Context, p *Proposal, c *Certificate) error {
	e := p.Action.Erase
	if err := HeldBack(x.Log.Decided().Holds, e); err != nil {
		return err
	}
	var keys []indelible.ID
	var err error
	if e.Subject == nil {
		keys, err = x.Keys.ErasableTenant(ctx, e.Tenant)
	} else {
		keys, err = x.Keys.ErasableSubject(ctx, e.Tenant, p.About.Subject)
	}
	if err != nil {
		return err
	}
	slices.SortFunc(keys, func(a, b indelible.ID) int { return slices.Compare(a[:], b[:]) })
	// Whoever applies the fence destroys all keys of the person, also one that
	// is not among the first.
	f := indelible.Fence{Keys: keys[:min(len(keys), indelible.MaxFenceKeys)], Erased: &indelible.Erased{Erase: *e, Approval: p.Approval}}
	if len(keys) == 0 {
		f.Keys = []indelible.ID{}
	}
	wait, cancel := context.WithTimeout(ctx, storeWait)
	defer cancel()
	placed, err := x.Log.Decide(wait, indelible.KindFence, f)
	if err != nil {
		return err
	}
	c.Fence, c.At, c.Keys = placed.Index, time.UnixMilli(placed.Time).UTC(), len(keys)
	return nil
}

func (c *Certificate) event() (*indelible.Event, error) {
	details, err := toMap(c)
	if err != nil {
		return nil, err
	}
	return systemEvent(c.Proposal, c.Erased+".erased", c.Erased, "erase", c.At, details), nil
}
