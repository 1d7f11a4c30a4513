package main

import (
	"context"
	"fmt"
	"os/user"
	"runtime"

	"github.com/spf13/cobra"

	"indelible/internal/dataset"
	"indelible/internal/runs"
)

// exportOptions are the flags of export.
type exportOptions struct {
	exportSpec
	report string
	json   bool
}

// exportSpec says what is exported and where to, whoever asks for it: the
// command, a request to the server, a schedule. Each field is named like its flag.
type exportSpec struct {
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
	limited      bool // a limit of nothing is one, too
	metadata     []string
	columns      []string
	order        string

	format, compress string
	encryptTo        []string
	overwrite        bool
	acceptSchema     bool
	mask, recheck    string
	kAnonymity       int
	quasi            []string

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
}

func (a *app) exportCommand() *cobra.Command {
	var opt exportOptions
	cmd := &cobra.Command{
		Use:   "export --out FILE|DIR|s3://BUCKET/PREFIX --tenant NAME",
		Short: "Export workflow runs as a dataset that can be proved",
		Long: `Export workflow runs from PostgreSQL (POSTGRES_DSN) or SQLite (--sqlite) as JSON
lines or Parquet. A manifest names every file with its hash, and the ledger
records the manifest: before the first row, and after the last. With
INDELIBLE_URL, and an API key in INDELIBLE_API_KEY or in the file that
INDELIBLE_API_KEY_FILE names, its server records it and no ledger is needed here.

Rows come from one consistent snapshot. Nothing is visible before all of it is
there. An export that was interrupted is made again under the same name and
time by the same command.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			opt.limited = cmd.Flags().Changed("limit")
			return a.export(cmd.Context(), opt)
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
	f.IntVar(&opt.kAnonymity, "k-anonymity", 0, "leave rows out whose group, by --quasi, has fewer persons than this; reads everything twice")
	f.StringSliceVar(&opt.quasi, "quasi", nil, "what makes a group, and how coarse: FIELD or metadata.NAME, then :exact, :year, :month, :day, :network, :prefixN or :bandN")
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

func (a *app) export(ctx context.Context, opt exportOptions) error {
	if server, err := a.remote(); err != nil {
		return err
	} else if server != nil && opt.report != "" {
		return usagef("run `indelible dataset verify --offline --key log.vkey` on what was made", "--report does not go with INDELIBLE_URL")
	}
	a.smallHeap(&opt.exportSpec)
	progress := newProgress(a.stderr, "rows")
	result, err := a.runExport(ctx, &opt.exportSpec, exporting{
		actor: whoAmI(), actorKind: "asserted",
		notify: func(line string) {
			progress.done()
			fmt.Fprintln(a.stderr, visible(line))
		},
		shards:   progress.parts,
		progress: func(done, total int64) { progress.update(uint64(done), uint64(max(done, total))) },
	})
	progress.done()
	if err != nil {
		return err
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
	if k := d.KAnonymity; k != nil {
		fmt.Fprintf(w, "left out    %d rows of %d of %d groups with fewer than %d persons\n", k.RowsSuppressed, k.GroupsSuppressed, k.Groups, k.K)
	}
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

	KAnonymity *dataset.Grouped `json:"k_anonymity,omitempty"`

	Guarantee string `json:"guarantee"`
	Evidence  bool   `json:"evidence"`
	Healed    bool   `json:"healed,omitempty"`
}

func newExported(out string, r *dataset.Result) *exportedJSON {
	d := &r.Manifest.Dataset
	e := &exportedJSON{
		Out: out, Manifest: r.Path, Version: r.Manifest.Version.String(), Rows: d.Rows, Files: len(d.Files), ContentDigest: d.ContentDigest.String(),
		RunID: d.RunID, Attempt: r.Attempt, Timestamp: d.ExportTimestamp.String(), Masks: d.Masks.Mode, KAnonymity: d.KAnonymity, Guarantee: d.Source.Guarantee,
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

// whoAmI is who runs this program, as far as the system knows.
func whoAmI() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "unknown"
}
