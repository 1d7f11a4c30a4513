package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"indelible/internal/runs"
)

func (a *app) runsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "runs",
		Short: "Prepare the database workflow runs are exported from",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.runsMigrateCommand())
	return cmd
}

type migrateOptions struct {
	source      sourceOptions
	migration   runs.Migration
	apply, json bool
}

func (a *app) runsMigrateCommand() *cobra.Command {
	var opt migrateOptions
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Give rows revisions, and keep tenants apart in the database",
		Long: `Print the SQL, and what it costs, that prepares table workflow_runs: a revision
for each row, stamped by a trigger, with which a chain of exports misses nothing
and repeats nothing; and in PostgreSQL a policy that shows the exporter one
tenant at a time and everybody else what they saw before.

Nothing is changed without --apply. What is there already is left out, so it can
be run again. --revert takes everything out.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runsMigrate(cmd.Context(), opt) },
	}
	opt.source.add(cmd)
	f := cmd.Flags()
	f.BoolVar(&opt.apply, "apply", false, "carry it out")
	f.BoolVar(&opt.migration.Revert, "revert", false, "take out again what it made")
	f.BoolVar(&opt.migration.NoIndex, "no-index", false, "leave out the index on revisions: chains read the whole table each time")
	f.BoolVar(&opt.migration.NoRLS, "no-rls", false, "leave out roles and policies")
	f.BoolVar(&opt.migration.Restamp, "restamp", false, "stamp every row anew, after the database was restored or moved")
	f.BoolVar(&opt.json, "json", false, "print the steps as JSON")
	return cmd
}

// migrated is what `runs migrate --json` prints.
type migrated struct {
	Applied bool        `json:"applied"`
	Steps   []runs.Step `json:"steps"`
}

func (a *app) runsMigrate(ctx context.Context, opt migrateOptions) error {
	if m := opt.migration; m.Revert && (m.Restamp || m.NoIndex || m.NoRLS) {
		return usagef("take everything out with --revert alone", "--revert does not go with --restamp, --no-index and --no-rls")
	}
	s, err := a.openSource(opt.source)
	if err != nil {
		return err
	}
	defer s.Close()
	result := migrated{Applied: opt.apply, Steps: []runs.Step{}}
	if opt.apply {
		err = s.Apply(ctx, opt.migration, func(step runs.Step) {
			result.Steps = append(result.Steps, step)
			fmt.Fprintf(a.stderr, "done: %s\n", visible(step.What))
		})
	} else if result.Steps, err = s.Plan(ctx, opt.migration); result.Steps == nil {
		result.Steps = []runs.Step{}
	}
	if err != nil {
		return err
	}
	if opt.json {
		b, err := json.MarshalIndent(result, "", "  ")
		if err != nil {
			return err
		}
		fmt.Fprintf(a.stdout, "%s\n", b)
		return nil
	}
	if len(result.Steps) == 0 {
		fmt.Fprintln(a.stderr, "nothing to do")
		return nil
	}
	if opt.apply {
		return nil
	}
	for _, step := range result.Steps {
		fmt.Fprintf(a.stdout, "-- %s\n%s;\n\n", step.What, strings.TrimSuffix(step.SQL, ";"))
	}
	fmt.Fprintln(a.stderr, "nothing was changed; carry it out with --apply")
	return nil
}
