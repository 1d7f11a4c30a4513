package main

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/spf13/cobra"

	"indelible"
	"indelible/internal/datadir"
	"indelible/internal/govern"
	"indelible/internal/ledger"
	"indelible/internal/recorder"
)

func (a *app) retentionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "retention",
		Short: "Let records go whose time is over",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var asJSON bool
	plan := &cobra.Command{
		Use:   "plan",
		Short: "Show what would go, why, and what a hold keeps",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.retentionPlan(cmd.Context(), asJSON) },
	}
	plan.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	var by string
	run := &cobra.Command{
		Use:   "run",
		Short: "Destroy the keys whose time is over, and delete segments that hold nothing live",
		Long: `Destroy the keys whose time is over, and then, once their lock has ended, delete
segments that hold nothing live. It goes in small steps, each of them whole, and
can be stopped at any time. Leaves, tiles and checkpoints stay. A policy in
indelible.yaml that keeps something for less time than before is proposed, and
counts once another operator approved it.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.retentionRun(cmd.Context(), by) },
	}
	run.Flags().StringVar(&by, "operator", "", operatorFlag)
	cmd.AddCommand(plan, run)
	return cmd
}

// retentionPolicy is what indelible.yaml says of retention; nil: nothing.
func retentionPolicy(d *datadir.Directory) (*indelible.Retention, error) {
	if d.Config.Retention == nil {
		return nil, nil
	}
	idKey, err := datadir.LoadIDKey(d.Path)
	if err != nil {
		return nil, err
	}
	return d.Config.Retention.Policy(idKey)
}

// judge is what judges which records may go, and the segments that are old enough.
func judge(ctx context.Context, d *datadir.Directory, r *ledger.Reader, sealer recorder.Sealer) (*govern.Retention, iter.Seq2[ledger.Old, error], error) {
	decided, err := r.Decided(ctx)
	if err != nil {
		return nil, nil, err
	}
	j := &govern.Retention{Decided: decided, Now: time.Now()}
	if j.Tenants, err = r.TenantRefs(ctx); err != nil {
		return nil, nil, err
	}
	if sealed, ok := sealer.(*recorder.Sealed); ok {
		if sealed.Keys == nil {
			return nil, nil, fmt.Errorf("keys: %w", sealed.Closed)
		}
		j.Keys = sealed.Keys
	}
	j.Class = func(payload []byte) (string, error) {
		opened, err := recorder.Plain.Open(payload)
		if err != nil || opened.Event == nil {
			return "", fmt.Errorf("not an event that can be read: %w", err)
		}
		return d.Config.Retention.Class(opened.Event.TenantID, opened.Event.EventType), nil
	}
	if j.Decided.Retention == nil {
		j.Decided.Retention = &indelible.Retention{Default: indelible.DefaultDays}
	}
	return j, r.Olds(ctx, j.Before()), nil
}

// retentionPlan is `retention plan --json`.
type retentionPlan struct {
	Policy   *indelible.Retention `json:"policy"`
	Recorded bool                 `json:"recorded"` // it stands in the log
	Waiting  bool                 `json:"waiting"`  // indelible.yaml says otherwise, and two operators have to decide
	Keys     []govern.KeyPeriod   `json:"keys"`
	Segments []govern.SegmentRun  `json:"segments"`
	Named    uint64               `json:"named"` // segments of it that an expired leaf names already
	Holds    []indelible.ID       `json:"holds"` // that keep something
}

func (a *app) retentionPlan(ctx context.Context, asJSON bool) error {
	g, err := a.openGoverned(ctx)
	if err != nil {
		return err
	}
	p, err := g.plan(ctx)
	if err != nil {
		return err
	}
	if asJSON {
		return a.printJSON(p)
	}
	a.printPlan(p)
	return nil
}

// plan is what would go now, and why.
func (g *governed) plan(ctx context.Context) (*retentionPlan, error) {
	want, err := retentionPolicy(g.Directory)
	if err != nil {
		return nil, err
	}
	decided, err := g.Decided(ctx)
	if err != nil {
		return nil, err
	}
	j, olds, err := judge(ctx, g.Directory, g.reading.Reader, g.reading.sealer)
	if err != nil {
		return nil, err
	}
	p := &retentionPlan{Policy: j.Decided.Retention, Recorded: decided.Retention != nil, Segments: []govern.SegmentRun{}, Holds: []indelible.ID{}}
	p.Waiting = want != nil && want.Shortens(j.Decided.Retention)
	if p.Keys, err = j.KeysToGo(ctx); err != nil {
		return nil, err
	}
	if p.Keys == nil {
		p.Keys = []govern.KeyPeriod{}
	}
	for run, err := range j.SegmentsToGo(ctx, olds, true) {
		if err != nil {
			return nil, err
		}
		p.Segments = append(p.Segments, run)
		for _, e := range decided.Expired {
			if e.First <= run.Last && e.Last >= run.First {
				p.Named += min(e.Last, run.Last) - max(e.First, run.First) + 1
			}
		}
	}
	for _, h := range decided.Holds {
		p.Holds = append(p.Holds, h.ID)
	}
	return p, nil
}

func (a *app) printPlan(p *retentionPlan) {
	w := a.stdout
	state := "recorded in the log"
	if !p.Recorded {
		state = "the default; not recorded yet"
	}
	fmt.Fprintf(w, "policy      %d days (%s)\n", p.Policy.Default, state)
	for _, r := range p.Policy.Rules {
		fmt.Fprintf(w, "            %s: %d days\n", r.Class, r.Days)
	}
	if p.Waiting {
		fmt.Fprintf(w, "waiting     indelible.yaml keeps something for less time; `indelible retention run` proposes it, two operators decide\n")
	}
	keys := 0
	for _, k := range p.Keys {
		fmt.Fprintf(w, "keys        %d of class %s from %s: their time was over on %s\n", k.Count, k.Class, k.Period, k.Until.Format(time.DateOnly))
		for _, h := range k.Held {
			fmt.Fprintf(w, "            hold %s keeps what it covers\n", h)
		}
		keys += k.Count
	}
	var segments, events, bytes uint64
	for _, s := range p.Segments {
		segments, events, bytes = segments+s.Segments, events+s.Events, bytes+s.Bytes
	}
	fmt.Fprintf(w, "to destroy  %d keys\n", keys)
	fmt.Fprintf(w, "to delete   %d segments with %d events, %.1f MB; after their lock has ended\n", segments, events, float64(bytes)/1e6)
	fmt.Fprintf(w, "holds       %d\n", len(p.Holds))
}

func (a *app) retentionRun(ctx context.Context, by string) error {
	g, err := a.openGoverned(ctx)
	if err != nil {
		return err
	}
	if err := a.proposeRetention(ctx, g, by); err != nil {
		return err
	}
	sum, err := a.retain(ctx, g, func(*govern.Retained) error { return nil })
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stderr, "destroyed   %d keys\n", sum.Keys)
	fmt.Fprintf(a.stderr, "deleted     %d segments\n", sum.Removed)
	if sum.Locked > 0 {
		fmt.Fprintf(a.stderr, "locked      %d segments; run it again when their lock has ended\n", sum.Locked)
	}
	return a.printJSON(sum)
}

// retain has the writing process let go of what is over, step by step. each is
// called after every step.
func (a *app) retain(ctx context.Context, g *governed, each func(sum *govern.Retained) error) (*govern.Retained, error) {
	sum := new(govern.Retained)
	for !sum.Finished {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		r, err := a.order(ctx, g.Directory, govern.Order{Retain: true})
		if err != nil {
			return nil, failf(exitFailure, "what was done is whole; run it again to go on", "%w", err)
		}
		done := r.Retained
		if done == nil {
			return nil, fmt.Errorf("the writing process answered without saying what it did")
		}
		sum.Policy = sum.Policy || done.Policy
		sum.Keys, sum.Expired, sum.Removed = sum.Keys+done.Keys, sum.Expired+done.Expired, sum.Removed+done.Removed
		sum.Locked, sum.Finished = done.Locked, done.Finished
		if err := each(sum); err != nil {
			return nil, err
		}
	}
	return sum, nil
}

// proposeRetention proposes a policy that two operators have to decide, unless
// that waits already.
func (a *app) proposeRetention(ctx context.Context, g *governed, by string) error {
	want, err := retentionPolicy(g.Directory)
	if err != nil || want == nil {
		return err
	}
	decided, err := g.Decided(ctx)
	if err != nil {
		return err
	}
	if want, err = g.shorter(ctx, decided, want); err != nil || want == nil {
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
	for _, p := range list {
		if r := p.Action.Retention; r != nil && r.Same(want) && time.Now().Before(p.Expires()) {
			fmt.Fprintf(a.stderr, "waiting     the policy of indelible.yaml is proposed: `indelible approve %s`\n", p.ID())
			return nil
		}
	}
	o, err := a.proposer(by, decided)
	if err != nil {
		return err
	}
	id, err := a.keepProposal(ctx, g, o, decided.Operators, indelible.Action{Retention: want}, aboutRetention(want))
	if err == nil {
		fmt.Fprintf(a.stderr, "until then  the policy before counts (proposal %s)\n", id)
	}
	return err
}

// shorter returns a policy if it keeps something for less time than the one in
// force, which two operators have to decide; otherwise nil.
func (g *governed) shorter(ctx context.Context, d ledger.Decided, want *indelible.Retention) (*indelible.Retention, error) {
	before := d.Retention
	refs, err := g.reading.TenantRefs(ctx)
	if err != nil {
		return nil, err
	}
	if before == nil && len(refs) > 0 {
		before = &indelible.Retention{Default: indelible.DefaultDays}
	}
	if before == nil || !want.Shortens(before) {
		return nil, nil
	}
	return want, nil
}

// aboutRetention says what a policy that keeps less means.
func aboutRetention(want *indelible.Retention) govern.About {
	text := fmt.Sprintf("keep events for less time: %d days by default", want.Default)
	for _, r := range want.Rules {
		text += fmt.Sprintf(", %s %d days", r.Class, r.Days)
	}
	return govern.About{Text: text}
}
