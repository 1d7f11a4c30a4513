package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"indelible/internal/datadir"
	"indelible/internal/runs"
	"indelible/internal/runs/postgres"
	"indelible/internal/runs/sqlite"
)

// sourceOptions say where workflow runs are.
type sourceOptions struct{ sqlite, name string }

func (o *sourceOptions) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.sqlite, "sqlite", "", "SQLite `file` with the table workflow_runs")
	cmd.Flags().StringVar(&o.name, "source", "", "a `name` among sources in indelible.yaml; otherwise POSTGRES_DSN")
}

// runSource is a database with workflow runs, and all that can be done with it.
type runSource interface {
	runs.Source
	runs.Migrator
	Check(ctx context.Context) []runs.Finding
}

// openSource finds the source of workflow runs: a flag goes before POSTGRES_DSN.
func (a *app) openSource(o sourceOptions) (runSource, error) {
	switch {
	case o.sqlite != "" && o.name != "":
		return nil, usagef("choose one", "--sqlite and --source are two sources")
	case o.sqlite != "":
		return sqlite.New(o.sqlite)
	case o.name != "":
		return a.namedSource(o.name)
	case a.env("POSTGRES_DSN") != "":
		return postgres.New(postgres.Config{DSN: a.env("POSTGRES_DSN")})
	}
	return nil, usagef("set POSTGRES_DSN, name a --source of indelible.yaml, or give --sqlite FILE; `indelible sample runs --sqlite FILE` makes one to try things out", "no source of workflow runs is named")
}

func (a *app) namedSource(name string) (runSource, error) {
	config, err := datadir.LoadConfig(a.dir)
	if err != nil {
		return nil, err
	}
	c, ok := config.Sources[name]
	if !ok {
		names := strings.Join(slices.Sorted(maps.Keys(config.Sources)), ", ")
		if names == "" {
			names = "none"
		}
		return nil, usagef("sources there: "+names, "indelible.yaml has no source called %s", name)
	}
	if (c.Postgres == "") == (c.SQLite == "") {
		return nil, usagef("give one of the two", "source %s of indelible.yaml is not one of postgres and sqlite", name)
	}
	if c.SQLite != "" {
		file := c.SQLite
		if !filepath.IsAbs(file) {
			file = filepath.Join(a.dir, file)
		}
		return sqlite.New(file)
	}
	if postgres.HasPassword(c.Postgres) {
		return nil, usagef("use password_env, password_file or ~/.pgpass", "source %s of indelible.yaml holds a password: no secret belongs there", name)
	}
	password, err := a.sourcePassword(name, c)
	if err != nil {
		return nil, err
	}
	return postgres.New(postgres.Config{DSN: c.Postgres, Password: password})
}

func (a *app) sourcePassword(name string, c datadir.SourceConfig) (string, error) {
	switch {
	case c.PasswordEnv != "" && c.PasswordFile != "":
		return "", usagef("give one of the two", "source %s of indelible.yaml has password_env and password_file", name)
	case c.PasswordEnv != "":
		password := a.env(c.PasswordEnv)
		if password == "" {
			return "", usagef("set it", "%s, where the password of source %s should be, is empty", c.PasswordEnv, name)
		}
		return password, nil
	case c.PasswordFile != "":
		b, err := os.ReadFile(c.PasswordFile)
		if err != nil {
			return "", fmt.Errorf("read the password of source %s: %w", name, err)
		}
		return string(bytes.TrimRight(b, "\r\n")), nil
	}
	return "", nil
}

// checkSources looks at every source this program would use, if there is any.
func (a *app) checkSources(ctx context.Context, d *diagnosis, dir *datadir.Directory) {
	look := func(title string, s runSource, err error) {
		if err != nil {
			_, hint := classify(err)
			d.bad(title, hint, err)
			return
		}
		defer s.Close()
		for _, f := range s.Check(ctx) {
			if f.OK {
				d.good(title+": "+f.Name, "%s", f.Detail)
				d.hint("%s", f.Hint)
				continue
			}
			d.bad(title+": "+f.Name, f.Hint, errors.New(f.Detail))
		}
	}
	if a.env("POSTGRES_DSN") != "" {
		s, err := a.openSource(sourceOptions{})
		look("POSTGRES_DSN", s, err)
	}
	for _, name := range slices.Sorted(maps.Keys(dir.Config.Sources)) {
		s, err := a.namedSource(name)
		look("source "+name, s, err)
	}
}
