package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"indelible"
	"indelible/internal/datadir"
	"indelible/internal/jobs"
	"indelible/internal/recorder"
)

// reconcileSpec is what is compared: runs of a period in the table, and events
// in the ledger.
type reconcileSpec struct {
	sourceOptions
	tenants        []string // none: all
	noRLS          bool
	eventType      string
	includeRunning bool
	since, until   time.Time
}

// What is compared when nothing is said.
const (
	executionEvent  = "workflow_execution"
	reconcilePeriod = 7 * 24 * time.Hour
	reconcileDelay  = time.Hour // events of the last hour may be on their way
)

// reconciled is what a comparison found: `reconcile --json`.
type reconciled struct {
	Result     string     `json:"result"` // ok or difference
	Since      time.Time  `json:"since"`
	Until      time.Time  `json:"until"`
	EventType  string     `json:"event_type"`
	Runs       int        `json:"runs"`
	Events     int        `json:"events"`
	Unrecorded difference `json:"unrecorded"` // runs without an event
	Unknown    difference `json:"unknown"`    // events without a run
	Unreadable int        `json:"unreadable"` // events that are erased or expired
}

// difference is one side of it: how many, and the first of them.
type difference struct {
	Count int       `json:"count"`
	First []missing `json:"first"`
}

type missing struct {
	TenantID   string    `json:"tenant_id"`
	ResourceID string    `json:"resource_id"`
	Time       time.Time `json:"time"` // the run was created, the event happened
	Index      *uint64   `json:"index,omitempty"`
}

// maxDifference is how many of each side are named.
const maxDifference = 1000

func (a *app) reconcileCommand() *cobra.Command {
	spec := reconcileSpec{}
	var since, until string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "reconcile",
		Short: "Compare workflow runs with their events: is the trail complete?",
		Long: `Compare the table workflow_runs with the ledger. Each run that was created in a
period and has ended must have an event of type workflow_execution with its id as
resource_id, in its tenant; and each such event that happened in the period a run.
Event and creation of a run may lie a day apart.

Exit code 0: nothing is missing. 3: there is a difference; it is an event, too.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if spec.since, err = parseWhen("--since", since); err != nil {
				return err
			}
			if spec.until, err = parseWhen("--until", until); err != nil {
				return err
			}
			return a.reconcile(cmd.Context(), &spec, asJSON)
		},
	}
	spec.add(cmd)
	f := cmd.Flags()
	f.StringVar(&since, "since", "", "from this time on: a time, a day, or how long ago, as 7d (default: a week before --until)")
	f.StringVar(&until, "until", "", "before this time (default: an hour ago)")
	f.StringArrayVar(&spec.tenants, "tenant", nil, "only this tenant; may be given several times")
	f.BoolVar(&spec.noRLS, "no-rls", false, "read as the user of the connection, without the database's policy")
	f.StringVar(&spec.eventType, "event-type", executionEvent, "the type of the events")
	f.BoolVar(&spec.includeRunning, "include-running", false, "runs that have not ended must have an event, too")
	f.BoolVar(&asJSON, "json", false, "print the report as JSON")
	return cmd
}

func (a *app) reconcile(ctx context.Context, spec *reconcileSpec, asJSON bool) error {
	spec.complete(a.now())
	r, err := a.compareRuns(ctx, spec, func(int64) {})
	if err != nil {
		return exportError(err)
	}
	if err := a.recordReconciled(ctx, r, whoAmI(), ""); err != nil {
		return err
	}
	if asJSON {
		if err := a.printJSON(r); err != nil {
			return err
		}
	} else {
		a.printReconciled(r)
	}
	if r.Result != "ok" {
		return quietExit(exitPartial)
	}
	return nil
}

// complete fills in the period.
func (s *reconcileSpec) complete(now time.Time) {
	if s.until.IsZero() {
		s.until = now.Add(-reconcileDelay)
	}
	if s.since.IsZero() {
		s.since = s.until.Add(-reconcilePeriod)
	}
	s.since, s.until = s.since.UTC().Truncate(time.Microsecond), s.until.UTC().Truncate(time.Microsecond)
}

func (a *app) printReconciled(r *reconciled) {
	w := a.stdout
	fmt.Fprintf(w, "period      %s to %s\n", shortTime(&r.Since), shortTime(&r.Until))
	fmt.Fprintf(w, "runs        %d, without an event %d\n", r.Runs, r.Unrecorded.Count)
	fmt.Fprintf(w, "events      %d, without a run %d\n", r.Events, r.Unknown.Count)
	if r.Unreadable > 0 {
		fmt.Fprintf(w, "unreadable  %d events are erased or expired: runs may be theirs\n", r.Unreadable)
	}
	for _, side := range []struct {
		what string
		d    *difference
	}{{"no event for run", &r.Unrecorded}, {"no run for event of", &r.Unknown}} {
		for _, m := range side.d.First {
			fmt.Fprintf(w, "%s %s of tenant %s, %s\n", side.what, field(m.ResourceID), field(m.TenantID), shortTime(&m.Time))
		}
	}
	fmt.Fprintf(w, "result      %s\n", r.Result)
}

// recordReconciled tells the ledger what a comparison found. id is empty, or
// that of the event where it may have been recorded before.
func (a *app) recordReconciled(ctx context.Context, r *reconciled, actor, id string) error {
	d, err := datadir.Open(ctx, a.dir, a.env)
	if err != nil {
		return err
	}
	details, err := json.Marshal(map[string]any{
		"event_type": r.EventType, "events": r.Events, "runs": r.Runs, "since": r.Since.Format(time.RFC3339Nano), "until": r.Until.Format(time.RFC3339Nano),
		"unknown": r.Unknown.Count, "unreadable": r.Unreadable, "unrecorded": r.Unrecorded.Count,
	})
	if err != nil {
		return err
	}
	e := &indelible.Event{
		ID: id, Timestamp: a.now().UTC(), EventType: "runs.reconciled", UserID: actor, TenantID: systemTenant, ResourceType: "workflow_runs",
		Action: "reconcile", Outcome: "success", Details: details,
	}
	if r.Result != "ok" {
		e.Outcome = "failure"
	}
	if err := recorder.Identify(e); err != nil {
		return err
	}
	return (&book{a, d}).Record(ctx, []*indelible.Event{e})
}

// reconcileWith are the options of a scheduled comparison.
type reconcileWith struct {
	Source         string           `json:"source"`
	SQLite         string           `json:"sqlite"`
	Tenant         []string         `json:"tenant"`
	NoRLS          bool             `json:"no_rls"`
	EventType      string           `json:"event_type"`
	IncludeRunning bool             `json:"include_running"`
	Period         datadir.Duration `json:"period"` // 7d, up to an hour before the run
}

func (a *app) readReconcile(with json.RawMessage, planned time.Time) (*reconcileSpec, error) {
	o := reconcileWith{EventType: executionEvent, Period: datadir.Duration(reconcilePeriod)}
	if err := options(with, &o); err != nil {
		return nil, err
	}
	if o.Period <= 0 {
		return nil, errors.New("period: give a time such as 7d")
	}
	s := &reconcileSpec{sourceOptions: sourceOptions{name: o.Source}, tenants: o.Tenant, noRLS: o.NoRLS, eventType: o.EventType, includeRunning: o.IncludeRunning}
	if o.SQLite != "" {
		s.sqlite = a.jobPlace(o.SQLite)
	}
	s.until = planned.Add(-reconcileDelay)
	s.since = s.until.Add(-time.Duration(o.Period))
	s.complete(planned)
	return s, nil
}

func (a *app) checkReconcile(with json.RawMessage) (string, error) {
	_, err := a.readReconcile(with, time.Unix(1e9, 0))
	return "", err
}

func (a *app) runReconcile(ctx context.Context, t *jobs.Turn) (_ any, err error) {
	spec, err := a.readReconcile(t.With, t.Planned)
	if err != nil {
		return nil, jobs.Final(err)
	}
	own, end := a.apart()
	defer func() { err = errors.Join(err, end()) }()
	r, err := own.compareRuns(ctx, spec, func(n int64) { t.Progress(n, 0) })
	if err != nil {
		return nil, err
	}
	if err := t.Hold(ctx); err != nil {
		return nil, err
	}
	if err := own.recordReconciled(ctx, r, "schedule:"+t.Schedule, datasetRunID(t.ID, t.Lease())); err != nil {
		return nil, err
	}
	if r.Result != "ok" {
		return r, jobs.Final(fmt.Errorf("%d runs have no event, %d events no run", r.Unrecorded.Count, r.Unknown.Count))
	}
	return r, nil
}

// add counts one more that is missing on the other side.
func (d *difference) add(m missing) {
	d.Count++
	d.First = append(d.First, m)
}

// cut sorts what is missing, and keeps the first.
func (d *difference) cut() {
	slices.SortFunc(d.First, func(a, b missing) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.TenantID, b.TenantID), cmp.Compare(a.ResourceID, b.ResourceID))
	})
	d.First = d.First[:min(len(d.First), maxDifference)]
	if d.First == nil {
		d.First = []missing{}
	}
}
