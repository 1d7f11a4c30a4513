package govern

import (
	"context"
	"slices"
	"time"

	"indelible"
	"indelible/internal/ledger"
)

// readmit carries out that a person who was erased gets keys again: a leaf that
// answers the fence, and an event that says so. Each step finds out whether it
// was done before a crash.
func (x *Executor) readmit(ctx context.Context, p *Proposal) error {
	if x.Keys == nil {
		return ErrNotEncrypted
	}
	if err := x.publish(ctx); err != nil {
		return err
	}
	fences, err := x.Fences(ctx, p.About.Counts.Size)
	if err != nil {
		return err
	}
	var placed ledger.Decision
	if i := slices.IndexFunc(fences, func(f ledger.Fence) bool {
		return f.Readmitted != nil && f.Readmitted.Approval.Proposal == p.ID()
	}); i >= 0 {
		placed = ledger.Decision{Index: fences[i].Index, Time: fences[i].Time}
	} else {
		f := indelible.Fence{Keys: []indelible.ID{}, Readmitted: &indelible.Readmitted{Person: *p.Action.Readmit, Approval: p.Approval}}
		wait, cancel := context.WithTimeout(ctx, storeWait)
		defer cancel()
		if placed, err = x.Log.Decide(wait, indelible.KindFence, f); err != nil {
			return err
		}
	}
	at := time.UnixMilli(placed.Time).UTC()
	event := systemEvent(p.ID(), "subject.readmitted", "subject", "readmit", at, map[string]any{
		"tenant_ref": p.Action.Readmit.Tenant, "subject_ref": p.Action.Readmit.Subject, "proposal": p.ID(),
		"proposer": p.Approval.Proposer, "approver": p.Approval.Approver, "fence": placed.Index,
	})
	if err := x.Record(ctx, event); err != nil {
		return err
	}
	return x.publish(ctx)
}
