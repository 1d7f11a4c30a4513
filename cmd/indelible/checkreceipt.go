package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"indelible"
	"indelible/internal/ledger"
)

// checkedReceipt is the part of checked that only receipts have.
type checkedReceipt struct {
	ID          string         `json:"id"` // as the receipt says; not signed
	PayloadHash indelible.Hash `json:"payload_hash"`
	EventRef    indelible.Ref  `json:"event_ref"`
	Time        string         `json:"time"`
	MergeBy     string         `json:"merge_by"`
	Kept        string         `json:"kept"` // kept, pending, broken or unknown
}

// Whether a promise was kept.
const (
	promiseKept    = "kept"
	promisePending = "pending"
	promiseBroken  = "broken"
	promiseUnknown = "unknown"
)

// receipts checks receipts, one a line. The exit code is the worst one's.
func (c *checking) receipts(ctx context.Context, text []byte) error {
	if len(bytes.TrimSpace(text)) == 0 {
		return c.conclude(nil, fmt.Errorf("%w: the file is empty", indelible.ErrEvidence))
	}
	c.openLog(ctx)
	var worst error
	worstCode := exitOK
	for n, line := range bytes.Split(text, []byte("\n")) {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		out, err := c.receipt(ctx, line)
		if err != nil {
			err = fmt.Errorf("line %d: %w", n+1, err)
		}
		if err = c.concludeReceipt(out, err); err == nil {
			continue
		}
		if code, _ := classify(err); badness(code) > badness(worstCode) {
			worst, worstCode = err, code
		}
	}
	return worst
}

// badness orders exit codes: a proof that something is wrong before the lack of one.
func badness(code int) int {
	switch code {
	case exitOK:
		return 0
	case exitUnverified:
		return 1
	case exitWrongKey:
		return 2
	}
	return 3
}

func (c *checking) concludeReceipt(out *checked, err error) error {
	if out == nil || err != nil || c.opt.json {
		return c.conclude(out, err)
	}
	w, r := c.app.stdout, out.Receipt
	fmt.Fprintf(w, "receipt     event %s: the promise is signed by a writer of %s\n", field(r.ID), field(out.Origin))
	fmt.Fprintf(w, "promised    %s, to be in the log by %s\n", r.Time, r.MergeBy)
	switch r.Kept {
	case promiseKept:
		fmt.Fprintf(w, "kept        it is in the log at index %d\n", *out.Index)
	case promisePending:
		fmt.Fprintf(w, "pending     it is not among the log's %d published leaves yet\n", out.TreeSize)
	default:
		fmt.Fprintf(w, "unknown     whether the promise was kept only the log can tell\n")
	}
	return nil
}

func (c *checking) receipt(ctx context.Context, line []byte) (*checked, error) {
	var r indelible.Receipt
	if err := strictJSON(line, &r); err != nil {
		return nil, err
	}
	if r.Promise == nil {
		return nil, failf(exitUnverified, "ask for evidence: `indelible prove` on its id", "the receipt carries no promise: the event was in the log before, and the receipt alone proves nothing")
	}
	p := r.Promise
	if err := c.promised(p); err != nil {
		return nil, err
	}
	out := &checked{Result: "ok", Proves: "receipt", Origin: p.Origin, Receipt: &checkedReceipt{
		ID: r.ID, PayloadHash: p.PayloadHash, EventRef: p.EventRef,
		Time: commitTime(p.Time), MergeBy: commitTime(p.MergeBy), Kept: promiseUnknown,
	}}
	if c.log == nil {
		return out, nil
	}
	return out, c.lookUp(ctx, out, &r, c.log)
}

// promised checks a promise with the key and those the log had before.
func (c *checking) promised(p *indelible.Promise) error {
	err := promisedUnder(p, c.vkey)
	for _, vkey := range c.earlier {
		if !errors.Is(err, indelible.ErrEvidenceKey) {
			return err
		}
		if kerr := promisedUnder(p, vkey); !errors.Is(kerr, indelible.ErrEvidenceKey) {
			return kerr
		}
	}
	return err
}

func promisedUnder(p *indelible.Promise, vkey string) error {
	origin, key, err := indelible.ParseVerifierKey(vkey)
	if err != nil {
		return err
	}
	if p.Origin != origin {
		return fmt.Errorf("%w: it is of %q, the key of %q", indelible.ErrEvidenceKey, p.Origin, origin)
	}
	err = p.Verify(key)
	if err == nil || errors.Is(err, indelible.ErrEvidenceKey) {
		return err
	}
	return fmt.Errorf("%w: %w", indelible.ErrEvidence, err)
}

// lookUp asks the log whether it kept a promise: by a leaf with the promised
// payload or, for a repeat, an earlier leaf with the same reference.
func (c *checking) lookUp(ctx context.Context, out *checked, r *indelible.Receipt, log *reading) error {
	out.TreeSize = log.Checkpoint().Size
	index, found, err := log.honours(ctx, r)
	if err != nil {
		return failf(exitUnverified, "", "whether the log kept its promise could not be looked up: %w", err)
	}
	if found {
		out.Receipt.Kept, out.Index = promiseKept, &index
		return nil
	}
	newest, err := log.Entry(ctx, out.TreeSize-1)
	if err != nil {
		return failf(exitUnverified, "", "whether the log kept its promise could not be looked up: %w", err)
	}
	out.Receipt.Kept = promisePending
	if newest.Leaf.Time > r.Promise.MergeBy {
		out.Receipt.Kept = promiseBroken
		return fmt.Errorf("event %s was promised to be in the log by %s, and the log, published %s, does not hold it: the promise was broken, and the receipt proves it",
			field(r.ID), out.Receipt.MergeBy, time.UnixMilli(newest.Leaf.Time).UTC().Format(time.RFC3339))
	}
	return nil
}

// honours finds the leaf that honours a receipt: first where the receipt says,
// then by the event's id. Neither is signed, and neither needs to be.
func (r *reading) honours(ctx context.Context, receipt *indelible.Receipt) (index uint64, found bool, err error) {
	p := receipt.Promise
	holds := func(index uint64) (bool, error) {
		e, err := r.Entry(ctx, index)
		if err != nil {
			return false, err
		}
		return e.Leaf.Kind.Recorded() && (e.Leaf.Payload == p.PayloadHash || e.Leaf.EventRef == p.EventRef), nil
	}
	if i := receipt.Index; i != nil && *i < r.Checkpoint().Size {
		if ok, err := holds(*i); ok || err != nil {
			return *i, ok, err
		}
	}
	matches, err := r.Find(ctx, receipt.ID, receipt.TenantID, r.idKey, r.sealer)
	if errors.Is(err, ledger.ErrNotFound) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	for _, m := range matches {
		if ok, err := holds(m.Index); ok || err != nil {
			return m.Index, ok, err
		}
	}
	return 0, false, nil
}
