package main

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/spf13/cobra"

	"indelible/internal/runs"
	"indelible/internal/runs/postgres"
	"indelible/internal/runs/sample"
	"indelible/internal/runs/sqlite"
)

type sampleRunsOptions struct {
	rows   int
	seed   uint64
	sqlite string
}

func (a *app) sampleRunsCommand() *cobra.Command {
	var opt sampleRunsOptions
	cmd := &cobra.Command{
		Use:   "runs",
		Short: "Fill a database with sample workflow runs",
		Long: `Fill table workflow_runs with made-up workflow runs: in the SQLite file given,
which is made if it is not there, or in the database POSTGRES_DSN names. The
database is marked, and exports from it say that they are a sample. Rows of an
earlier sample go; a table with other rows is refused.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.sampleRuns(cmd.Context(), opt) },
	}
	f := cmd.Flags()
	f.IntVar(&opt.rows, "rows", 10_000, "how many")
	f.Uint64Var(&opt.seed, "seed", 1, "the same seed gives the same runs")
	f.StringVar(&opt.sqlite, "sqlite", "", "SQLite `file`; otherwise POSTGRES_DSN")
	return cmd
}

func (a *app) sampleRuns(ctx context.Context, opt sampleRunsOptions) error {
	if opt.rows < 0 {
		return usagef("give the number of runs to make", "--rows %d", opt.rows)
	}
	about := fmt.Sprintf("%d rows, seed %d", opt.rows, opt.seed)
	rows := cancellable(ctx, sample.Runs(opt.seed, opt.rows))
	begun := time.Now()
	var err error
	switch dsn := a.env("POSTGRES_DSN"); {
	case opt.sqlite != "":
		err = sqlite.Fill(ctx, opt.sqlite, rows, about)
	case dsn != "":
		var s *postgres.Source
		if s, err = postgres.New(postgres.Config{DSN: dsn}); err == nil {
			err = s.Fill(ctx, rows, about)
		}
	default:
		return usagef("give --sqlite FILE, or set POSTGRES_DSN", "no database is named")
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stderr, "made %d workflow runs (%.0f a second)\n", opt.rows, float64(opt.rows)/time.Since(begun).Seconds())
	return nil
}

// cancellable ends the rows when the command is interrupted; what they were
// written into then takes them back.
func cancellable(ctx context.Context, rows iter.Seq[*runs.Run]) iter.Seq[*runs.Run] {
	return func(yield func(*runs.Run) bool) {
		for r := range rows {
			if ctx.Err() != nil || !yield(r) {
				return
			}
		}
	}
}
