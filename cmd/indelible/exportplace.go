package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"indelible/internal/dataset"
	"indelible/internal/dataset/folder"
)

// placeOptions say where a dataset lies.
type placeOptions struct {
	out string
}

func (o *placeOptions) add(*cobra.Command) {}

// openPlace opens the place that --out, or an argument, names: file is the name
// of the one file, or empty for a folder. A name that ends in a slash, has no
// extension, or is a folder's is a folder.
func (a *app) openPlace(_ context.Context, o *placeOptions, writing bool) (place dataset.Place, file string, err error) {
	out := o.out
	if !writing {
		out = strings.TrimSuffix(out, ".manifest.json")
	}
	path := filepath.Clean(out)
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return folder.New(path), "", nil
	case err == nil && !writing, err != nil && !strings.HasSuffix(out, "/") && filepath.Ext(path) != "", err == nil:
		return folder.New(filepath.Dir(path)), filepath.Base(path), nil
	}
	return folder.New(path), "", nil
}

// form fills in format and compression, by the flags and by the name of --out.
func (o *exportOptions) form(job *dataset.Job) error {
	job.Format, job.Compression = o.format, o.compress
	if job.Format == "" {
		job.Format = "jsonl"
	}
	if job.Compression == "" {
		job.Compression = "none"
	}
	if job.Format != "jsonl" {
		return usagef("choose jsonl", "--format %q", job.Format)
	}
	if job.Compression != "none" {
		return usagef("choose none", "--compress %q", job.Compression)
	}
	return nil
}

// unpacking says how files are read back.
func (o *datasetVerifyOptions) unpacking(*dataset.Check) error { return nil }
