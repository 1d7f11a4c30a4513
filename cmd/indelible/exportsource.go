package main

import (
	"context"

	"github.com/spf13/cobra"

	"indelible/internal/runs"
	"indelible/internal/runs/postgres"
)

// sourceOptions say which database to read.
type sourceOptions struct{}

func (o *sourceOptions) add(*cobra.Command) {}

// openSource opens the database of workflow runs.
func (a *app) openSource(_ context.Context, _ sourceOptions) (runs.Source, error) {
	dsn := a.env("POSTGRES_DSN")
	if dsn == "" {
		return nil, usagef("set POSTGRES_DSN", "no database to read workflow runs from")
	}
	return postgres.New(postgres.Config{DSN: dsn})
}
