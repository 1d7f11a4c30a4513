package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"indelible/internal/datadir"
	"indelible/internal/dataset"
	"indelible/internal/mask"
	"indelible/internal/runs"
)

// exporting is who exports, and who hears of it.
type exporting struct {
	actor, actorKind string
	newID            func() string // of the run; nil: random
	notify           func(line string)
	progress         func(done, total int64)
	shards           func([]dataset.Shard) // or nil

	// Of a schedule: which datasets it made before, and whether it may still
	// make anything visible. Nil for others.
	ours func(runID string) bool
	hold func(ctx context.Context) error
}

// runExport makes a dataset. It is the one road from a table to a dataset: the
// command, the server and schedules take it. It holds the ledger only while it
// records.
func (a *app) runExport(ctx context.Context, spec *exportSpec, by exporting) (_ *dataset.Result, err error) {
	own, end := a.apart()
	defer func() { err = errors.Join(err, end()) }()
	job, err := spec.job()
	if err != nil {
		return nil, err
	}
	server, err := own.remote()
	if err != nil {
		return nil, err
	}
	var d *datadir.Directory
	if server != nil {
		err = spec.fitsServer()
	} else {
		d, err = datadir.Open(ctx, own.dir, own.env)
	}
	if err != nil {
		return nil, err
	}
	if job.Place, job.File, err = own.openPlace(ctx, &spec.placeOptions, true); err != nil {
		return nil, err
	}
	if job.Source, err = own.openSource(spec.sourceOptions); err != nil {
		return nil, err
	}
	defer job.Source.Close()
	job.Actor, job.ActorKind = by.actor, by.actorKind
	var closeKeys func() error
	if server != nil {
		closeKeys, err = server.export(ctx, spec, job)
	} else {
		closeKeys, err = own.exportHere(ctx, d, spec, job)
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closeKeys()) }()
	if spec.kAnonymity > 0 {
		var policy *mask.Policy
		if server != nil {
			policy, err = (&remoteMasks{server: server}).policy(ctx)
		} else {
			policy, err = maskPolicy(d, func(c *datadir.MaskConfig) *datadir.MaskTypes { return c.Export })
		}
		if err == nil {
			err = gating(policy, spec.kAnonymity, spec.quasi, job)
		}
		if err != nil {
			return nil, err
		}
	}
	job.Clock = a.clock
	job.Build = "indelible " + version
	job.NewID = by.newID
	if job.NewID == nil {
		job.NewID = uuid.NewString
	}
	job.Notify, job.Progress, job.Ours = by.notify, by.progress, by.ours
	job.Shards = by.shards
	if by.hold != nil {
		job.Place = heldPlace{job.Place, by.hold}
	}
	result, err := dataset.Export(ctx, job)
	if err != nil {
		return nil, exportError(err)
	}
	return result, nil
}

// exportHere has a job recorded in the ledger at hand, and masked with its keys.
func (a *app) exportHere(ctx context.Context, d *datadir.Directory, spec *exportSpec, job *dataset.Job) (closeKeys func() error, err error) {
	key, err := datadir.LoadIDKey(a.dir)
	if err != nil {
		return nil, fmt.Errorf("the key that filter values are hashed with: %w", err)
	}
	job.Pseudonymizer = keyedHash{key}
	job.Recorder = &book{a, d}
	return a.masking(ctx, d, key, spec.mask, spec.recheck, job)
}

// job makes a job of what is asked for, or says what is wrong with it.
func (o *exportSpec) job() (*dataset.Job, error) {
	switch {
	case o.out == "":
		return nil, usagef("name a file, a folder or s3://bucket/prefix with --out", "no place to export to")
	case len(o.tenants) == 0 && !o.allTenants:
		return nil, usagef("name one with --tenant, or say --all-tenants", "no tenant is named")
	case len(o.tenants) > 0 && o.allTenants:
		return nil, usagef("choose one", "--tenant and --all-tenants exclude each other")
	case o.mask != maskPseudonym && o.mask != maskRedact && o.mask != maskOff:
		return nil, usagef("choose pseudonym, redact or off", "--mask %q", o.mask)
	case o.recheck != recheckChanged && o.recheck != recheckFull:
		return nil, usagef("choose changed or full", "--recheck %q", o.recheck)
	case o.kAnonymity < 0 || o.kAnonymity == 0 && len(o.quasi) > 0:
		return nil, usagef("say how many persons a group must have with --k-anonymity", "--k-anonymity %d", o.kAnonymity)
	case o.kAnonymity > 0 && (o.chain != "" || o.limited):
		return nil, usagef("leave --incremental and --limit out", "--k-anonymity counts over all rows there are")
	case o.order != "" && o.order != "created_at,id":
		return nil, usagef("the one other order is created_at,id", "--order %q", o.order)
	case o.jobs < 1 || o.jobs > 64:
		return nil, usagef("choose 1 to 64", "--jobs %d", o.jobs)
	case o.limit < 0:
		return nil, usagef("give the number of rows", "--limit %d", o.limit)
	case o.maxRow <= 0 || o.maxRow > runs.DefaultMaxRow:
		return nil, usagef(fmt.Sprintf("choose 1 to %d bytes", runs.DefaultMaxRow), "--max-row %d", o.maxRow)
	case o.maxRate < 0:
		return nil, usagef("give the number of rows per second", "--max-rate %d", o.maxRate)
	case o.chain == "" && (o.resync || o.cursorColumn != "" || o.overlap != "" || o.includeRunning):
		return nil, usagef("name the chain with --incremental", "--resync, --cursor-column, --overlap and --include-running are of a chain")
	}
	q := runs.Query{
		Tenants: o.tenants, AllTenants: o.allTenants, NoRLS: o.noRLS, TimeColumn: o.timeColumn, Statuses: o.statuses, Workflows: o.workflows,
		Columns: o.columns, Ordered: o.order != "", Jobs: o.jobs, MaxRow: o.maxRow, MaxRate: o.maxRate,
		Limit: runs.Int{N: o.limit, Valid: o.limited},
	}
	var err error
	for _, d := range []struct {
		flag, text string
		to         *time.Duration
	}{{"--statement-timeout", o.timeout, &q.Timeout}, {"--max-snapshot-age", o.maxAge, &q.MaxAge}} {
		if d.text != "" {
			parsed, err := datadir.ParseDuration(d.text)
			if err != nil {
				return nil, usagef("write it as 30m or 2d", "%s: %s", d.flag, err)
			}
			*d.to = time.Duration(parsed)
		}
	}
	if q.Since, err = moment("--since", o.since); err != nil {
		return nil, err
	}
	if q.Until, err = moment("--until", o.until); err != nil {
		return nil, err
	}
	for _, m := range o.metadata {
		name, value, ok := strings.Cut(m, "=")
		if !ok || name == "" {
			return nil, usagef("write it as key=value", "--where-metadata %q", m)
		}
		q.Metadata = append(q.Metadata, runs.Member{Name: name, Value: value})
	}
	if o.chain != "" {
		q.Range = &runs.Range{Resync: o.resync, Column: o.cursorColumn, IncludeRunning: o.includeRunning}
		if o.overlap != "" {
			parsed, err := datadir.ParseDuration(o.overlap)
			if err != nil {
				return nil, usagef("write it as 36h or 2d", "--overlap: %s", err)
			}
			q.Range.Overlap = time.Duration(parsed)
		}
	}
	job := &dataset.Job{Query: q, Overwrite: o.overwrite, Chain: o.chain, Resync: o.resync, AcceptSchema: o.acceptSchema}
	return job, o.form(job)
}

func moment(flag, text string) (runs.Time, error) {
	if text == "" {
		return runs.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil && runs.Representable(t.UnixMicro()) {
			return runs.TimeOf(t), nil
		}
	}
	return runs.Time{}, usagef("write it as 2025-01-31 or 2025-01-31T12:00:00Z", "%s %q is not a time", flag, text)
}

// exportError gives an error of datasets or sources its exit code and hint.
func exportError(err error) error {
	var exit *exitError
	if errors.As(err, &exit) {
		return err
	}
	var source *runs.Error
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &source):
		code := exitFailure
		if source.Code == runs.Usage {
			code = exitUsage
		}
		return &exitError{code, err, source.Hint}
	case errors.Is(err, dataset.ErrUsage):
		return &exitError{exitUsage, err, ""}
	case errors.Is(err, dataset.ErrExist):
		return &exitError{exitFailure, err, "nothing is overwritten unasked: choose another name, or say --overwrite"}
	case errors.Is(err, dataset.ErrBusy):
		return &exitError{exitOtherWriter, err, "wait for it to end"}
	case errors.Is(err, dataset.ErrOtherSpec):
		return &exitError{exitUsage, err, "a chain keeps its tenants, filters, columns, masks and format: use the same options, or begin another chain in another folder"}
	case errors.Is(err, dataset.ErrSchema):
		return &exitError{exitFailure, err, "say --accept-schema if that is meant"}
	case errors.Is(err, dataset.ErrDamaged):
		return &exitError{exitTampered, err, "run `indelible dataset verify` for the whole picture; nothing was written"}
	case errors.Is(err, dataset.ErrAway):
		return &exitError{exitFailure, err, "run the same command again when it is back: the export goes on under the same name and time"}
	}
	return err
}
