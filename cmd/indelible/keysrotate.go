package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"indelible/internal/datadir"
)

func (a *app) keysRotateRootCommand() *cobra.Command {
	var pseudonyms bool
	var tenant string
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Give the root key a new version and wrap all other keys under it",
		Long: `Give the root key a new version and wrap the tenants' keys under it. No record
is touched and nothing has to be verified again. A rotation that was
interrupted is done by running it again.

With --pseudonyms a tenant's data sets get pseudonyms of a new key instead: from
then on they do not join those from before. The log records the break.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case pseudonyms && tenant == "":
				return usagef("name the tenant whose data sets it is about", "--tenant is missing")
			case pseudonyms:
				return a.rotatePseudonyms(cmd.Context(), tenant)
			case tenant != "":
				return usagef("the root key is that of all tenants; say --pseudonyms for the key of a tenant's data sets", "--tenant without --pseudonyms")
			}
			return a.keysRotateRoot(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&pseudonyms, "pseudonyms", false, "rotate the key of pseudonyms in a tenant's data sets instead")
	cmd.Flags().StringVar(&tenant, "tenant", "", "the tenant, with --pseudonyms")
	return cmd
}

func (a *app) keysRotateRoot(ctx context.Context) error {
	d, err := datadir.Open(ctx, a.dir, a.env)
	if err != nil {
		return err
	}
	if !d.Encrypted() {
		return failf(exitFailure, "`indelible keys rotate-signer` gives the log a new key", "records of this ledger are not encrypted: there is no root key")
	}
	lock, err := waitLock(ctx, d)
	if err != nil {
		return err
	}
	defer lock.Release()
	keys, err := d.OpenKeys(ctx, false, a.env)
	if err != nil {
		return err
	}
	n, err := keys.Rotate(ctx)
	if err = errors.Join(err, keys.Close()); err != nil {
		return err
	}
	fmt.Fprintf(a.stderr, "the root key has a new version; %d tenants' keys are wrapped under it\n", n)
	fmt.Fprintf(a.stderr, "make a new backup with `indelible keys backup`\n")
	return nil
}
