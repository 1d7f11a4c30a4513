package main

import (
	"context"
	"errors"
	"fmt"
	"os/user"
	"runtime"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"indelible/internal/datadir"
	"indelible/internal/dataset"
	"indelible/internal/runs"
)

// exportOptions are the flags of export.
type exportOptions struct {
	sourceOptions
	placeOptions

	tenants      []string
	allTenants   bool
	noRLS        bool
	since, until string
	timeColumn   string
	statuses     []string
	workflows    []string
	limit        int64
	metadata     []string
	columns      []string
	order        string

	format, compress string
	encryptTo        []string
	overwrite        bool
	acceptSchema     bool
	mask, recheck    string

	chain          string
	resync         bool
	cursorColumn   string
	overlap        string
	includeRunning bool

	jobs    int
	maxRow  int64
	maxRate int
	timeout string
	maxAge  string
	report  string
	json    bool
}

func (a *app) exportCommand() *cobra.Command {
	var opt exportOptions
	cmd := &cobra.Command{
		Use:   "export --out FILE|DIR|s3://BUCKET/PREFIX --tenant NAME",
		Short: "Export workflow runs as a dataset that can be proved",
		Long: `Export workflow runs from PostgreSQL (POSTGRES_DSN) or SQLite (--sqlite) as JSON
lines or Parquet. A manifest names every file with its hash, and the ledger
records the manifest: before the first row, and after the last.

Rows come from one consistent snapshot. Nothing is visible before all of it is
there. An export that was interrupted is made again under the same name and
time by the same command.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.export(cmd.Context(), opt, cmd.Flags().Changed("limit"))
		},
	}
	f := cmd.Flags()
	opt.sourceOptions.add(cmd)
	f.StringVar(&opt.out, "out", "", "a file such as runs.jsonl, or a folder; here or s3://bucket/prefix")
	opt.placeOptions.add(cmd)
	f.StringArrayVar(&opt.tenants, "tenant", nil, "a tenant to export; may be given several times")
	f.BoolVar(&opt.allTenants, "all-tenants", false, "export all tenants in one scan")
	f.BoolVar(&opt.noRLS, "no-rls", false, "read as the user of the connection, without the database's policy; recorded")
	f.StringVar(&opt.since, "since", "", "only rows from this time on: RFC 3339 or a date")
	f.StringVar(&opt.until, "until", "", "only rows before this time")
	f.StringVar(&opt.timeColumn, "time-column", "", "what --since and --until go by (default created_at)")
	f.StringSliceVar(&opt.statuses, "status", nil, "only rows with one of these statuses")
	f.StringSliceVar(&opt.workflows, "workflow", nil, "only rows of these workflows")
	f.Int64Var(&opt.limit, "limit", 0, "at most so many rows of each tenant")
	f.StringArrayVar(&opt.metadata, "where-metadata", nil, "only rows whose metadata has key=value; all of them")
	f.StringSliceVar(&opt.columns, "columns", nil, "columns to export, extra ones of the table too (default: those of workflow_runs)")
	f.StringVar(&opt.order, "order", "", "created_at,id instead of the order of the table")
	f.StringVar(&opt.format, "format", "", "jsonl or parquet (default: by the name of --out, else jsonl)")
	f.StringVar(&opt.compress, "compress", "", "none, gzip or zstd (default: by the name of --out; parquet: zstd)")
	f.StringArrayVar(&opt.encryptTo, "encrypt-to", nil, "encrypt the files to this age recipient (age1…)")
	f.BoolVar(&opt.overwrite, "overwrite", false, "replace the dataset that is there")
	f.BoolVar(&opt.acceptSchema, "accept-schema", false, "go on with other columns than the link before, or the dataset replaced, had")
	f.StringVar(&opt.mask, "mask", maskPseudonym, "what becomes of identities: pseudonym (the same for the same person) or redact ([TYPE]); off: rows are written as they are")
	f.StringVar(&opt.recheck, "recheck", recheckChanged, "masked rows are scanned again: changed (and a sample of the others) or full")
	f.StringVar(&opt.chain, "incremental", "", "export what is new or changed since the last link of this chain")
	f.BoolVar(&opt.resync, "resync", false, "chain: read every row again, after the database was replaced")
	f.StringVar(&opt.cursorColumn, "cursor-column", "", "chain without revisions: what it goes by (default completed_at)")
	f.StringVar(&opt.overlap, "overlap", "", "chain without revisions: how far it reads back (default 24h)")
	f.BoolVar(&opt.includeRunning, "include-running", false, "chain: rows that have not ended, too")
	f.IntVar(&opt.jobs, "jobs", min(2, runtime.NumCPU()), "how many parts of the table are read at the same time")
	f.Int64Var(&opt.maxRow, "max-row", runs.DefaultMaxRow, "bytes of a row; larger ones stop the export")
	f.IntVar(&opt.maxRate, "max-rate", 0, "rows per second at most (0: no limit)")
	f.StringVar(&opt.timeout, "statement-timeout", "", "how long one statement of the database may take, e.g. 30m")
	f.StringVar(&opt.maxAge, "max-snapshot-age", "", "stop when the snapshot is older, e.g. 6h")
	f.StringVar(&opt.report, "report", "", "also write a report for an auditor to FILE")
	f.BoolVar(&opt.json, "json", false, "print what was made as JSON")
	return cmd
}

func (a *app) export(ctx context.Context, opt exportOptions, limited bool) (err error) {
	job, err := opt.job(limited)
	if err != nil {
		return err
	}
	d, err := datadir.Open(ctx, a.dir, a.env)
	if err != nil {
		return err
	}
	if job.Place, job.File, err = a.openPlace(ctx, &opt.placeOptions, true); err != nil {
		return err
	}
	if job.Source, err = a.openSource(opt.sourceOptions); err != nil {
		return err
	}
	defer job.Source.Close()
	key, err := datadir.LoadIDKey(a.dir)
	if err != nil {
		return fmt.Errorf("the key that filter values are hashed with: %w", err)
	}
	job.Pseudonymizer = keyedHash{key}
	closeKeys, err := a.masking(ctx, d, key, opt.mask, opt.recheck, job)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeKeys()) }()
	job.Recorder = &book{a, d}
	job.Actor, job.ActorKind = whoAmI(), "asserted"
	job.Build = "indelible " + version
	job.NewID = uuid.NewString
	job.Notify = func(line string) { fmt.Fprintln(a.stderr, visible(line)) }
	progress := newProgress(a.stderr, "rows")
	job.Progress = func(done, total int64) { progress.update(uint64(done), uint64(max(done, total))) }
	result, err := dataset.Export(ctx, job)
	progress.done()
	if err != nil {
		return exportError(err)
	}
	return a.exported(ctx, &opt, result)
}

// exported tells what was made, and writes the report.
func (a *app) exported(ctx context.Context, opt *exportOptions, result *dataset.Result) error {
	if opt.report != "" {
		text, err := a.datasetReport(ctx, &opt.placeOptions, result)
		if err != nil {
			return fmt.Errorf("the dataset is complete; its report could not be made: %w", err)
		}
		if err := writeFileAtomic(opt.report, text); err != nil {
			return fmt.Errorf("write report: %w", err)
		}
	}
	if !result.Evidence {
		fmt.Fprintln(a.stderr, "the store does not answer: the record is safe in the journal; run `indelible dataset verify` without --offline, or export again, for evidence")
	}
	if opt.json {
		line, err := jsonLine(newExported(opt.out, result))
		if err != nil {
			return err
		}
		return writeJSON(a.stdout, line)
	}
	m := result.Manifest
	d := &m.Dataset
	w := a.stdout
	if result.Healed {
		fmt.Fprintln(w, "healed      the files were there; what had not been recorded now is")
	}
	bytes := uint64(0)
	for _, f := range d.Files {
		bytes += f.Bytes
	}
	fmt.Fprintf(w, "dataset     %s\n", visible(opt.out))
	fmt.Fprintf(w, "rows        %d in %s, %.1f MB\n", d.Rows, count(len(d.Files), "file"), float64(bytes)/1e6)
	if result.Seconds >= 2 && !result.Healed {
		fmt.Fprintf(w, "rate        %.0f rows/s\n", float64(d.Rows)/result.Seconds)
	}
	if d.Chain != nil {
		fmt.Fprintf(w, "chain       %s, link %d\n", field(d.Chain.Name), d.Chain.Sequence)
	}
	source := d.Source.Kind + " " + d.Source.Version
	if d.Source.Sample {
		source += ", sample data"
	}
	fmt.Fprintf(w, "source      %s; %s\n", visible(source), visible(d.Source.Isolation))
	fmt.Fprintf(w, "masks       %s\n", visible(d.Masks.Mode))
	fmt.Fprintf(w, "manifest    %s, version %s\n", visible(result.Path), m.Version)
	fmt.Fprintf(w, "guarantee   %s\n", visible(d.Source.Guarantee))
	return nil
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// exportedJSON is what export --json prints: docs/cli-json.md.
type exportedJSON struct {
	Out           string `json:"out"`
	Manifest      string `json:"manifest"`
	Version       string `json:"version"`
	Rows          uint64 `json:"rows"`
	Files         int    `json:"files"`
	Bytes         uint64 `json:"bytes"`
	ContentDigest string `json:"content_digest"`
	RunID         string `json:"run_id"`
	Attempt       int    `json:"attempt"`
	Timestamp     string `json:"export_timestamp"`
	Chain         string `json:"chain,omitempty"`
	Sequence      uint64 `json:"sequence,omitempty"`
	Masks         string `json:"masks"`
	Guarantee     string `json:"guarantee"`
	Evidence      bool   `json:"evidence"`
	Healed        bool   `json:"healed,omitempty"`
}

func newExported(out string, r *dataset.Result) *exportedJSON {
	d := &r.Manifest.Dataset
	e := &exportedJSON{
		Out: out, Manifest: r.Path, Version: r.Manifest.Version.String(), Rows: d.Rows, Files: len(d.Files), ContentDigest: d.ContentDigest.String(),
		RunID: d.RunID, Attempt: r.Attempt, Timestamp: d.ExportTimestamp.String(), Masks: d.Masks.Mode, Guarantee: d.Source.Guarantee,
		Evidence: r.Evidence, Healed: r.Healed,
	}
	for _, f := range d.Files {
		e.Bytes += f.Bytes
	}
	if d.Chain != nil {
		e.Chain, e.Sequence = d.Chain.Name, d.Chain.Sequence
	}
	return e
}

// job makes a job of the flags, or says what is wrong with them.
func (o *exportOptions) job(limited bool) (*dataset.Job, error) {
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
		Limit: runs.Int{N: o.limit, Valid: limited},
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

// whoAmI is who runs this program, as far as the system knows.
func whoAmI() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "unknown"
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
