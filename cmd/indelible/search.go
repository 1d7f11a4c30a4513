package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"indelible"
	"indelible/internal/datadir"
	"indelible/internal/history"
	"indelible/internal/recorder"
	"indelible/internal/search"
	"indelible/internal/search/sqlite"
)

type searchOptions struct {
	since, until string
	text         string
	order        string
	limit        int
	json, csv    bool
}

func (a *app) searchCommand() *cobra.Command {
	var opt searchOptions
	cmd := &cobra.Command{
		Use:   "search",
		Short: "Find events by what they say",
		Long: `Find events: all conditions given must hold. The index that is used follows the
log and is brought up to it first; each event it finds is read from the log,
proved, and compared with the conditions before it is shown. The newest in the
log come first. Events of the log's own tenants, whose names begin with _, are
found when --tenant-id names one.`,
		Example: `  indelible search --tenant-id acme --user-id maria --since 7d
  indelible search --event-type data_access --outcome failure --csv
  indelible search --q "invoice delete" --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			where := make(map[string]string)
			for _, name := range search.Fields {
				if f := cmd.Flags().Lookup(flagOf(name)); f.Changed {
					where[name] = f.Value.String()
				}
			}
			if f := cmd.Flags().Lookup("tenant"); f.Changed {
				where["tenant_id"] = f.Value.String()
			}
			return a.search(cmd.Context(), where, opt)
		},
	}
	f := cmd.Flags()
	for _, name := range search.Fields {
		f.String(flagOf(name), "", "events whose "+name+" is this")
	}
	f.StringVar(&opt.since, "since", "", "events that happened then or later: a time, a day, or how long ago, as 36h or 7d")
	f.StringVar(&opt.until, "until", "", "events that happened before")
	f.StringVar(&opt.text, "q", "", "events with all these words in their resource or action")
	f.StringVar(&opt.order, "order", "newest", "newest (in the log) first, or log")
	f.IntVar(&opt.limit, "limit", 50, "how many at most")
	f.BoolVar(&opt.json, "json", false, "print one JSON object a line, as show does")
	f.BoolVar(&opt.csv, "csv", false, "print a CSV table")
	f.String("tenant", "", "as --tenant-id; other commands call it so")
	f.MarkHidden("tenant")
	cmd.AddCommand(a.searchRebuildCommand())
	return cmd
}

func flagOf(field string) string { return strings.ReplaceAll(field, "_", "-") }

func (a *app) searchRebuildCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "rebuild",
		Short: "Make the search index again from the log",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.searchRebuild(cmd.Context()) },
	}
}

// parseWhen reads a time of a search: RFC 3339, a day, or how long ago.
func parseWhen(flag, s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if t, err := indelible.ParseTimestamp(s); err == nil {
		return t, nil
	}
	if t, err := time.Parse(time.DateOnly, s); err == nil {
		return t, nil
	}
	if d, err := datadir.ParseDuration(s); err == nil {
		return time.Now().Add(-time.Duration(d)), nil
	}
	return time.Time{}, usagef("write it as 2024-10-25T14:03:11Z, 2024-10-25, 36h or 7d", "%s %q is not a time", flag, s)
}

func (o *searchOptions) query(where map[string]string) (q search.Query, err error) {
	q = search.Query{Where: where, Text: o.text, Limit: o.limit}
	if q.Since, err = parseWhen("--since", o.since); err != nil {
		return q, err
	}
	if q.Until, err = parseWhen("--until", o.until); err != nil {
		return q, err
	}
	switch o.order {
	case "newest":
	case "log":
		q.LogOrder = true
	default:
		return q, usagef("choose newest or log", "--order %q", o.order)
	}
	if err := q.Check(); err != nil {
		return q, usagef("run `indelible search --help` for its flags", "%w", err)
	}
	return q, nil
}

func (a *app) search(ctx context.Context, where map[string]string, opt searchOptions) error {
	q, err := opt.query(where)
	if err != nil {
		return err
	}
	if opt.json && opt.csv {
		return usagef("choose one of them", "--json and --csv")
	}
	r, err := a.openForReading(ctx)
	if err != nil {
		return err
	}
	ix, err := a.openIndex(ctx, r)
	if err != nil {
		return err
	}
	defer ix.Close()
	log := &history.Log{Reader: r.Reader, Sealer: r.sealer}
	if q.End, err = a.catchUp(ctx, ix, log); err != nil {
		return err
	}
	return a.printFound(search.Results(ctx, ix, q, log.Read), q.End, r.sealer, opt)
}

const rebuildHint = "make the index again with `indelible search rebuild`"

// openIndex opens the search index of the log, or makes an empty one.
func (a *app) openIndex(ctx context.Context, r *reading) (*sqlite.Index, error) {
	ix, err := sqlite.Open(ctx, a.indexPath(), r.name)
	if err != nil {
		return nil, failf(exitFailure, rebuildHint, "%w", err)
	}
	return ix, nil
}

func (a *app) indexPath() string { return filepath.Join(a.dir, "search", "index.db") }

// catchUp brings the index up to the log and returns how far it then is.
func (a *app) catchUp(ctx context.Context, ix search.Index, log *history.Log) (uint64, error) {
	p := newProgress(a.stderr, "leaves indexed")
	defer p.done()
	size, err := search.CatchUp(ctx, ix, log, p.update)
	if errors.Is(err, search.ErrOther) {
		err = failf(exitFailure, rebuildHint, "%w", err)
	}
	return size, err
}

func (a *app) searchRebuild(ctx context.Context) error {
	r, err := a.openForReading(ctx)
	if err != nil {
		return err
	}
	ix, err := a.openIndex(ctx, r)
	if err != nil {
		// Nothing of it is needed.
		if err := sqlite.Remove(a.indexPath()); err != nil {
			return err
		}
		if ix, err = a.openIndex(ctx, r); err != nil {
			return err
		}
	}
	defer ix.Close()
	if err := ix.Reset(ctx); err != nil {
		return err
	}
	begun := time.Now()
	size, err := a.catchUp(ctx, ix, &history.Log{Reader: r.Reader, Sealer: r.sealer})
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stderr, "the index holds the events among %d leaves, made in %s\n", size, time.Since(begun).Round(10*time.Millisecond))
	return nil
}

// printFound prints events in the order found.
func (a *app) printFound(found iter.Seq2[*history.Found, error], size uint64, sealer recorder.Sealer, opt searchOptions) error {
	n := 0
	table := &eventTable{w: a.stdout}
	csv := newEventCSV(a.stdout)
	for f, err := range found {
		if err != nil {
			return errors.Join(table.flush(), csv.flush(), err)
		}
		n++
		switch {
		case opt.json:
			e, _, err := newEntry(f.Entry, size, sealer)
			if err != nil {
				return err
			}
			line, err := e.line()
			if err == nil {
				err = writeJSON(a.stdout, line)
			}
			if err != nil {
				return err
			}
		case opt.csv:
			if err := csv.add(f); err != nil {
				return err
			}
		default:
			if err := table.add(f.Event, f.Index); err != nil {
				return err
			}
		}
	}
	if opt.csv {
		return csv.end()
	}
	if n == 0 {
		fmt.Fprintf(a.stderr, "nothing found among %d leaves\n", size)
	}
	return table.flush()
}
