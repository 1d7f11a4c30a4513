package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"indelible"
	"indelible/internal/datadir"
	"indelible/internal/handover"
	"indelible/internal/history"
	"indelible/internal/ledger"
)

type proveOptions struct {
	tenant, out   string
	withoutPerson bool
}

func (a *app) proveCommand() *cobra.Command {
	var opt proveOptions
	cmd := &cobra.Command{
		Use:   "prove [INDEX|EVENT_ID]",
		Short: "Write evidence of one event, or that a tenant's events are all there",
		Long: `Write evidence that anybody can check with the log's public key and nothing
else: of one event, or with --tenant alone that a tenant's leaves are complete.
The log records that it was issued, to whom, and its hash, before it is written.
` + "`indelible check FILE` checks it.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.prove(cmd.Context(), args, opt) },
	}
	f := cmd.Flags()
	f.StringVar(&opt.tenant, "tenant", "", "the tenant whose event it is; alone: prove that the tenant's leaves are complete")
	f.StringVar(&opt.out, "out", "", "write to FILE instead of standard output")
	f.BoolVar(&opt.withoutPerson, "without-person", false, "show what happened and withhold to whom: user, address, agent, details, id")
	return cmd
}

// shownAll is more parts than a payload can have.
const shownAll = 16

func (a *app) prove(ctx context.Context, args []string, opt proveOptions) error {
	if len(args) == 0 && opt.tenant == "" {
		return usagef("name an event, or a tenant with --tenant", "nothing to prove")
	}
	if len(args) == 0 && opt.withoutPerson {
		return usagef("name the event to withhold the person of", "--without-person: completeness shows no event")
	}
	r, err := a.openForReading(ctx)
	if err != nil {
		return err
	}
	var evidence any
	if len(args) == 0 {
		evidence, err = r.proveTenant(ctx, opt.tenant)
	} else {
		evidence, err = r.proveLeaf(ctx, a, args[0], opt)
	}
	if err != nil {
		return err
	}
	b, err := evidenceBytes(evidence)
	if err != nil {
		return err
	}
	if len(b) > maxEvidence {
		return failf(exitFailure, "`indelible tiles` copies what proves the whole log", "the evidence has %d bytes, more than the %d that check takes", len(b), maxEvidence)
	}
	if err := a.recordIssued(ctx, r, evidence, b); err != nil {
		return fmt.Errorf("evidence is handed out only once the log says so, and that cannot be recorded: %w", err)
	}
	if opt.out == "" {
		return writeJSON(a.stdout, b)
	}
	if err := writeFileAtomic(opt.out, b); err != nil {
		return fmt.Errorf("write evidence: %w", err)
	}
	return nil
}

// recordIssued records that evidence is handed out, before it is.
func (a *app) recordIssued(ctx context.Context, r *reading, evidence any, file []byte) error {
	if !datadir.HasWriter(a.dir) {
		fmt.Fprintln(a.stderr, "not recorded in the log: this directory has no writer key and only reads")
		return nil
	}
	tenants, err := r.TenantRefs(ctx)
	if err != nil {
		return err
	}
	e, err := history.IssuedEvent(evidence, file, tenants, a.localUser(), time.Now())
	if err != nil {
		return err
	}
	d, err := datadir.Open(ctx, a.dir, a.env)
	if err != nil {
		return err
	}
	for {
		err := a.recordAndPublish(ctx, d, e)
		if !errors.Is(err, handover.ErrGone) {
			return err
		}
		// The process that writes ended. The event has its id, and is recorded once.
	}
}

func (a *app) recordAndPublish(ctx context.Context, d *datadir.Directory, e *indelible.Event) (err error) {
	way, err := a.findRoad(ctx, d, writeOptions{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, way.Close()) }()
	if err := (roadRecorder{way}).RecordOwn(ctx, []*indelible.Event{e}); err != nil {
		return err
	}
	if away, err := way.Flush(ctx); away == nil {
		return err
	}
	return nil // it is safe in the journal
}

// What is handed out has been checked as the receiver will check it.

func (r *reading) proveLeaf(ctx context.Context, a *app, what string, opt proveOptions) (any, error) {
	index, err := r.locate(ctx, a, what, opt.tenant)
	if err != nil {
		return nil, err
	}
	shown := shownAll
	if opt.withoutPerson {
		shown = 1
	}
	e, err := r.Prove(ctx, index, shown, r.sealer)
	if err != nil {
		return nil, err
	}
	p, err := e.Check(r.vkey)
	if err != nil {
		return nil, err
	}
	if opt.withoutPerson && p.Withheld == 0 {
		fmt.Fprintln(a.stderr, "this leaf holds no person: nothing is withheld")
	}
	return e, nil
}

func (r *reading) proveTenant(ctx context.Context, tenant string) (any, error) {
	c, err := r.ProveTenant(ctx, tenant, r.sealer)
	if errors.Is(err, ledger.ErrNotFound) {
		return nil, r.notFound("a leaf", tenant)
	}
	if err != nil {
		return nil, err
	}
	_, err = c.Check(r.vkey)
	return c, err
}
