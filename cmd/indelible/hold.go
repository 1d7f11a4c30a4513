package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"indelible"
	"indelible/internal/datadir"
	"indelible/internal/govern"
	"indelible/internal/ledger"
)

func (a *app) holdCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "hold",
		Short: "Keep records from expiring and from being erased, whatever policies say",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.holdAddCommand(), a.holdListCommand(), a.holdLiftCommand())
	return cmd
}

// holdScope is what a hold keeps, as written on the command line.
type holdScope struct{ tenant, subject, from, until, reason string }

func (a *app) holdAddCommand() *cobra.Command {
	var s holdScope
	cmd := &cobra.Command{
		Use:   "add --reason TEXT [--tenant T [--subject U]] [--from TIME] [--until TIME]",
		Short: "Begin a hold",
		Long: `Begin a hold: on a tenant, on a person of a tenant, on what was committed in a
time, or on what fits all of these. Nothing in it expires, and nobody in it is
erased, until two operators lift it. The reason stands in an event of the log.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, name := range []string{"tenant", "subject", "from", "until"} {
				if f := cmd.Flags().Lookup(name); f.Changed && f.Value.String() == "" {
					return usagef("leave it out, or say what the hold covers", "--%s is empty", name)
				}
			}
			return a.holdAdd(cmd.Context(), s)
		},
	}
	f := cmd.Flags()
	f.StringVar(&s.tenant, "tenant", "", "the tenant")
	f.StringVar(&s.subject, "subject", "", "the person, by user_id")
	f.StringVar(&s.from, "from", "", "committed at or after this time (RFC 3339, or a date)")
	f.StringVar(&s.until, "until", "", "committed before this time")
	f.StringVar(&s.reason, "reason", "", "why")
	return cmd
}

func (a *app) holdAdd(ctx context.Context, s holdScope) error {
	if err := s.check(); err != nil {
		return err
	}
	g, err := a.openGoverned(ctx)
	if err != nil {
		return err
	}
	scope, result, err := g.beginHold(ctx, s, func(ctx context.Context, o govern.Order) (govern.Result, error) {
		return a.order(ctx, g.Directory, o)
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stderr, "held        %s\n", holdText(scope, s.tenant))
	if result.Held < 0 {
		fmt.Fprintf(a.stderr, "store       keeps nothing from who may delete in it; this program and verify do\n")
	} else {
		fmt.Fprintf(a.stderr, "store       %d segments are under legal hold there\n", result.Held)
	}
	fmt.Fprintln(a.stdout, scope.ID)
	return nil
}

// check says what is wrong with a hold that is asked for.
func (s *holdScope) check() error {
	switch {
	case s.reason == "":
		return usagef("say why, as --reason \"case 2026-17\"", "--reason is missing")
	case s.tenant == "" && s.from == "" && s.until == "":
		return usagef("give --tenant, --from or --until", "a hold on everything for ever is not a hold")
	case s.subject != "" && s.tenant == "":
		return usagef("give --tenant too", "--subject names a person of a tenant")
	}
	return nil
}

// beginHold keeps the words of a hold that was checked, and has it begun.
func (g *governed) beginHold(ctx context.Context, s holdScope, order func(context.Context, govern.Order) (govern.Result, error)) (*indelible.HoldScope, govern.Result, error) {
	var none govern.Result
	idKey, err := datadir.LoadIDKey(g.Path)
	if err != nil {
		return nil, none, fmt.Errorf("keys: %w", err)
	}
	var scope indelible.HoldScope
	rand.Read(scope.ID[:])
	if scope.From, err = millis("--from", s.from); err != nil {
		return nil, none, err
	}
	if scope.Until, err = millis("--until", s.until); err != nil {
		return nil, none, err
	}
	if scope.From != nil && scope.Until != nil && *scope.From >= *scope.Until {
		return nil, none, usagef("give an earlier --from", "--from is not before --until")
	}
	if s.tenant != "" {
		ref := indelible.TenantRef(idKey, s.tenant)
		scope.Tenant = &ref
	}
	if s.subject != "" {
		if scope.Subject, err = g.subject(ctx, idKey, s.tenant, s.subject); err != nil {
			return nil, none, err
		}
	}
	scope.Reason = indelible.ReasonHash(idKey, scope.ID, s.reason)
	words := govern.HoldWords{ID: scope.ID, Tenant: s.tenant, Reason: s.reason, Added: time.Now().UTC().Truncate(time.Second)}
	if err := govern.AddHoldWords(g.Path, words); err != nil {
		return nil, none, err
	}
	result, err := order(ctx, govern.Order{Hold: &govern.Held{Scope: scope, Event: govern.HoldEvent(&scope, s.tenant, s.reason, words.Added)}})
	return &scope, result, err
}

// millis reads a time of a flag; empty is nil.
func millis(flag, text string) (*int64, error) {
	if text == "" {
		return nil, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		if t, err = time.Parse(time.DateOnly, text); err != nil {
			return nil, usagef("write it as 2026-01-31 or 2026-01-31T12:00:00Z", "%s %q is not a time", flag, text)
		}
	}
	ms := t.UnixMilli()
	return &ms, nil
}

// holdText says in words what a hold keeps.
func holdText(s *indelible.HoldScope, tenant string) string {
	text := "everything"
	switch {
	case s.Tenant != nil && tenant == "":
		text = "tenant " + s.Tenant.String()
	case s.Tenant != nil:
		text = "tenant " + field(tenant)
	}
	if s.Subject != nil {
		text = "one person (" + s.Subject.String()[:8] + "…) of " + text
	}
	if s.From != nil {
		text += " from " + commitTime(*s.From)
	}
	if s.Until != nil {
		text += " until " + commitTime(*s.Until)
	}
	return text
}

func (a *app) holdListCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Show the holds that were not lifted",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.holdList(cmd.Context(), asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array")
	return cmd
}

func (a *app) holdList(ctx context.Context, asJSON bool) error {
	g, err := a.openGoverned(ctx)
	if err != nil {
		return err
	}
	decided, err := g.Decided(ctx)
	if err != nil {
		return err
	}
	words, err := govern.ReadHoldWords(a.dir)
	if err != nil {
		return err
	}
	infos := []govern.HoldInfo{}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "HOLD\tSINCE\tKEEPS\tREASON")
	for _, h := range decided.Holds {
		i := holdInfo(&h, words)
		infos = append(infos, i)
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", h.ID, i.Since, holdText(&h.HoldScope, i.Tenant), visible(i.Reason))
	}
	if asJSON {
		return a.printJSON(infos)
	}
	return w.Flush()
}

// holdInfo is what is shown of a hold.
func holdInfo(h *ledger.HeldScope, words []govern.HoldWords) govern.HoldInfo {
	i := govern.HoldInfo{ID: h.ID, Since: commitTime(h.Since), Index: h.Index, Ref: h.Tenant, Subject: h.Subject}
	if at := slices.IndexFunc(words, func(w govern.HoldWords) bool { return w.ID == h.ID }); at >= 0 {
		i.Tenant, i.Reason = words[at].Tenant, words[at].Reason
	}
	if h.From != nil {
		i.From = commitTime(*h.From)
	}
	if h.Until != nil {
		i.Until = commitTime(*h.Until)
	}
	return i
}

func (a *app) holdLiftCommand() *cobra.Command {
	var by string
	cmd := &cobra.Command{
		Use:   "lift ID",
		Short: "Propose to end a hold; another operator approves",
		Args:  cobra.ExactArgs(1),
		RunE:  func(cmd *cobra.Command, args []string) error { return a.holdLift(cmd.Context(), args[0], by) },
	}
	cmd.Flags().StringVar(&by, "operator", "", operatorFlag)
	return cmd
}

func (a *app) holdLift(ctx context.Context, text, by string) error {
	var id indelible.ID
	if err := id.UnmarshalText([]byte(text)); err != nil {
		return usagef("`indelible hold list` shows the ids", "%q is not a hold's id", text)
	}
	g, err := a.openGoverned(ctx)
	if err != nil {
		return err
	}
	decided, err := g.Decided(ctx)
	if err != nil {
		return err
	}
	about, err := g.aboutLift(decided, id)
	if err != nil {
		return err
	}
	o, err := a.proposer(by, decided)
	if err != nil {
		return err
	}
	return a.propose(ctx, g, o, decided.Operators, indelible.Action{Lift: &id}, about)
}

// aboutLift says what lifting a hold means.
func (g *governed) aboutLift(d ledger.Decided, id indelible.ID) (about govern.About, err error) {
	at := slices.IndexFunc(d.Holds, func(h ledger.HeldScope) bool { return h.ID == id })
	if at < 0 {
		return about, failf(exitFailure, "`indelible hold list` shows the holds there are", "no hold %s", id)
	}
	words, err := govern.ReadHoldWords(g.Path)
	if err != nil {
		return about, err
	}
	about.Text = "lift the hold on " + holdText(&d.Holds[at].HoldScope, "")
	for _, w := range words {
		if w.ID == id {
			about.Tenant, about.Text = w.Tenant, "lift the hold on "+holdText(&d.Holds[at].HoldScope, w.Tenant)+": "+w.Reason
		}
	}
	return about, nil
}

// proposer finds the operator who proposes, if there can be another who approves.
func (a *app) proposer(by string, d ledger.Decided) (*govern.Operator, error) {
	if len(d.Operators) < 2 {
		return nil, failf(exitFailure, "register another person with `indelible keys operator add NAME`", "%w (%d)", govern.ErrOneOperator, len(d.Operators))
	}
	return a.operator(by, d.Operators, indelible.PublicKey{})
}
