package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/spf13/cobra"

	"indelible"
	"indelible/internal/datadir"
	"indelible/internal/handover"
	"indelible/internal/importer"
	"indelible/internal/ledger"
	"indelible/internal/recorder"
)

type appendOptions struct {
	writeOptions
	from       string
	ack        string
	rejects    string
	keepFailed bool
	quiet      bool
}

func (a *app) appendCommand() *cobra.Command {
	var opt appendOptions
	cmd := &cobra.Command{
		Use:   "append [FILE…|-]",
		Short: "Record events and print a receipt for each",
		Long: `Record events from files, folders, s3://bucket/prefix or standard input (-),
and print one receipt (JSON) a line for each. What is refused is written to
the rejects file; everything else is recorded, and the exit code is 3.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return a.append(cmd.Context(), args, opt) },
	}
	f := cmd.Flags()
	f.StringVar(&opt.from, "from", "jsonl", "what the input is: jsonl, legacy (the former logger) or cloudtrail")
	f.StringVar(&opt.ack, "ack", "store", "when a receipt is given: store (in the log) or journal (safe on this disk)")
	f.StringVar(&opt.rejects, "rejects", "", "file for refused input (default in the data directory)")
	f.BoolVar(&opt.keepFailed, "keep-failed", false, "legacy: record events whose old hash does not match, marked")
	f.BoolVarP(&opt.quiet, "quiet", "q", false, "print no receipts")
	addWriteFlags(cmd, &opt.writeOptions)
	return cmd
}

func addWriteFlags(cmd *cobra.Command, opt *writeOptions) {
	cmd.Flags().BoolVar(&opt.takeOver, "take-over", false, "continue a log that another data directory wrote last; fences that writer out")
}

const appendBatch = 512

// reader splits an input into records.
type reader func(io.Reader) iter.Seq2[importer.Record, error]

func readerFor(format string, keepFailed bool) reader {
	switch format {
	case "jsonl":
		return importer.JSONL
	case "cloudtrail":
		return importer.CloudTrail
	case "legacy":
		return func(r io.Reader) iter.Seq2[importer.Record, error] { return importer.Legacy(r, keepFailed) }
	}
	return nil
}

func (a *app) append(ctx context.Context, args []string, opt appendOptions) error {
	if opt.ack != indelible.DurableStore && opt.ack != indelible.DurableJournal {
		return usagef("choose store or journal", "--ack %q", opt.ack)
	}
	if opt.from != "legacy" && opt.keepFailed {
		return usagef("it goes with --from legacy", "--keep-failed")
	}
	read := readerFor(opt.from, opt.keepFailed)
	if read == nil {
		return usagef("choose jsonl, legacy or cloudtrail", "--from %q", opt.from)
	}
	if opt.takeOver {
		fmt.Fprintln(a.stderr, "taking over: a writer elsewhere is fenced out from now on")
	}
	d, err := datadir.Open(ctx, a.dir, a.env)
	if err != nil {
		return err
	}
	sources, err := a.sources(ctx, args)
	if err != nil {
		return err
	}
	run := &appendRun{app: a, dir: d, opt: opt, rejects: &rejects{dir: a.dir, name: opt.rejects}}
	return run.all(ctx, sources, read)
}

// appendRun is one append under way.
type appendRun struct {
	app     *app
	dir     *datadir.Directory
	road    road
	opt     appendOptions
	rejects *rejects

	batch   []*indelible.Event
	origins []origin
	waiting []waiting
	out     bytes.Buffer
	counts  counts
	isAway  bool // the store is: receipts say `journal`
}

// origin is where an event came from, for the rejects file.
type origin struct {
	file   string
	number int64
	raw    []byte
}

type waiting struct {
	pending *recorder.Pending
	origin  origin
}

type counts struct {
	recorded, repeats, conflicts, refused, journal, stringified int
}

func (r *appendRun) all(ctx context.Context, sources []source, read reader) (err error) {
	if r.road, err = r.app.findRoad(ctx, r.dir, r.opt.writeOptions); err != nil {
		return err
	}
	for _, src := range sources {
		if err = r.one(ctx, src, read); err != nil {
			break
		}
	}
	if err == nil {
		err = r.record(ctx)
	}
	if err == nil {
		err = r.receipts(ctx, 0)
	}
	if err == nil {
		err = r.finish(ctx)
	}
	return errors.Join(err, r.road.Close(), r.rejects.close())
}

// away notes that the store does not answer: the rest is acknowledged `journal`.
func (r *appendRun) away(why error) {
	if why != nil && !r.isAway {
		what := "the store does not answer"
		if errors.Is(why, ledger.ErrClock) {
			what = "commits have stopped"
		}
		fmt.Fprintf(r.app.stderr, "%s; events are safe in the journal and go to the store later: %s\n", what, why)
		if _, hint := classify(why); hint != "" {
			fmt.Fprintf(r.app.stderr, "hint: %s\n", hint)
		}
		r.isAway = true
	}
}

func (r *appendRun) one(ctx context.Context, src source, read reader) error {
	in, err := src.open(ctx)
	if err != nil {
		return err
	}
	defer in.Close()
	for rec, err := range read(in) {
		if err != nil {
			return fmt.Errorf("read %s: %w", src.name, err)
		}
		r.counts.stringified += rec.Stringified
		if rec.Err != nil {
			if err := r.reject(origin{src.name, rec.Number, rec.Raw}, rec.Err); err != nil {
				return err
			}
			continue
		}
		r.batch = append(r.batch, rec.Event)
		r.origins = append(r.origins, origin{src.name, rec.Number, bytes.Clone(rec.Raw)})
		if len(r.batch) >= appendBatch {
			if err := r.record(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// record journals the batch and hands out receipts of the ones before.
func (r *appendRun) record(ctx context.Context) error {
	if len(r.batch) == 0 {
		return nil
	}
	opt := recorder.Options{AwaitStore: r.opt.ack == indelible.DurableStore && !r.isAway, Import: r.opt.from != "jsonl"}
	pending, away, err := r.road.Record(ctx, r.batch, opt)
	for errors.Is(err, handover.ErrGone) {
		// The process that took our events ended. The batch has its ids, so
		// what of it was recorded is not recorded again.
		r.road.Close()
		if r.road, err = r.app.findRoad(ctx, r.dir, r.opt.writeOptions); err == nil {
			pending, away, err = r.road.Record(ctx, r.batch, opt)
		}
	}
	if err != nil {
		return err
	}
	r.away(away)
	for i, p := range pending {
		r.waiting = append(r.waiting, waiting{p, r.origins[i]})
	}
	r.batch, r.origins = r.batch[:0], r.origins[:0]
	return r.receipts(ctx, 32*appendBatch)
}

// receipts prints receipts in the order of the input until at most keep are left.
func (r *appendRun) receipts(ctx context.Context, keep int) error {
	for len(r.waiting) > keep {
		w := r.waiting[0]
		r.waiting = r.waiting[1:]
		if err := w.pending.Err; err != nil {
			// A key or a store that is not to be had is no fault of the event.
			if !errors.As(err, new(*indelible.FieldError)) && !errors.Is(err, recorder.ErrConflict) {
				return errors.Join(r.flush(), err)
			}
			if err := r.reject(w.origin, err); err != nil {
				return err
			}
			continue
		}
		receipt, err := r.wait(ctx, w.pending)
		if err != nil {
			return err
		}
		r.count(&receipt)
		if r.opt.quiet {
			continue
		}
		line, err := json.Marshal(receipt)
		if err != nil {
			return err
		}
		r.out.Write(line)
		r.out.WriteByte('\n')
		if r.out.Len() > 1<<16 {
			if err := r.flush(); err != nil {
				return err
			}
		}
	}
	return r.flush()
}

func (r *appendRun) flush() error {
	_, err := r.out.WriteTo(r.app.stdout)
	return err
}

// wait waits for an event's place, as long as the store answers.
func (r *appendRun) wait(ctx context.Context, p *recorder.Pending) (indelible.Receipt, error) {
	if r.isAway {
		return p.Settle(), nil
	}
	receipt, away, err := p.WaitWhileStoreAnswers(ctx, storeWait)
	r.away(away)
	return receipt, err
}

func (r *appendRun) count(receipt *indelible.Receipt) {
	switch {
	case receipt.Repeat:
		r.counts.repeats++
	case receipt.Conflict:
		r.counts.conflicts++
	default:
		r.counts.recorded++
	}
	if receipt.Durability == indelible.DurableJournal {
		r.counts.journal++
	}
}

func (r *appendRun) reject(o origin, reason error) error {
	r.counts.refused++
	return r.rejects.add(o, reason)
}

// finish drains and publishes, and says what was done.
func (r *appendRun) finish(ctx context.Context) error {
	if !r.isAway {
		away, err := r.road.Flush(ctx)
		if err != nil && !errors.Is(err, handover.ErrGone) {
			return err // a holder that ends publishes
		}
		r.away(away)
	}
	c := &r.counts
	w := r.app.stderr
	fmt.Fprintf(w, "%d recorded", c.recorded)
	for _, part := range []struct {
		n    int
		what string
	}{{c.repeats, "were there already"}, {c.conflicts, "kept as conflicts"}, {c.journal, "in the journal only"}, {c.refused, "refused"}} {
		if part.n > 0 {
			fmt.Fprintf(w, ", %d %s", part.n, part.what)
		}
	}
	fmt.Fprintln(w)
	if c.stringified > 0 {
		fmt.Fprintf(w, "%d numbers that JSON cannot carry exactly became strings\n", c.stringified)
	}
	if c.refused > 0 {
		fmt.Fprintf(w, "%s\nrefused input is in %s\n", r.rejects.first, r.rejects.path())
		return quietExit(exitPartial)
	}
	return nil
}
