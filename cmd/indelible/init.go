package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"indelible"
	"indelible/internal/datadir"
	"indelible/internal/govern"
)

func (a *app) initCommand() *cobra.Command {
	var opt struct {
		origin, lock, retention, prefix, checksum string
		createBucket, noEncryption, plaintext     bool
		root                                      rootChoice
		attach                                    attachOptions
	}
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Make a new ledger in a directory, or in S3 when S3_AUDIT_BUCKET is set",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if opt.attach.address != "" {
				return a.attach(cmd.Context(), opt.attach)
			}
			return a.init(cmd, opt.origin, opt.lock, opt.retention, opt.prefix, opt.checksum, opt.createBucket, opt.noEncryption, opt.plaintext, opt.root)
		},
	}
	f := cmd.Flags()
	f.StringVar(&opt.origin, "origin", "", "name of the log, a URL without scheme (default indelible.invalid/<random>)")
	f.StringVar(&opt.lock, "lock", "", "Object Lock mode: compliance, governance or none (default: governance on S3)")
	f.StringVar(&opt.retention, "retention", datadir.DefaultRetention.String(), "how long segments are locked")
	f.StringVar(&opt.prefix, "prefix", datadir.DefaultPrefix, "where in the store the log lies")
	f.StringVar(&opt.checksum, "checksum", "", "checksum S3 verifies: sha256, or md5 for stores that need the older one")
	f.BoolVar(&opt.createBucket, "create-bucket", false, "make the bucket, with Object Lock")
	f.BoolVar(&opt.noEncryption, "no-encryption", false, "records lie readable in the store, and nobody can be erased from it")
	f.StringVar(&opt.root.kind, "root", "file", "where the root key is that wraps all others: file, awskms or vault")
	f.StringVar(&opt.root.key, "root-key", "", "awskms: ARN or id of a symmetric key; vault: name of a transit key")
	f.StringVar(&opt.root.mount, "root-mount", "transit", "vault: where the transit engine is mounted")
	f.BoolVar(&opt.plaintext, "plaintext-compliance", false, "allow compliance locks on records that are not encrypted: nobody can erase them before their time")
	f.StringVar(&opt.attach.address, "attach", "", "continue the log at s3://bucket/prefix on this machine; the options below go with it")
	f.StringVar(&opt.attach.backup, "backup", "", "attach: backup of the log's keys")
	f.StringVar(&opt.attach.identity, "identity", "", "attach: age identity file that opens the backup")
	f.StringVar(&opt.attach.trusted, "trusted", "", "attach: checkpoint known to be good, which the log must continue")
	f.BoolVar(&opt.attach.expiredOK, "expired-ok", false, "attach: use the backup although its life has ended")
	return cmd
}

// rootChoice is where the root key is, as written on the command line.
type rootChoice struct{ kind, key, mount string }

// rootKey is the choice as the configuration keeps it. Addresses come from the
// variables the services' own tools read, and stay in the configuration.
func (a *app) rootKey(c rootChoice) (*datadir.KeysConfig, error) {
	if c.kind != "file" && c.key == "" {
		return nil, usagef("name the key with --root-key", "--root %s: which key?", c.kind)
	}
	switch c.kind {
	case "file":
		if c.key != "" {
			return nil, usagef("leave --root-key out, or choose --root awskms or vault", "--root-key: the root key is a file of this directory")
		}
		return &datadir.KeysConfig{Root: "file"}, nil
	case "awskms":
		return &datadir.KeysConfig{Root: "awskms", AWSKMS: &datadir.AWSKMS{Key: c.key, Region: a.env("AWS_REGION"), Endpoint: a.env("AWS_ENDPOINT_URL_KMS")}}, nil
	case "vault":
		if a.env("VAULT_ADDR") == "" {
			return nil, usagef("set VAULT_ADDR, as for Vault's own commands", "--root vault: where is it?")
		}
		return &datadir.KeysConfig{Root: "vault", Vault: &datadir.Vault{Address: a.env("VAULT_ADDR"), Mount: c.mount, Key: c.key, Namespace: a.env("VAULT_NAMESPACE")}}, nil
	}
	return nil, usagef("choose file, awskms or vault", "--root %q", c.kind)
}

// firstName is what the first operator is called.
const firstName = "first"

func (a *app) init(cmd *cobra.Command, origin, lock, retention, prefix, checksum string, createBucket, noEncryption, plaintext bool, root rootChoice) error {
	ctx := cmd.Context()
	keep, err := datadir.ParseDuration(retention)
	if err != nil {
		return usagef("write a number of days such as 400d, or hours such as 36h", "--retention: %s", err)
	}
	store := datadir.StoreConfig{Prefix: prefix, Lock: lock, Retention: keep, S3: datadir.S3FromEnv(a.env)}
	if err := store.SetDefaults(checksum, !noEncryption || plaintext); err != nil {
		return err
	}
	if store.S3 != nil {
		if err := a.prepareBucket(ctx, &store, createBucket); err != nil {
			return err
		}
	}
	choices := datadir.InitOptions{Origin: origin, Store: store, Operator: func() (indelible.PublicKey, error) { return a.firstOperator(firstName) }}
	if !noEncryption {
		if choices.Keys, err = a.rootKey(root); err != nil {
			return err
		}
	}
	d, err := datadir.Init(ctx, a.dir, choices, a.env)
	if err != nil {
		return err
	}
	if err := a.publishGenesis(ctx, d); err != nil {
		return err
	}
	vkey, err := d.VerifierKey()
	if err != nil {
		return err
	}
	w := a.stderr
	fmt.Fprintf(w, "ledger      %s\n", d.Config.Origin)
	fmt.Fprintf(w, "directory   %s\n", a.dir)
	fmt.Fprintf(w, "store       %s\n", store.Describe())
	fmt.Fprintf(w, "public key  %s\n", filepath.Join(a.dir, "log.vkey"))
	fmt.Fprintf(w, "            hand it to whoever is to verify this log; `verify` trusts nothing else\n")
	fmt.Fprintf(w, "keys        %s\n", filepath.Join(a.dir, "keys"))
	fmt.Fprintf(w, "            back them up with `indelible keys backup`; without them the log cannot go on\n")
	if d.Encrypted() && d.Config.Keys.Root != "file" {
		fmt.Fprintf(w, "encryption  on; the root key is in %s, a backup holds the key store, and without these two nobody can read a record\n", root.kind)
	} else if d.Encrypted() {
		fmt.Fprintf(w, "encryption  on; a backup holds the root key and the key store, and without these nobody can read a record\n")
	} else {
		fmt.Fprintf(w, "encryption  none: whoever can read the store can read the records\n")
	}
	fmt.Fprintf(w, "operator    %s; more with `indelible keys operator add NAME`: two decide what is erased\n", govern.OperatorPath(a.dir, firstName))
	fmt.Fprintf(w, "deletion    %s\n", store.WhoCanDelete())
	fmt.Fprintln(a.stdout, vkey)
	return nil
}
