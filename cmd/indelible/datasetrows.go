package main

import (
	"bufio"
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
	"indelible/internal/dataset"
)

// latestOptions are the flags of dataset latest.
type latestOptions struct {
	placeOptions
	readOptions
	to        string
	overwrite bool
}

func (a *app) datasetLatestCommand() *cobra.Command {
	var opt latestOptions
	cmd := &cobra.Command{
		Use:   "latest DIR|s3://BUCKET/PREFIX",
		Short: "Print the last revision of each id of a chain, as JSON lines",
		Long: `Print the last revision of each id of a chain of exports, as JSON lines without
the members that begin with _export. Files are compared with the manifests as
they are read; that the manifests were recorded is for dataset verify to say.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			opt.out = args[0]
			return a.datasetLatest(cmd.Context(), opt)
		},
	}
	opt.readOptions.add(cmd)
	cmd.Flags().StringVar(&opt.to, "out", "", "write to FILE instead of standard output")
	cmd.Flags().BoolVar(&opt.overwrite, "overwrite", false, "replace FILE")
	return cmd
}

func (a *app) datasetLatest(ctx context.Context, opt latestOptions) error {
	o, err := a.openDataset(ctx, &opt.placeOptions, &opt.readOptions)
	if err != nil {
		return err
	}
	if opt.to == "" {
		w := bufio.NewWriterSize(a.stdout, 1<<18)
		err := o.Latest(ctx, func(_, line []byte) error {
			_, err := w.Write(line)
			return err
		})
		return exportError(errors.Join(err, w.Flush()))
	}
	place, file, err := a.openPlace(ctx, &placeOptions{out: opt.to}, true)
	if err != nil {
		return err
	}
	if file == "" {
		return usagef("name a file, such as latest.jsonl", "--out %s is a folder", opt.to)
	}
	f, err := place.Create(ctx, file, opt.overwrite)
	if err != nil {
		return exportError(err)
	}
	defer f.Abort()
	w := bufio.NewWriterSize(f, 1<<18)
	rows := 0
	err = o.Latest(ctx, func(_, line []byte) error {
		rows++
		_, err := w.Write(line)
		return err
	})
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = f.Commit(ctx)
	}
	if err != nil {
		return exportError(err)
	}
	fmt.Fprintf(a.stderr, "%s\n", count(rows, "row"))
	return nil
}

// openDataset reads the manifests of a dataset.
func (a *app) openDataset(ctx context.Context, at *placeOptions, read *readOptions) (*dataset.Opened, error) {
	place, file, err := a.openPlace(ctx, at, false)
	if err != nil {
		return nil, err
	}
	var r dataset.Reader
	if err := read.into(&r); err != nil {
		return nil, err
	}
	o, err := dataset.Open(ctx, place, file, r)
	if errors.Is(err, dataset.ErrNotExist) {
		return nil, usagef("name a file with its manifest beside it, or the folder that export wrote", "%s: %s", at.out, err)
	}
	return o, exportError(err)
}

func (a *app) datasetDiffCommand() *cobra.Command {
	var read readOptions
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "diff A B",
		Short: "Compare the rows of two datasets by their ids",
		Long: `Compare the rows of two datasets, of chains the last revisions, by their ids.
What was exported at other times, or in another form, is equal if the rows are.

Exit code 0: the same rows. 1: they differ.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.datasetDiff(cmd.Context(), args[0], args[1], &read, asJSON)
		},
	}
	read.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the difference as JSON")
	return cmd
}

func (a *app) datasetDiff(ctx context.Context, one, two string, read *readOptions, asJSON bool) error {
	x, err := a.openDataset(ctx, &placeOptions{out: one}, read)
	if err != nil {
		return err
	}
	y, err := a.openDataset(ctx, &placeOptions{out: two}, read)
	if err != nil {
		return err
	}
	d, err := dataset.Diff(ctx, x, y)
	if err != nil {
		return exportError(err)
	}
	if asJSON {
		line, err := jsonLine(d)
		if err == nil {
			err = writeJSON(a.stdout, line)
		}
		if err != nil {
			return err
		}
	} else {
		w := a.stdout
		fmt.Fprintf(w, "same        %d\nchanged     %d\nadded       %d\nremoved     %d\n", d.Same, d.Changed, d.Added, d.Removed)
		for _, c := range d.Columns {
			fmt.Fprintf(w, "columns     %s\n", visible(c))
		}
		for _, kind := range slices.Sorted(maps.Keys(d.Examples)) {
			fmt.Fprintf(w, "%-12s%s\n", kind, visible("for example "+strings.Join(d.Examples[kind][:min(3, len(d.Examples[kind]))], ", ")))
		}
	}
	if !d.Equal() {
		return quietExit(exitFailure)
	}
	return nil
}

func (a *app) datasetPurgeCommand() *cobra.Command {
	var apply bool
	cmd := &cobra.Command{
		Use:   "purge FILE|DIR|s3://BUCKET/PREFIX",
		Short: "Delete the files of a dataset, and record it",
		Long: `Name the files of a dataset, of a chain those of all links, and with --apply
delete them. That it is done is recorded in the ledger first. What the ledger
recorded of the export stays. A bucket that keeps versions keeps them.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.datasetPurge(cmd.Context(), &placeOptions{out: args[0]}, apply)
		},
	}
	cmd.Flags().BoolVar(&apply, "apply", false, "delete them")
	return cmd
}

func (a *app) datasetPurge(ctx context.Context, at *placeOptions, apply bool) error {
	o, err := a.openDataset(ctx, at, &readOptions{})
	if err != nil {
		return err
	}
	names := o.Files()
	if !apply {
		for _, name := range names {
			fmt.Fprintln(a.stdout, visible(name))
		}
		fmt.Fprintf(a.stderr, "nothing was deleted: --apply deletes these %s\n", count(len(names), "file"))
		return nil
	}
	if err := a.purge(ctx, at); err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "deleted     %s\n", count(len(names), "file"))
	return nil
}

// purge deletes a dataset, and records it.
func (a *app) purge(ctx context.Context, at *placeOptions) error {
	o, err := a.openDataset(ctx, at, &readOptions{})
	if err != nil {
		return err
	}
	record, job, err := a.purgeBook(ctx)
	if err != nil {
		return err
	}
	if err := o.Purge(ctx, record, job); err != nil {
		return exportError(err)
	}
	if !strings.HasPrefix(at.out, "s3://") {
		// The folder goes, too, if nothing else lies in it.
		os.Remove(filepath.Clean(at.out))
	}
	return nil
}

// purgeBook is where a deletion is recorded, and by whom.
func (a *app) purgeBook(ctx context.Context) (dataset.Recorder, *dataset.Job, error) {
	server, err := a.remote()
	if err != nil {
		return nil, nil, err
	}
	if server != nil {
		return server.newBook(), &dataset.Job{ActorKind: actorKind}, nil
	}
	d, err := datadir.Open(ctx, a.dir, a.env)
	if err != nil {
		return nil, nil, err
	}
	return &book{a, d}, &dataset.Job{Actor: whoAmI(), ActorKind: "asserted"}, nil
}
