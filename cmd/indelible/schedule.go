package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"indelible/internal/jobs"
)

func (a *app) scheduleCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "schedule",
		Short: "Work that runs by itself: what, and when",
		Long: `Work that runs by itself. Schedules stand in indelible.yaml; ` + "`indelible serve`" + `
or ` + "`indelible worker`" + ` carry them out.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.scheduleListCommand(), a.scheduleRunCommand(), a.schedulePauseCommand(true), a.schedulePauseCommand(false), a.scheduleHistoryCommand())
	return cmd
}

func (a *app) scheduleListCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Show the schedules there are, and when each runs next",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.scheduleList(cmd.Context(), asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array")
	return cmd
}

func (a *app) scheduleList(ctx context.Context, asJSON bool) error {
	return a.withQueue(ctx, false, func(q *jobs.Queue, file []jobs.Schedule) error {
		list, err := a.scheduleStates(ctx, q, file)
		if err != nil {
			return err
		}
		if asJSON {
			return a.printJSON(list)
		}
		w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "NAME\tRUN\tWHEN\tNEXT\tLAST")
		for _, s := range list {
			next, last := "paused", "never"
			if s.Next != nil {
				next = shortTime(s.Next)
			}
			if s.Last != nil {
				last = s.Last.State + " " + shortTime(&s.Last.Planned)
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", s.Name, s.Run, strings.TrimSpace(visible(s.When)+" "+s.Zone), next, last)
		}
		return w.Flush()
	})
}

// scheduleStates are the schedules of a queue, and those of the file that no
// process has seen yet.
func (a *app) scheduleStates(ctx context.Context, q *jobs.Queue, file []jobs.Schedule) ([]*jobs.State, error) {
	var list []*jobs.State
	if q != nil {
		var err error
		if list, err = q.Schedules(ctx); err != nil {
			return nil, err
		}
	}
	fresh := slices.DeleteFunc(slices.Clone(file), func(s jobs.Schedule) bool {
		return slices.ContainsFunc(list, func(known *jobs.State) bool { return known.Name == s.Name })
	})
	states, err := jobs.Preview(fresh, a.now())
	if err != nil {
		return nil, err
	}
	list = append(list, states...)
	slices.SortFunc(list, func(a, b *jobs.State) int { return cmp.Compare(a.Name, b.Name) })
	if list == nil {
		list = []*jobs.State{}
	}
	return list, nil
}

func shortTime(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.UTC().Format("2006-01-02T15:04:05Z07:00")
}

func (a *app) scheduleRunCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "run NAME",
		Short: "Have a schedule's work done now, besides what is planned",
		Long: `Have a schedule's work done now, besides what is planned. ` + "`indelible serve`" + ` or
` + "`indelible worker`" + ` does it; ` + "`indelible jobs show ID`" + ` tells what came of it.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withQueue(cmd.Context(), true, func(q *jobs.Queue, _ []jobs.Schedule) error {
				r, err := q.RunNow(cmd.Context(), args[0])
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

// printRunID tells which run was changed.
func (a *app) printRunID(r *jobs.Run, asJSON bool) error {
	if asJSON {
		return a.printJSON(r)
	}
	_, err := fmt.Fprintln(a.stdout, r.ID)
	return err
}

func (a *app) schedulePauseCommand(pause bool) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "pause NAME",
		Short: "Plan nothing of a schedule until it is resumed",
		Args:  cobra.ExactArgs(1),
	}
	if !pause {
		cmd.Use, cmd.Short = "resume NAME", "Plan a paused schedule again, from now on"
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return a.withQueue(cmd.Context(), true, func(q *jobs.Queue, _ []jobs.Schedule) error {
			if err := q.Pause(cmd.Context(), args[0], pause); err != nil {
				return err
			}
			s, err := q.Schedule(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(s)
			}
			next := "paused"
			if s.Next != nil {
				next = "next " + shortTime(s.Next)
			}
			_, err = fmt.Fprintf(a.stdout, "%s  %s\n", s.Name, next)
			return err
		})
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the schedule as JSON")
	return cmd
}

func (a *app) scheduleHistoryCommand() *cobra.Command {
	var asJSON bool
	f := jobs.Filter{}
	cmd := &cobra.Command{
		Use:   "history [NAME]",
		Short: "Show the runs of a schedule, or of all, the newest first",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				f.Schedule = args[0]
			}
			return a.jobsList(cmd.Context(), f, asJSON)
		},
	}
	cmd.Flags().IntVar(&f.Limit, "limit", 50, "how many at most")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array")
	return cmd
}
