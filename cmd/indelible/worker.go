package main

import (
	"context"
	"errors"
	"log/slog"

	"github.com/spf13/cobra"

	"indelible/internal/datadir"
)

func (a *app) workerCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "worker",
		Short: "Carry out what is scheduled, besides or instead of serve",
		Long: `Carry out what is scheduled, until a signal ends it; what goes on then is given
to other workers. Any number of workers share the work of one ledger.

A worker never opens the ledger: it records through the process that has it, by
the socket in the data directory. On a machine without the data directory it
needs INDELIBLE_JOBS_DSN, INDELIBLE_URL and an API key, and makes exports.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.worker(cmd.Context()) },
	}
}

func (a *app) worker(ctx context.Context) error {
	a.handsOver = true
	log := slog.New(slog.NewJSONHandler(a.stderr, nil))
	d, err := datadir.Open(ctx, a.dir, a.env)
	var record jobRecord
	switch {
	case errors.Is(err, datadir.ErrNoLedger) && a.env("INDELIBLE_JOBS_DSN") != "":
		d = nil // the server near the ledger records what happens
	case err != nil:
		return err
	default:
		record = (&book{a, d}).recordJobs
	}
	_, wait, err := a.work(ctx, d, record, log)
	if err != nil {
		return err
	}
	log.Info("working")
	if err = wait(); err != nil {
		log.Error("ending", "err", err)
		return err
	}
	log.Info("ending")
	return nil
}
