package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"indelible"
	"indelible/internal/ledger"
	"indelible/internal/store"
)

type tailOptions struct {
	follow bool
	n      int
	tenant string
	json   bool
}

func (a *app) tailCommand() *cobra.Command {
	var opt tailOptions
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "Show the latest events, and with -f the ones that follow",
		Long: `Show the latest published events in the order of the log: when they happened,
tenant, actor, action, resource, outcome and index. Events of the log's own
tenants, whose names begin with _, are shown when --tenant names one.

With -f new events are shown as they are published; Ctrl-C ends it, with exit
code 130.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.tail(cmd.Context(), opt) },
	}
	f := cmd.Flags()
	f.BoolVarP(&opt.follow, "follow", "f", false, "go on with what is published from now on")
	f.IntVarP(&opt.n, "lines", "n", 10, "how many of the latest events")
	f.StringVar(&opt.tenant, "tenant", "", "only events of this tenant")
	f.BoolVar(&opt.json, "json", false, "print one JSON object a line")
	return cmd
}

// followEvery is how often the checkpoint is read while following.
const followEvery = time.Second

func (a *app) tail(ctx context.Context, opt tailOptions) error {
	if opt.n < 0 {
		return usagef("give the number of events to show", "-n %d", opt.n)
	}
	r, err := a.openForReading(ctx)
	if err != nil {
		return err
	}
	t := &tailing{app: a, reading: r, opt: opt, table: eventTable{w: a.stdout}}
	if err := t.learnTenants(ctx); err != nil {
		return err
	}
	if opt.tenant != "" && !opt.follow && !slices.Contains(t.shown, true) {
		return r.notFound("an event", opt.tenant)
	}
	if err := t.print(r.Newest(ctx, opt.n, t.wanted)); err != nil || !opt.follow {
		return err
	}
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	away := false
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		// A store that is away for a while is waited for.
		err := t.next(ctx)
		if err != nil && !errors.Is(err, store.ErrUnavailable) {
			return err
		}
		if err != nil && !away {
			fmt.Fprintf(a.stderr, "the store does not answer; waiting for it: %s\n", err)
		}
		away = err != nil
	}
}

// tailing is one tail under way.
type tailing struct {
	app *app
	*reading
	opt   tailOptions
	shown []bool // whether events of tenant number − 1 are shown
	table eventTable
	from  uint64 // where following goes on
}

// learnTenants notes whose events are shown, as of the checkpoint.
func (t *tailing) learnTenants(ctx context.Context) error {
	names, err := t.Tenants(ctx, t.sealer)
	if err != nil {
		return err
	}
	var refs []indelible.Ref
	if t.opt.tenant != "" && t.idKey != nil {
		if refs, err = t.TenantRefs(ctx); err != nil {
			return err
		}
	}
	t.shown = t.shown[:0]
	for i, name := range names {
		switch {
		case t.opt.tenant == "":
			t.shown = append(t.shown, !strings.HasPrefix(name, indelible.ReservedTenantPrefix))
		case i < len(refs): // the name of a tenant that was erased cannot be read
			t.shown = append(t.shown, refs[i] == indelible.TenantRef(t.idKey, t.opt.tenant))
		default:
			t.shown = append(t.shown, name == t.opt.tenant)
		}
	}
	if t.from == 0 {
		t.from = t.Checkpoint().Size
	}
	return nil
}

func (t *tailing) wanted(l *indelible.Leaf) bool {
	return l.Kind.Recorded() && l.TenantNo > 0 && l.TenantNo <= uint64(len(t.shown)) && t.shown[l.TenantNo-1]
}

// next shows what was published since the last time. After an error it can be
// called again: it goes on after the last event shown.
func (t *tailing) next(ctx context.Context) error {
	if err := t.Refresh(ctx); err != nil || t.Checkpoint().Size == t.from {
		return err
	}
	if err := applyFences(ctx, t.Reader, t.sealer); err != nil {
		return err
	}
	if err := t.learnTenants(ctx); err != nil {
		return err
	}
	if err := t.print(t.Since(ctx, t.from, t.wanted)); err != nil {
		return err
	}
	t.from = t.Checkpoint().Size
	return nil
}

func (t *tailing) print(entries iter.Seq2[*ledger.Entry, error]) error {
	for found, err := range entries {
		if err != nil {
			return errors.Join(t.table.flush(), err)
		}
		e, event, err := newEntry(found, t.Checkpoint().Size, t.sealer)
		if err != nil {
			return errors.Join(t.table.flush(), err)
		}
		if t.from <= found.Index {
			t.from = found.Index + 1
		}
		if t.opt.json {
			line, err := e.line()
			if err == nil {
				err = writeJSON(t.app.stdout, line)
			}
			if err != nil {
				return err
			}
			continue
		}
		if err := t.table.add(event, found.Index); err != nil {
			return err
		}
	}
	return t.table.flush()
}
