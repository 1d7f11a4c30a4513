package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"indelible/internal/backup"
	"indelible/internal/datadir"
	"indelible/internal/disk"
	"indelible/internal/govern"
)

func (a *app) keysBackupCommand() *cobra.Command {
	var opt struct {
		to        []string
		out, life string
	}
	cmd := &cobra.Command{
		Use:   "backup",
		Short: "Encrypt the log's keys to an age recipient, to be kept elsewhere",
		Long: `Encrypt what the log needs to go on elsewhere: log keys, id key, origin, log
id, the largest tree signed, where the store is, and where records are encrypted
the root key, if it is a file, and the key store. Not in it: the writer key,
which every directory draws for itself, and credentials. Make an identity with
age-keygen, keep it away from this machine, and give its recipient here.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.keysBackup(cmd.Context(), opt.to, opt.out, opt.life)
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&opt.to, "to", nil, "age recipient (age1…); may be given several times, each can open the backup alone")
	f.StringVar(&opt.out, "out", "", "file to write (default: standard output)")
	f.StringVar(&opt.life, "life", "90d", "how long the backup may be restored")
	return cmd
}

func (a *app) keysBackup(ctx context.Context, to []string, out, life string) error {
	c, err := datadir.LoadConfig(a.dir)
	if err != nil {
		return err
	}
	d := &datadir.Directory{Path: a.dir, Config: c} // the store is not needed
	lasts, err := datadir.ParseDuration(life)
	if err != nil || lasts == 0 {
		return usagef("write a number of days such as 90d", "--life %q", life)
	}
	if len(to) == 0 {
		return usagef("give the recipient with --to age1…; age-keygen makes one", "a backup needs somebody it is encrypted to")
	}
	b, err := d.Backup(ctx, lasts)
	if errors.Is(err, datadir.ErrRotating) {
		return failf(exitFailure, "finish it with `indelible keys rotate-signer`", "%w", err)
	}
	if err != nil {
		return err
	}
	plain, err := json.Marshal(b)
	if err != nil {
		return err
	}
	file, err := backup.Encrypt(plain, to)
	if err != nil {
		return usagef("give recipients as age1…", "--to: %s", err)
	}
	// Before it is handed out: an erasure is final once no backup is left.
	if err := govern.NoteBackup(a.dir, b.Created, b.Expires); err != nil {
		return err
	}
	if out == "" {
		if _, err := a.stdout.Write(file); err != nil {
			return err
		}
	} else if err := disk.CreateFile(disk.OS, out, file); err != nil {
		// One that was not written brings no key back, and must not count as one.
		err = errors.Join(err, govern.ForgetBackup(a.dir, b.Created))
		if errors.Is(err, os.ErrExist) {
			return usagef("choose another name; backups are not overwritten", "--out: %s exists", out)
		}
		return err
	}
	fmt.Fprintf(a.stderr, "backup of %s, to be restored until %s\n", b.Origin, b.Expires.Format(time.DateOnly))
	return nil
}

// unbacked says which keys of an encrypted log die with this disk; empty: none.
func (a *app) unbacked(ctx context.Context, d *datadir.Directory) (string, error) {
	if !d.Encrypted() {
		return "", nil
	}
	last, err := govern.LastBackup(d.Path, time.Now())
	if err != nil {
		return "", err
	}
	since, all, err := d.KeysSince(ctx, last, a.env)
	switch {
	case err != nil || since == 0 && !last.IsZero():
		return "", err
	case last.IsZero():
		return fmt.Sprintf("no backup of the keys is noted here; with this disk go the log's own and %d that records are sealed with", all), nil
	}
	return fmt.Sprintf("%d of %d keys that records are sealed with were made since the backup of %s; with this disk goes what they open", since, all, last.Format(time.RFC3339)), nil
}

const backupHint = "`indelible keys backup --to age1…`, on a schedule"

// restoreOptions are what is needed to open a backup.
type restoreOptions struct {
	identity  string
	expiredOK bool
}

func (o *restoreOptions) open(name string) (*datadir.Backup, error) {
	if o.identity == "" {
		return nil, usagef("give it with --identity FILE", "a backup is opened with the age identity it was encrypted to")
	}
	identities, err := readFileFlag("--identity", o.identity)
	if err != nil {
		return nil, err
	}
	file, err := readFileFlag("backup", name)
	if err != nil {
		return nil, err
	}
	plain, err := backup.Decrypt(bytes.NewReader(file), bytes.NewReader(identities))
	if err != nil {
		return nil, failf(exitFailure, "use the identity whose recipient the backup was made for", "%s: %w", name, err)
	}
	b, err := datadir.ParseBackup(plain)
	if err != nil {
		return nil, failf(exitFailure, "name a file that `indelible keys backup` made", "%s: %w", name, err)
	}
	if err := b.Check(o.expiredOK); err != nil {
		return nil, failf(exitFailure, "use a newer backup, or add --expired-ok: keys may have been rotated or destroyed since", "%s: %w", name, err)
	}
	return b, nil
}

func (a *app) keysRestoreCommand() *cobra.Command {
	var opt restoreOptions
	cmd := &cobra.Command{
		Use:   "restore BACKUP",
		Short: "Bring back the keys a data directory has lost",
		Long: `Bring back the keys a data directory has lost. A key that is there is never
replaced by another. On a new machine use init --attach instead.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.keysRestore(cmd.Context(), opt, args[0]) },
	}
	f := cmd.Flags()
	f.StringVar(&opt.identity, "identity", "", "age identity file")
	f.BoolVar(&opt.expiredOK, "expired-ok", false, "restore although the backup's life has ended")
	return cmd
}

func (a *app) keysRestore(ctx context.Context, opt restoreOptions, name string) error {
	d, err := datadir.Open(ctx, a.dir, a.env)
	if errors.Is(err, datadir.ErrNoLedger) {
		return failf(exitNoLedger, "on a new machine continue the log with `indelible init --attach s3://bucket/prefix --backup FILE --identity FILE --trusted CHECKPOINT`", "%w", err)
	}
	if err != nil {
		return err
	}
	b, err := opt.open(name)
	if err != nil {
		return err
	}
	lock, err := waitLock(ctx, d)
	if err != nil {
		return err
	}
	defer lock.Release()
	written, err := d.Restore(ctx, b)
	if errors.Is(err, datadir.ErrOtherKey) {
		err = failf(exitFailure, "move that key elsewhere if the backup's is the right one", "%w", err)
	}
	for _, file := range written {
		fmt.Fprintf(a.stderr, "restored %s\n", file)
	}
	if len(written) == 0 && err == nil {
		fmt.Fprintln(a.stderr, "nothing was missing")
	}
	return err
}
