package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

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
	b, err := json.MarshalIndent(evidence, "", "  ")
	if err != nil {
		return err
	}
	b = append(b, '\n')
	if len(b) > maxEvidence {
		return failf(exitFailure, "`indelible tiles` copies what proves the whole log", "the evidence has %d bytes, more than the %d that check takes", len(b), maxEvidence)
	}
	if opt.out == "" {
		return writeJSON(a.stdout, b)
	}
	if err := writeFileAtomic(opt.out, b); err != nil {
		return fmt.Errorf("write evidence: %w", err)
	}
	return nil
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
