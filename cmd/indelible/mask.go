package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"indelible/internal/datadir"
	"indelible/internal/mask"
)

type maskOptions struct {
	report  bool
	explain bool
	recheck string
	tenant  string
}

func (a *app) maskCommand() *cobra.Command {
	var opt maskOptions
	cmd := &cobra.Command{
		Use:   "mask [FILE…|-]",
		Short: "Take personal data and secrets out of JSON lines",
		Long: `Read JSON lines from files, folders, s3://bucket/prefix or standard input (-)
and write each with its personal data and secrets replaced: identities and
secrets by [TYPE], everything else byte for byte as it was, the field id always.
A line that is no JSON is masked as text.

With --tenant identities become the pseudonyms that they have in the tenant's
exports: the keys and the policy are those of the ledger in --dir.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return a.mask(cmd.Context(), args, opt) },
	}
	f := cmd.Flags()
	f.BoolVar(&opt.report, "report", false, "count findings by type and field on standard error, with those that are kept; never values")
	f.BoolVar(&opt.explain, "explain", false, "print findings (JSON: line, field, type, rule, confidence, position) in place of the records")
	f.StringVar(&opt.tenant, "tenant", "", "make the pseudonyms of this tenant's exports, with the ledger's keys and policy")
	f.StringVar(&opt.recheck, "recheck", recheckChanged, "scan the output again: changed (and a sample of the others) or full")
	return cmd
}

// maxMaskLine bounds a record: a row of a dataset is refused above it, too.
const maxMaskLine = 64 << 20

func (a *app) mask(ctx context.Context, args []string, opt maskOptions) (err error) {
	if opt.recheck != recheckChanged && opt.recheck != recheckFull {
		return usagef("choose changed or full", "--recheck %q", opt.recheck)
	}
	run := &maskRun{opt: opt, out: bufio.NewWriterSize(a.stdout, 1<<18)}
	options := mask.Options{Redact: opt.tenant == "", Report: opt.report}
	if opt.explain {
		options.Explain = run.explain
	}
	if opt.tenant != "" {
		var done func() error
		if done, err = a.maskAsTenant(ctx, run, &options); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, done()) }()
	} else {
		run.policy = mask.Strict()
		if err := run.policy.Compile(); err != nil {
			return err
		}
		fmt.Fprintln(a.stderr, "no ledger is used: identities become [TYPE], without pseudonyms")
	}
	sources, err := a.sources(ctx, args)
	if err != nil {
		return err
	}
	if run.masker, err = mask.New(run.policy, options); err != nil {
		return err
	}
	if opt.tenant != "" {
		if err := run.masker.For(opt.tenant, options.Key); err != nil {
			return err
		}
	}
	for _, s := range sources {
		if err := run.source(ctx, s); err != nil {
			return errors.Join(fmt.Errorf("%s: %w", s.name, err), run.out.Flush())
		}
	}
	if err := run.out.Flush(); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if opt.report {
		return a.maskReport(run)
	}
	return nil
}

// maskAsTenant has a run mask as the exports of its tenant do: by the ledger's
// policy, with the tenant's key. What it opens is closed by done.
func (a *app) maskAsTenant(ctx context.Context, run *maskRun, options *mask.Options) (done func() error, err error) {
	d, err := datadir.Open(ctx, a.dir, a.env)
	if err != nil {
		return nil, err
	}
	if run.policy, err = maskPolicy(d, func(c *datadir.MaskConfig) *datadir.MaskTypes { return c.Export }); err != nil {
		return nil, err
	}
	idKey, err := datadir.LoadIDKey(a.dir)
	if err != nil {
		return nil, err
	}
	keys, erased, err := a.openPseudonyms(ctx, d, idKey, "leave --tenant out")
	if err != nil {
		return nil, err
	}
	if err = erased.known(ctx, run.opt.tenant); err == nil {
		options.Key, err = keys.of(ctx, run.opt.tenant)
	}
	if err == nil {
		options.Suppressed, err = erased.of(ctx, run.opt.tenant)
	}
	if err != nil {
		return nil, errors.Join(err, keys.keys.Close())
	}
	return keys.keys.Close, nil
}

// maskRun is one mask under way.
type maskRun struct {
	opt    maskOptions
	policy *mask.Policy
	out    *bufio.Writer
	masker *mask.Masker
	number int64 // of the line
	masked []byte
	found  error // that explain met
}

func (r *maskRun) source(ctx context.Context, s source) error {
	in, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer in.Close()
	lines := bufio.NewReaderSize(in, 1<<18)
	var long []byte
	for {
		line, err := lines.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			if len(long)+len(line) > maxMaskLine {
				return failf(exitFailure, "split the record, or leave it out", "line %d is longer than %d bytes", r.number+1, maxMaskLine)
			}
			long = append(long, line...)
			continue
		}
		if len(long) > 0 {
			long = append(long, line...)
			line = long
		}
		if len(line) > 0 {
			if err := r.line(line); err != nil {
				return err
			}
		}
		long = long[:0]
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		if r.number%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// What --recheck may be.
const (
	recheckChanged = "changed"
	recheckFull    = "full"
)

// recheckEvery is the sample of unchanged lines that are scanned again.
const recheckEvery = 100

func (r *maskRun) line(line []byte) error {
	r.number++
	if r.opt.explain {
		r.masked = r.masker.Line(r.masked[:0], line)
		return r.found
	}
	var left []mask.Type
	r.masked, left = r.masker.Record(r.masked[:0], line, r.opt.recheck == recheckFull || r.number%recheckEvery == 0)
	if len(left) > 0 {
		return failf(exitFailure, "nothing of this line was written; please report the form of the value", "line %d: still found after masking: %v", r.number, left)
	}
	_, err := r.out.Write(r.masked)
	return err
}

// explained is a finding as --explain prints it: docs/cli-json.md.
type explained struct {
	Line       int64       `json:"line"`
	Field      string      `json:"field"`
	Type       mask.Type   `json:"type"`
	Rule       string      `json:"rule"`
	Confidence string      `json:"confidence"`
	Action     mask.Action `json:"action"`
	Start      int         `json:"start"`
	End        int         `json:"end"`
}

func (r *maskRun) explain(p mask.Place, action mask.Action) {
	text, err := jsonLine(explained{r.number, p.Field, p.Type, p.Rule, p.Confidence.String(), action, p.From, p.To})
	if err == nil {
		_, err = r.out.Write(text)
	}
	r.found = errors.Join(r.found, err)
}

func (a *app) maskReport(r *maskRun) error {
	counts := r.masker.Counts()
	w := tabwriter.NewWriter(a.stderr, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TYPE\tACTION\tCOUNT\tFIELD")
	for _, c := range slices.SortedFunc(maps.Keys(counts), func(x, y mask.Count) int {
		return cmp.Or(cmp.Compare(x.Type, y.Type), cmp.Compare(x.Field, y.Field), cmp.Compare(x.Action, y.Action))
	}) {
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\n", c.Type, c.Action, counts[c], visible(c.Field))
	}
	fmt.Fprintf(w, "\n%d lines; policy %s\n", r.number, r.policy.Version())
	return w.Flush()
}
