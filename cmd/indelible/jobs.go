package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"indelible/internal/jobs"
)

func (a *app) jobsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "jobs",
		Short: "Runs of what is scheduled: what goes on, and what came of it",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.jobsListCommand(), a.jobsShowCommand(),
		a.jobsChangeCommand("retry ID", "Have a run done again that failed or was cancelled", (*jobs.Queue).Retry),
		a.jobsChangeCommand("cancel ID", "Cancel a run; one that goes on ends within some seconds", (*jobs.Queue).Cancel))
	return cmd
}

func (a *app) jobsListCommand() *cobra.Command {
	var asJSON bool
	f := jobs.Filter{}
	states := []string{jobs.StateWaiting, jobs.StateRunning, jobs.StateRetrying, jobs.StateSucceeded, jobs.StateFailed, jobs.StateCancelled}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Show runs, the newest first",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.State != "" && !slices.Contains(states, f.State) {
				return usagef("choose one of "+strings.Join(states, ", "), "--state %q", f.State)
			}
			return a.jobsList(cmd.Context(), f, asJSON)
		},
	}
	cmd.Flags().StringVar(&f.State, "state", "", "only runs that are waiting, running, retrying, succeeded, failed or cancelled")
	cmd.Flags().StringVar(&f.Schedule, "schedule", "", "only runs of this schedule")
	cmd.Flags().StringVar(&f.Kind, "kind", "", "only runs of this kind of work")
	cmd.Flags().IntVar(&f.Limit, "limit", 50, "how many at most")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array")
	return cmd
}

// maxRuns is how many runs are listed at most.
const maxRuns = 10_000

func (a *app) jobsList(ctx context.Context, f jobs.Filter, asJSON bool) error {
	if f.Limit < 1 || f.Limit > maxRuns {
		return usagef(fmt.Sprintf("choose 1 to %d", maxRuns), "--limit %d", f.Limit)
	}
	return a.withQueue(ctx, false, func(q *jobs.Queue, _ []jobs.Schedule) error {
		list := []*jobs.Run{}
		if q != nil {
			var err error
			if list, err = q.Runs(ctx, f); err != nil {
				return err
			}
		}
		if asJSON {
			return a.printJSON(list)
		}
		w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "ID\tKIND\tSTATE\tATTEMPT\tFINISHED\tERROR")
		for _, r := range list {
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\n", visible(r.ID), visible(r.Kind), r.State, r.Attempt, shortTime(r.Finished), visible(r.Error))
		}
		return w.Flush()
	})
}

func (a *app) jobsShowCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Show a run: how far it is, and what came of it",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withQueue(cmd.Context(), false, func(q *jobs.Queue, _ []jobs.Schedule) error {
				if q == nil {
					return fmt.Errorf("run %s %w", field(args[0]), jobs.ErrNotFound)
				}
				r, err := q.Run(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				if asJSON {
					return a.printJSON(r)
				}
				a.printRun(r)
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

func (a *app) printRun(r *jobs.Run) {
	w := a.stdout
	fmt.Fprintf(w, "run         %s\n", visible(r.ID))
	fmt.Fprintf(w, "kind        %s %s\n", visible(r.Kind), visible(string(r.With)))
	fmt.Fprintf(w, "state       %s, attempt %d\n", r.State, r.Attempt)
	if r.Worker != "" {
		fmt.Fprintf(w, "worker      %s\n", visible(r.Worker))
	}
	if r.Total > 0 {
		fmt.Fprintf(w, "progress    %d of %d\n", r.Done, r.Total)
	}
	switch {
	case r.Finished != nil:
		fmt.Fprintf(w, "finished    %s\n", shortTime(r.Finished))
	case r.State == jobs.StateRetrying:
		fmt.Fprintf(w, "next        %s\n", shortTime(&r.Due))
	}
	if r.Error != "" {
		fmt.Fprintf(w, "error       %s\n", visible(r.Error))
	}
	if r.Result != nil {
		fmt.Fprintf(w, "result      %s\n", visible(string(r.Result)))
	}
}

// jobsChangeCommand is a command that changes one run.
func (a *app) jobsChangeCommand(use, short string, change func(q *jobs.Queue, ctx context.Context, id string) (*jobs.Run, error)) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   use,
		Short: short,
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withQueue(cmd.Context(), false, func(q *jobs.Queue, _ []jobs.Schedule) error {
				if q == nil {
					return fmt.Errorf("run %s %w", field(args[0]), jobs.ErrNotFound)
				}
				r, err := change(q, cmd.Context(), args[0])
				if err != nil {
					return err
				}
				return a.printRunID(r, asJSON)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the run as JSON")
	return cmd
}
