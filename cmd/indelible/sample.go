package main

import (
	"bufio"
	"context"

	"github.com/spf13/cobra"

	"indelible/internal/sample"
)

func (a *app) sampleCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sample",
		Short: "Make sample data to try things out with",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var rows int
	var seed uint64
	events := &cobra.Command{
		Use:   "events",
		Short: "Print sample events, one JSON object a line, ready for append",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.sampleEvents(cmd.Context(), rows, seed) },
	}
	events.Flags().IntVar(&rows, "rows", 1000, "how many")
	events.Flags().Uint64Var(&seed, "seed", 1, "the same seed gives the same events")
	cmd.AddCommand(events, a.sampleRunsCommand())
	return cmd
}

func (a *app) sampleEvents(ctx context.Context, rows int, seed uint64) error {
	if rows < 0 {
		return usagef("give the number of events to make", "--rows %d", rows)
	}
	w := bufio.NewWriterSize(a.stdout, 1<<18)
	var line []byte
	n := 0
	for e := range sample.Events(seed, rows) {
		if n++; n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		line = append(e.AppendJSON(line[:0]), '\n')
		if _, err := w.Write(line); err != nil {
			return err
		}
	}
	return w.Flush()
}
