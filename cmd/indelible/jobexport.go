package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"

	"indelible/internal/dataset"
	"indelible/internal/jobs"
	"indelible/internal/runs"
)

// exportWith are the options of a scheduled export: those of `export`, by the
// names of its flags. Relative paths begin in the data directory.
type exportWith struct {
	Out    string `json:"out"` // {date} is the day, in UTC, the run was planned for
	KMSKey string `json:"sse_kms_key"`
	Source string `json:"source"`
	SQLite string `json:"sqlite"`

	Tenant     []string `json:"tenant"`
	AllTenants bool     `json:"all_tenants"`
	NoRLS      bool     `json:"no_rls"`
	Since      string   `json:"since"`
	Until      string   `json:"until"`
	TimeColumn string   `json:"time_column"`
	Status     []string `json:"status"`
	Workflow   []string `json:"workflow"`
	Metadata   []string `json:"where_metadata"`
	Columns    []string `json:"columns"`
	Order      string   `json:"order"`
	Limit      *int64   `json:"limit"`

	Format       string   `json:"format"`
	Compress     string   `json:"compress"`
	EncryptTo    []string `json:"encrypt_to"`
	Overwrite    bool     `json:"overwrite"`
	AcceptSchema bool     `json:"accept_schema"`
	Mask         string   `json:"mask"`
	Recheck      string   `json:"recheck"`
	KAnonymity   int      `json:"k_anonymity"`
	Quasi        []string `json:"quasi"`

	Incremental    string `json:"incremental"`
	CursorColumn   string `json:"cursor_column"`
	Overlap        string `json:"overlap"`
	IncludeRunning bool   `json:"include_running"`

	Jobs    int    `json:"jobs"`
	MaxRow  int64  `json:"max_row"`
	MaxRate int    `json:"max_rate"`
	Timeout string `json:"statement_timeout"`
	MaxAge  string `json:"max_snapshot_age"`
}

// spec is what is exported by a run that was planned for a time.
func (a *app) exportSpec(with json.RawMessage, planned time.Time) (*exportSpec, error) {
	o := exportWith{Mask: maskPseudonym, Recheck: recheckChanged, Jobs: 1, MaxRow: runs.DefaultMaxRow}
	if err := options(with, &o); err != nil {
		return nil, err
	}
	s := &exportSpec{
		sourceOptions: sourceOptions{sqlite: o.SQLite, name: o.Source},
		placeOptions:  placeOptions{out: a.jobPlace(strings.ReplaceAll(o.Out, "{date}", planned.UTC().Format(time.DateOnly))), kmsKey: o.KMSKey},
		tenants:       o.Tenant, allTenants: o.AllTenants, noRLS: o.NoRLS, since: o.Since, until: o.Until, timeColumn: o.TimeColumn,
		statuses: o.Status, workflows: o.Workflow, metadata: o.Metadata, columns: o.Columns, order: o.Order,
		format: o.Format, compress: o.Compress, encryptTo: o.EncryptTo, overwrite: o.Overwrite, acceptSchema: o.AcceptSchema,
		mask: o.Mask, recheck: o.Recheck, kAnonymity: o.KAnonymity, quasi: o.Quasi,
		chain: o.Incremental, cursorColumn: o.CursorColumn, overlap: o.Overlap, includeRunning: o.IncludeRunning,
		jobs: o.Jobs, maxRow: o.MaxRow, maxRate: o.MaxRate, timeout: o.Timeout, maxAge: o.MaxAge,
	}
	if o.Limit != nil {
		s.limit, s.limited = *o.Limit, true
	}
	if s.sqlite != "" {
		s.sqlite = a.jobPlace(s.sqlite)
	}
	if o.Incremental == "" && !o.Overwrite && !strings.Contains(o.Out, "{date}") {
		return nil, errors.New("out: every run would write to the same place: write {date} in it, name a chain with incremental, or say overwrite: true")
	}
	if _, err := s.job(); err != nil {
		return nil, err
	}
	return s, nil
}

// jobPlace is a path of a schedule: who runs it has any working directory.
func (a *app) jobPlace(path string) string {
	if path == "" || strings.HasPrefix(path, "s3://") || filepath.IsAbs(path) {
		return path
	}
	slash := ""
	if strings.HasSuffix(path, "/") {
		slash = "/" // says that it is a folder
	}
	return filepath.Join(a.dir, path) + slash
}

func (a *app) checkExport(with json.RawMessage) (tenant string, err error) {
	s, err := a.exportSpec(with, time.Time{})
	if err == nil && len(s.tenants) == 1 {
		tenant = s.tenants[0]
	}
	return tenant, err
}

// datasetRunID is the id of the dataset that a lease of a run makes. Whoever
// takes the run over knows by it what the workers before have made.
func datasetRunID(run string, lease int64) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "indelible/v1 dataset of job\x00%s\x00%d", run, lease))
	id := uuid.UUID(sum[:16])
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80
	return id.String()
}

func (a *app) runScheduledExport(ctx context.Context, t *jobs.Turn) (any, error) {
	spec, err := a.exportSpec(t.With, t.Planned)
	if err != nil {
		return nil, jobs.Final(err)
	}
	lease := t.Lease()
	result, err := a.runExport(ctx, spec, exporting{
		actor: "schedule:" + t.Schedule, actorKind: "asserted",
		newID: func() string { return datasetRunID(t.ID, lease) },
		ours: func(runID string) bool {
			for n := range lease {
				if runID == datasetRunID(t.ID, n+1) {
					return true
				}
			}
			return false
		},
		hold:     t.Hold,
		notify:   func(line string) { t.Note(line) },
		progress: t.Progress,
	})
	var exit *exitError
	switch {
	case err == nil:
		return newExported(spec.out, result), nil
	case errors.Is(err, dataset.ErrDamaged), errors.Is(err, dataset.ErrExist), errors.As(err, &exit) && exit.code == exitUsage:
		return nil, jobs.Final(err)
	}
	return nil, err
}

// heldPlace makes nothing visible once another worker has the run.
type heldPlace struct {
	dataset.Place
	hold func(ctx context.Context) error
}

func (p heldPlace) Create(ctx context.Context, name string, replace bool) (dataset.File, error) {
	f, err := p.Place.Create(ctx, name, replace)
	if err != nil {
		return nil, err
	}
	return heldFile{f, p.hold}, nil
}

type heldFile struct {
	dataset.File
	hold func(ctx context.Context) error
}

func (f heldFile) Commit(ctx context.Context) error {
	if err := f.hold(ctx); err != nil {
		f.File.Abort()
		return err
	}
	return f.File.Commit(ctx)
}
