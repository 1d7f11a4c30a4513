package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"indelible/internal/disk"
	"indelible/internal/store/dir"
)

func (a *app) tilesCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "tiles OUTDIR",
		Short: "Copy the published tree as static files that third-party tools can read",
		Long: `Copy the published tree into an empty folder, in the static layout of C2SP
tlog-tiles: checkpoint, tile/… and tile/entries/…, each proved before it is
written. The log's public key is put beside it as log.vkey. The checkpoint is
written last: a folder without one is not a whole copy.

The entries are leaves: hashes, times and numbers, nothing of the events.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.tiles(cmd.Context(), args[0]) },
	}
}

func (a *app) tiles(ctx context.Context, out string) error {
	if err := checkEmptyDir(out); err != nil {
		return err
	}
	r, err := a.openForReading(ctx)
	if err != nil {
		return err
	}
	if err := disk.OS.MkdirAll(out); err != nil {
		return err
	}
	to, err := dir.Open(disk.OS, out)
	if err != nil {
		return err
	}
	if err := writeFileAtomic(filepath.Join(out, "log.vkey"), []byte(r.vkey+"\n")); err != nil {
		return err
	}
	progress := newProgress(a.stderr, "leaves")
	err = r.CopyTiles(ctx, to, progress.update)
	progress.done()
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stderr, "copied the tree of %d leaves of %s\n", r.Checkpoint().Size, r.Checkpoint().Origin)
	return nil
}

// checkEmptyDir refuses a folder with something in it: what a broken run left
// there would be taken for part of this one.
func checkEmptyDir(name string) error {
	entries, err := os.ReadDir(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return usagef("name a folder that is empty or does not exist", "%s", err)
	case len(entries) > 0:
		return usagef("name a folder that is empty or does not exist", "%s is not empty", name)
	}
	return nil
}
