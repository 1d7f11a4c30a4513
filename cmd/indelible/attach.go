package main

import (
	"context"
	"fmt"
	"path/filepath"

	"indelible/internal/datadir"
)

// attachOptions are the flags of init --attach.
type attachOptions struct {
	restoreOptions
	address, backup, trusted string
}

// attach continues an existing log from this machine. It writes nothing to the log.
func (a *app) attach(ctx context.Context, opt attachOptions) error {
	switch {
	case opt.backup == "":
		return usagef("give it with --backup FILE, made by `indelible keys backup`", "--attach needs the log's keys")
	case opt.trusted == "":
		return usagef("give it with --trusted FILE: the last checkpoint you know to be good, as `indelible verify` or a witness keeps it", "--attach needs a checkpoint to trust")
	}
	b, err := opt.open(opt.backup)
	if err != nil {
		return err
	}
	trusted, err := readFileFlag("--trusted", opt.trusted)
	if err != nil {
		return err
	}
	d, err := datadir.Attach(ctx, a.dir, opt.address, b, trusted, a.env)
	if err != nil {
		return err
	}
	vkey, err := d.VerifierKey()
	if err != nil {
		return err
	}
	w := a.stderr
	fmt.Fprintf(w, "ledger      %s\n", d.Config.Origin)
	fmt.Fprintf(w, "directory   %s\n", a.dir)
	fmt.Fprintf(w, "store       %s\n", d.Config.Store.Describe())
	fmt.Fprintf(w, "public key  %s\n", filepath.Join(a.dir, "log.vkey"))
	fmt.Fprintf(w, "deletion    %s\n", d.Config.Store.WhoCanDelete())
	fmt.Fprintf(w, "nothing was written to the log; the first `append` here needs --take-over,\n")
	fmt.Fprintf(w, "which fences out the machine that wrote it so far\n")
	fmt.Fprintln(a.stdout, vkey)
	return nil
}
