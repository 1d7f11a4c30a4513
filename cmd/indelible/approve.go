package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"indelible"
	"indelible/internal/datadir"
	"indelible/internal/govern"
)

func (a *app) approveCommand() *cobra.Command {
	var by string
	cmd := &cobra.Command{
		Use:   "approve [ID]",
		Short: "Approve what another operator proposed, and carry it out",
		Long: `Approve what another operator proposed, within 24 hours, and carry it out.
Without an ID it lists what waits. What was interrupted is completed by giving
the same command again.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return a.proposals(cmd.Context())
			}
			return a.approve(cmd.Context(), args[0], by)
		},
	}
	cmd.Flags().StringVar(&by, "operator", "", operatorFlag)
	return cmd
}

// propose keeps a proposal and prints its id.
func (a *app) propose(ctx context.Context, g *governed, o *govern.Operator, operators []indelible.PublicKey, action indelible.Action, about govern.About) error {
	id, err := a.keepProposal(ctx, g, o, operators, action, about)
	if err == nil {
		fmt.Fprintln(a.stdout, id)
	}
	return err
}

// keepProposal keeps a proposal and says so.
func (a *app) keepProposal(ctx context.Context, g *governed, o *govern.Operator, operators []indelible.PublicKey, action indelible.Action, about govern.About) (id indelible.ID, err error) {
	proposals, err := a.openProposals(ctx, g.Directory)
	if err != nil {
		return id, err
	}
	p, err := proposals.Propose(o, action, about, operators, g.Config.LogID, time.Now())
	if errors.Is(err, govern.ErrOneOperator) {
		return id, failf(exitFailure, "register another person with `indelible keys operator add NAME`", "%w", err)
	}
	if err != nil {
		return id, err
	}
	fmt.Fprintf(a.stderr, "proposed    %s\n", visible(about.Text))
	fmt.Fprintf(a.stderr, "by          %s; another operator runs `indelible approve %s` before %s\n", o.Name, p.ID(), p.Expires().Format(time.RFC3339))
	return p.ID(), nil
}

func (a *app) approve(ctx context.Context, text, by string) error {
	var id indelible.ID
	if err := id.UnmarshalText([]byte(text)); err != nil {
		return usagef("give the 32 hex digits that were printed when it was proposed", "%q is not a proposal's id", text)
	}
	g, err := a.openGoverned(ctx)
	if err != nil {
		return err
	}
	proposals, err := a.openProposals(ctx, g.Directory)
	if err != nil {
		return err
	}
	p, err := proposals.Read(id)
	if errors.Is(err, govern.ErrNoProposal) {
		return failf(exitFailure, "`indelible approve` lists what waits", "%w, or it was carried out", err)
	}
	if err != nil {
		return err
	}
	if !p.Approved() {
		decided, err := g.Decided(ctx)
		if err != nil {
			return err
		}
		if err := p.Approval.VerifyProposal(&p.Action, g.Config.Origin, g.Config.LogID, decided.Operators); err != nil {
			return fmt.Errorf("proposal %s: %w", id, err)
		}
		if err := a.checkAbout(ctx, g, p); err != nil {
			return err
		}
		o, err := a.operator(by, decided.Operators, p.Approval.Proposer)
		if err != nil {
			return err
		}
		if p, err = proposals.Approve(id, o, g.Config.LogID, time.Now()); err != nil {
			return failf(exitFailure, "propose it again, or approve with the key of another operator", "%w", err)
		}
		fmt.Fprintf(a.stderr, "approved    %s\n", visible(p.About.Text))
		fmt.Fprintf(a.stderr, "by          %s; proposed by %s\n", a.nameOf(p.Approval.Approver), a.nameOf(p.Approval.Proposer))
	}
	result, err := a.order(ctx, g.Directory, govern.Order{Execute: &id})
	if err != nil {
		return failf(exitFailure, "it is approved; run the same command again to complete it", "%w", err)
	}
	if result.Erased != nil {
		return a.printCertificate(result.Erased)
	}
	fmt.Fprintln(a.stdout, p.ID())
	return nil
}

// checkAbout makes sure that a proposal is about what it says, before somebody
// signs it: the signature is for the action, which names nobody.
func (a *app) checkAbout(ctx context.Context, g *governed, p *govern.Proposal) error {
	switch action := &p.Action; {
	case action.Erase != nil || action.Readmit != nil:
		who := cmp.Or(action.Erase, action.Readmit)
		idKey, err := datadir.LoadIDKey(a.dir)
		if err != nil {
			return fmt.Errorf("keys: %w", err)
		}
		means := who.Tenant == indelible.TenantRef(idKey, p.About.Tenant) && (who.Subject == nil) == (p.About.Subject == "")
		if means && who.Subject != nil {
			ref, err := g.subject(ctx, idKey, p.About.Tenant, p.About.Subject)
			if err != nil {
				return err
			}
			means = *ref == *who.Subject
		}
		if !means {
			return failf(exitFailure, "ask who proposed it, and propose it again", "proposal %s means somebody else than it says", p.ID())
		}
	default:
		a.printAction(action)
	}
	return nil
}

// printAction says what somebody is about to sign, where that is in the clear.
func (a *app) printAction(action *indelible.Action) {
	switch {
	case action.Operator != nil:
		fmt.Fprintf(a.stderr, "key         %s\n", action.Operator)
	case action.Lift != nil:
		fmt.Fprintf(a.stderr, "hold        %s\n", action.Lift)
	case action.Retention != nil:
		fmt.Fprintf(a.stderr, "policy      %d days by default\n", action.Retention.Default)
		for _, r := range action.Retention.Rules {
			fmt.Fprintf(a.stderr, "            %s: %d days\n", visible(r.Class), r.Days)
		}
	}
}

func (a *app) proposals(ctx context.Context) error {
	g, err := a.openGoverned(ctx)
	if err != nil {
		return err
	}
	proposals, err := a.openProposals(ctx, g.Directory)
	if err != nil {
		return err
	}
	list, err := proposals.List()
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "PROPOSAL\tBY\tUNTIL\tWHAT")
	for _, p := range list {
		until := p.Expires().Format(time.RFC3339)
		switch {
		case p.Approved():
			until = "approved; give its approval again to complete it"
		case time.Now().After(p.Expires()):
			until = "ended"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", p.ID(), a.nameOf(p.Approval.Proposer), until, visible(p.About.Text))
	}
	return w.Flush()
}
