package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"
)

func (a *app) showCommand() *cobra.Command {
	var tenant string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show INDEX|EVENT_ID",
		Short: "Show one event, or another leaf of the log, proved before it is shown",
		Long: `Show one event, named by its id or its place in the log, or one of the
log's own leaves. It is proved to be under the checkpoint before it is shown.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.show(cmd.Context(), args[0], tenant, asJSON) },
	}
	cmd.Flags().StringVar(&tenant, "tenant", "", "the tenant whose event it is, when several have one with this id")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

func (a *app) show(ctx context.Context, what, tenant string, asJSON bool) error {
	r, err := a.openForReading(ctx)
	if err != nil {
		return err
	}
	index, err := r.locate(ctx, a, what, tenant)
	if err != nil {
		return err
	}
	found, err := r.Entry(ctx, index)
	if err != nil {
		return err
	}
	e, event, err := newEntry(found, r.Checkpoint().Size, r.sealer)
	if err != nil {
		return err
	}
	if asJSON {
		line, err := e.line()
		if err != nil {
			return err
		}
		return writeJSON(a.stdout, line)
	}
	w := a.stdout
	fmt.Fprintf(w, "index       %d\n", e.Index)
	fmt.Fprintf(w, "kind        %s\n", e.Kind)
	fmt.Fprintf(w, "segment     %d\n", e.Segment)
	fmt.Fprintf(w, "committed   %s\n", e.Time)
	if e.TenantNo > 0 {
		name := ""
		if event != nil {
			name = field(event.TenantID) + ", "
		}
		fmt.Fprintf(w, "tenant      %snumber %d; its leaf %d\n", name, e.TenantNo, e.Leaf.TenantSeq)
	}
	fmt.Fprintf(w, "leaf        %s\n", e.Leaf.Hash)
	fmt.Fprintf(w, "proved      in the tree of %d leaves of %s\n\n", e.TreeSize, r.Checkpoint().Origin)
	if e.Missing != "" {
		fmt.Fprintf(w, "%s\nwhat is left of it:\n\n", visible(e.Missing))
	}
	return writeIndented(a, e.Event, e.Members, e.Content)
}

// writeIndented writes the first JSON text there is for a person.
func writeIndented(a *app, texts ...json.RawMessage) error {
	for _, text := range texts {
		if len(text) == 0 {
			continue
		}
		var b bytes.Buffer
		if err := json.Indent(&b, text, "", "  "); err != nil {
			return err
		}
		b.WriteByte('\n')
		_, err := a.stdout.Write(safeJSON(b.Bytes()))
		return err
	}
	return nil
}
