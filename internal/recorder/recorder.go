// Package recorder is the one road into the ledger: an event is validated,
// hashed and sealed, written to the journal and, in time, placed in the log.
package recorder

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"indelible"
	"indelible/internal/journal"
	"indelible/internal/ledger"
)

// ErrConflict: the event's id is taken in its tenant by another event.
var ErrConflict = errors.New("another event with this id is in the log")

// Recorder records events into one ledger.
type Recorder struct {
	ledger *ledger.Ledger
	sealer Sealer
	origin string
	logID  indelible.ID
	writer atomic.Pointer[indelible.Writer] // who signs receipts, as the log key vouches for it
	clock  func() time.Time
	mask   func(context.Context, *indelible.Event) error // or nil
}

// New makes a recorder. The sealer is the ledger's own.
func New(l *ledger.Ledger, cfg ledger.Config, sealer Sealer) *Recorder {
	clock := cfg.Clock
	if clock == nil {
		clock = time.Now
	}
	r := &Recorder{ledger: l, sealer: sealer, origin: cfg.Origin, logID: cfg.LogID, clock: clock}
	r.Endorse(cfg.Writer.Endorsed)
	return r
}

// Endorse has receipts carry another endorsement of the writer key: that of a
// new log key.
func (r *Recorder) Endorse(w indelible.Writer) { r.writer.Store(&w) }

// Mask takes personal data out of every event of a caller, after it was found
// valid and before it is hashed and sealed: what is taken out was never here. It
// is set before the first event.
func (r *Recorder) Mask(mask func(context.Context, *indelible.Event) error) { r.mask = mask }

// Options say how a batch is recorded.
type Options struct {
	AwaitStore bool // Wait will wait for the place in the log
	Import     bool // look for repeats in all of the log, not in its recent part
	System     bool // events of the log's own tenants are let in: they come from this program
}

// Pending is an event on its way: refused, in the journal, or found in the log.
type Pending struct {
	Event *indelible.Event
	Err   error // why the event was refused; nothing of it was recorded

	recorder *Recorder
	record   *ledger.Record
	receipt  indelible.Receipt
	placed   <-chan ledger.Placed
}

// Record writes a batch of events to the journal in one go and returns when
// they are durable there. Refused events carry their reason; the error is for
// what stopped the whole batch.
func (r *Recorder) Record(ctx context.Context, events []*indelible.Event, opt Options) ([]*Pending, error) {
	pending := make([]*Pending, len(events))
	records := make([]ledger.Record, 0, len(events))
	var waiting []*Pending
	var keys uint64
	for i, e := range events {
		p := &Pending{Event: e, recorder: r}
		pending[i] = p
		rec, made, err := r.prepare(ctx, p, opt)
		keys = max(keys, made)
		if err != nil {
			p.Err = err
			continue
		}
		if rec == nil {
			continue // a repeat
		}
		if opt.AwaitStore {
			p.placed = r.ledger.Expect(indelible.Hash(rec.PayloadHash))
		}
		records = append(records, *rec)
		p.record = &records[len(records)-1]
		waiting = append(waiting, p)
	}
	if len(records) == 0 {
		return pending, nil
	}
	acks, err := r.append(ctx, records, keys)
	if err != nil {
		for _, p := range waiting {
			r.ledger.Forget(indelible.Hash(p.record.PayloadHash))
		}
		return nil, err
	}
	for i, p := range waiting {
		p.receipt.Promise = r.promise(p.record, &acks[i])
	}
	return pending, nil
}

// append writes records whose keys were made up to keys. A record whose key is
// lost can never be read, so the keys come first.
func (r *Recorder) append(ctx context.Context, records []ledger.Record, keys uint64) ([]journal.Ack, error) {
	if err := r.sealer.Durable(ctx, keys); err != nil {
		return nil, err
	}
	return r.ledger.Append(ctx, records)
}

// Identify gives an event an id (UUIDv7) if it has none.
func Identify(e *indelible.Event) error {
	if e.ID != "" {
		return nil
	}
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	e.ID = id.String()
	return nil
}

// prepare validates, hashes and seals one event. It returns nil if the event
// is in the log already. keys says which keys must be safe before it counts.
func (r *Recorder) prepare(ctx context.Context, p *Pending, opt Options) (rec *ledger.Record, keys uint64, err error) {
	e := p.Event
	if err := Identify(e); err != nil {
		return nil, 0, err
	}
	validate := e.Validate
	if opt.System && strings.HasPrefix(e.TenantID, indelible.ReservedTenantPrefix) {
		validate = e.ValidateSystem
	}
	if err := validate(); err != nil {
		return nil, 0, err
	}
	if r.mask != nil && !strings.HasPrefix(e.TenantID, indelible.ReservedTenantPrefix) {
		if err := r.mask(ctx, e); err != nil {
			return nil, 0, fmt.Errorf("mask: %w", err)
		}
		if err := validate(); err != nil { // a mask may be longer than what it stands for
			return nil, 0, err
		}
	}
	tenant, err := r.ledger.Tenant(e.TenantID, r.sealer.SealDescriptor)
	if err != nil {
		return nil, 0, err
	}
	audit := indelible.Hash(e.AuditHash())
	p.receipt = indelible.Receipt{ID: e.ID, TenantID: e.TenantID, AuditHash: audit.String(), Durability: indelible.DurableJournal}
	ref := indelible.EventRef(&tenant.IDKey, e.ID)
	placed, earlier, found, err := r.ledger.Lookup(ctx, ref, opt.Import)
	if err != nil {
		return nil, 0, err
	}
	if found {
		same := earlier == nil // expired: there is nothing left to differ from
		if !same {
			same, err = r.sealer.IsOf(earlier, e)
		}
		if err != nil {
			return nil, 0, err
		}
		if !same {
			return nil, 0, fmt.Errorf("%w: id %s, at index %d", ErrConflict, e.ID, placed.Index)
		}
		p.place(placed)
		return nil, 0, nil
	}
	payload, keys, err := r.sealer.Seal(ctx, tenant, e)
	if err != nil {
		return nil, 0, err
	}
	hash, err := indelible.HashPayload(payload)
	if err != nil {
		return nil, 0, err
	}
	return &ledger.Record{TenantRef: tenant.Ref, EventRef: ref, PayloadHash: hash, Tenant: tenant.Descriptor, Payload: payload}, keys, nil
}

func (r *Recorder) promise(rec *ledger.Record, ack *journal.Ack) *indelible.Promise {
	return &indelible.Promise{
		Origin: r.origin, LogID: r.logID,
		EventRef: rec.EventRef, PayloadHash: rec.PayloadHash,
		Journal: ack.Journal, Group: ack.Offset, Ordinal: ack.Ordinal, Records: ack.Records,
		Time: ack.Time, MergeBy: ack.Time + indelible.MergeWithin.Milliseconds(),
		Path: ack.Path(), Signature: ack.Signature, Writer: *r.writer.Load(),
	}
}

// place notes where the event is in the log.
func (p *Pending) place(at ledger.Placed) {
	r := &p.receipt
	r.Durability, r.Repeat, r.Conflict = indelible.DurableStore, at.Repeat, at.Conflict
	r.Index, r.LeafHash, r.Segment = &at.Index, &at.Leaf, &at.Segment
}

// Poll waits for the event's place in the log until ctx ends; done says whether
// the receipt is final. A receipt that is not says `journal`, which holds.
func (p *Pending) Poll(ctx context.Context) (receipt indelible.Receipt, done bool, err error) {
	if p.placed == nil || p.receipt.Index != nil {
		return p.receipt, true, nil
	}
	select {
	case at := <-p.placed:
		p.place(at)
		return p.receipt, true, nil
	case <-p.recorder.ledger.Done():
	case <-ctx.Done():
	}
	// Several may have happened; the place is the best answer.
	select {
	case at := <-p.placed:
		p.place(at)
		return p.receipt, true, nil
	default:
	}
	return p.receipt, false, p.recorder.ledger.Err()
}

// Settle ends the wait: the receipt as it stands.
func (p *Pending) Settle() indelible.Receipt {
	if p.placed != nil && p.receipt.Index == nil {
		p.recorder.ledger.Forget(indelible.Hash(p.record.PayloadHash))
		select {
		case at := <-p.placed:
			p.place(at)
		default:
		}
	}
	return p.receipt
}

// WaitWhileStoreAnswers waits for the event's place in the log for as long as
// the store answers. Once it has been silent for patience, the receipt says
// `journal` and away says why.
func (p *Pending) WaitWhileStoreAnswers(ctx context.Context, patience time.Duration) (receipt indelible.Receipt, away, err error) {
	begun := time.Now()
	for {
		wait, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
		receipt, done, err := p.Poll(wait)
		cancel()
		switch {
		case errors.Is(err, ledger.ErrClock):
			return p.Settle(), err, nil
		case done || err != nil:
			return receipt, nil, err
		case ctx.Err() != nil:
			return receipt, nil, ctx.Err()
		}
		if away := p.recorder.ledger.Away(begun, patience); away != nil {
			return p.Settle(), away, nil
		}
	}
}

// Settled is an event whose fate another process decided.
func Settled(e *indelible.Event, receipt indelible.Receipt, refused error) *Pending {
	return &Pending{Event: e, Err: refused, receipt: receipt}
}
