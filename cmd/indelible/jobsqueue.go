package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"indelible/internal/datadir"
	"indelible/internal/jobs"
	jobspostgres "indelible/internal/jobs/postgres"
	jobssqlite "indelible/internal/jobs/sqlite"
	"indelible/internal/runs/postgres"
)

// jobsDSN names the PostgreSQL database workers share: INDELIBLE_JOBS_DSN goes
// before jobs.dsn; empty is jobs.db in the data directory.
func (a *app) jobsDSN(c *datadir.Config) (dsn, password string, err error) {
	if dsn = a.env("INDELIBLE_JOBS_DSN"); dsn != "" {
		return dsn, "", nil
	}
	if c == nil || c.Jobs == nil || c.Jobs.DSN == "" {
		return "", "", nil
	}
	if postgres.HasPassword(c.Jobs.DSN) {
		return "", "", usagef("use password_env, password_file or ~/.pgpass", "jobs.dsn of indelible.yaml holds a password: no secret belongs there")
	}
	password, err = a.sourcePassword("jobs", datadir.SourceConfig{PasswordEnv: c.Jobs.PasswordEnv, PasswordFile: c.Jobs.PasswordFile})
	return c.Jobs.DSN, password, err
}

func (a *app) jobsPath() string { return filepath.Join(a.dir, "jobs.db") }

// openQueue opens the database of schedules and runs. c is nil where there is
// no data directory.
func (a *app) openQueue(ctx context.Context, c *datadir.Config, cfg jobs.Config) (*jobs.Queue, error) {
	dsn, password, err := a.jobsDSN(c)
	if err != nil {
		return nil, err
	}
	var db *sql.DB
	if dsn != "" {
		cfg.Dialect = jobs.PostgreSQL
		db, err = jobspostgres.Open(dsn, password)
	} else {
		db, err = jobssqlite.Open(a.jobsPath())
	}
	if err != nil {
		return nil, err
	}
	if c != nil && c.Jobs != nil {
		cfg.AtOnce = c.Jobs.Workers
		cfg.Limits = jobs.Limits{Kinds: c.Jobs.Limits, Tenant: c.Jobs.PerTenant}
	}
	cfg.DB, cfg.Kinds, cfg.Clock, cfg.Pace = db, a.jobKinds(), a.clock, a.pace
	q, err := jobs.Open(ctx, cfg)
	if err != nil {
		hint := "look whether jobs.db can be read and written, and whether the disk is full"
		switch {
		case errors.Is(err, jobs.ErrNewer):
			return nil, errors.Join(failf(exitFailure, "use that version", "%w", err), db.Close())
		case dsn != "":
			hint = "look at jobs.dsn, or INDELIBLE_JOBS_DSN: PostgreSQL is to answer there, and the user to have the right to make tables"
		}
		return nil, errors.Join(failf(exitFailure, hint, "%w", err), db.Close())
	}
	return q, nil
}

// fileSchedules are the schedules of indelible.yaml, by name.
func (a *app) fileSchedules(c *datadir.Config) ([]jobs.Schedule, error) {
	list := make([]jobs.Schedule, 0, len(c.Schedules))
	kinds := a.jobKinds()
	for _, name := range slices.Sorted(maps.Keys(c.Schedules)) {
		s := c.Schedules[name]
		with, err := s.Options()
		if err != nil {
			return nil, usagef("write options as names and values", "indelible.yaml: schedule %s: with: %s", field(name), err)
		}
		schedule := jobs.Schedule{Name: name, When: s.When, Zone: s.Zone, Missed: s.Missed, Run: s.Run, With: with}
		if err := kinds.Check(&schedule); err != nil {
			return nil, usagef("docs/operations.md has what a schedule can say", "indelible.yaml: %s", err)
		}
		list = append(list, schedule)
	}
	return list, nil
}

// withQueue opens the queue as it stands for a command, without working.
// Without a queue yet, which reading does not make, q is nil.
func (a *app) withQueue(ctx context.Context, change bool, do func(q *jobs.Queue, file []jobs.Schedule) error) (err error) {
	c, err := datadir.LoadConfig(a.dir)
	if err != nil && !(errors.Is(err, datadir.ErrNoLedger) && a.env("INDELIBLE_JOBS_DSN") != "") {
		return err
	}
	var file []jobs.Schedule
	if c != nil {
		if file, err = a.fileSchedules(c); err != nil {
			return err
		}
	}
	dsn, _, err := a.jobsDSN(c)
	if err != nil {
		return err
	}
	if dsn == "" && !change {
		if _, err := os.Stat(a.jobsPath()); errors.Is(err, fs.ErrNotExist) {
			return do(nil, file)
		}
	}
	q, err := a.openQueue(ctx, c, jobs.Config{Actor: whoAmI()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, q.Close()) }()
	if change && c != nil {
		if err := q.Sync(ctx, file); err != nil {
			return err
		}
	}
	return jobsError(do(q, file))
}

// jobsError gives an error of schedules and runs its exit code and hint.
func jobsError(err error) error {
	var exit *exitError
	switch {
	case errors.As(err, &exit):
		return err
	case errors.Is(err, jobs.ErrNotFound):
		return &exitError{exitFailure, err, "`indelible schedule list` and `indelible jobs list` have the names there are"}
	case errors.Is(err, jobs.ErrState):
		return &exitError{exitFailure, err, ""}
	}
	return err
}

// work plans and works until ctx ends. record is nil where another process
// records what happens.
func (a *app) work(ctx context.Context, d *datadir.Directory, record jobRecord, log *slog.Logger) (q *jobs.Queue, wait func() error, err error) {
	var c *datadir.Config
	var file []jobs.Schedule
	if d != nil {
		c = d.Config
		if file, err = a.fileSchedules(c); err != nil {
			return nil, nil, err
		}
	}
	q, err = a.openQueue(ctx, c, jobs.Config{Away: d == nil, Record: record, Log: log})
	if err != nil {
		return nil, nil, err
	}
	if c != nil {
		if err := q.Sync(ctx, file); err != nil {
			return nil, nil, errors.Join(fmt.Errorf("schedules: %w", err), q.Close())
		}
	}
	ended := make(chan error, 1)
	go func() { ended <- errors.Join(q.Work(ctx), q.Close()) }()
	return q, func() error { return <-ended }, nil
}
