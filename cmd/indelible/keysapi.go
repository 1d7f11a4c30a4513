package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"indelible"
	"indelible/internal/access"
	"indelible/internal/datadir"
	"indelible/internal/recorder"
)

func (a *app) keysAPICommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "api",
		Short: "Add, list and revoke API keys of the server",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.keysAPIAddCommand(), a.keysAPIListCommand(), a.keysAPIRevokeCommand())
	return cmd
}

// accessDir is where the API keys are.
func (a *app) accessDir() string { return filepath.Join(a.dir, "access") }

type keysAPIAddOptions struct {
	name, expires, ticket string
	roles, tenants        []string
	all                   bool
}

func (a *app) keysAPIAddCommand() *cobra.Command {
	var opt keysAPIAddOptions
	cmd := &cobra.Command{
		Use:   "add --name NAME --role ROLE {--tenant T|--all-tenants}",
		Short: "Make an API key and print it, once",
		Long: `Make an API key and print it on standard output. It is shown this once: what
is kept is its hash. A name may have two live keys, so that one can take over
from the other. Making a key is recorded in the log.

Roles: writer (records events, reads nothing), reader (events and their proofs),
auditor (also completeness, the access log and verification), exporter (exports
from elsewhere), operator, admin (keys), and break-glass (reads as an auditor does, with a ticket and for
an hour at most).`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.keysAPIAdd(cmd.Context(), opt) },
	}
	f := cmd.Flags()
	f.StringVar(&opt.name, "name", "", "who uses the key")
	f.StringArrayVar(&opt.roles, "role", nil, "what for; may be given several times")
	f.StringArrayVar(&opt.tenants, "tenant", nil, "whose events; may be given several times")
	f.BoolVar(&opt.all, "all-tenants", false, "the events of all tenants")
	f.StringVar(&opt.expires, "expires", "", "for how long, such as 90d or 1h (default: until it is revoked)")
	f.StringVar(&opt.ticket, "ticket", "", "break-glass: why")
	return cmd
}

func (a *app) keysAPIAdd(ctx context.Context, opt keysAPIAddOptions) error {
	d, err := datadir.Open(ctx, a.dir, a.env)
	if err != nil {
		return err
	}
	hint := "run `indelible keys api add --help` for the roles and flags"
	var roles []access.Role
	for _, name := range opt.roles {
		r, err := access.ParseRole(name)
		if err != nil {
			return usagef(hint, "--role: %w", err)
		}
		roles = append(roles, r)
	}
	var expires *time.Time
	if opt.expires != "" {
		for_, err := datadir.ParseDuration(opt.expires)
		if err != nil {
			return usagef("write a number of days such as 90d, or hours such as 12h", "--expires: %w", err)
		}
		at := time.Now().Add(time.Duration(for_)).UTC().Truncate(time.Second)
		expires = &at
	}
	keys := access.OpenKeys(a.accessDir(), nil)
	text, key, err := keys.New(opt.name, roles, opt.all, opt.tenants, expires, opt.ticket)
	if errors.Is(err, access.ErrTooMany) {
		return failf(exitFailure, "revoke one with `indelible keys api revoke ID`; `keys api list` shows them", "%w", err)
	}
	if err != nil {
		return usagef(hint, "%w", err)
	}
	if err := a.changeKey(ctx, d, "add_api_key", key, func() error { return keys.Add(key) }); err != nil {
		return err
	}
	fmt.Fprintf(a.stderr, "key %s of %s; it is shown this once\n", key.ID, visible(key.Name))
	fmt.Fprintln(a.stdout, text)
	return nil
}

// changeKey records that a key is about to change, changes it, and records that.
func (a *app) changeKey(ctx context.Context, d *datadir.Directory, action string, key *access.Key, change func() error) (err error) {
	way, err := a.findRoad(ctx, d, writeOptions{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, way.Close()) }()
	log := &access.Log{Recorder: roadRecorder{way}}
	look := access.KeyChange(&access.Principal{Name: a.localUser()}, action, key)
	if err := log.Begin(ctx, look); err != nil {
		return err
	}
	if err := change(); err != nil {
		return err
	}
	if err := log.End(ctx, look, access.Result{}); err != nil {
		return err
	}
	if away, err := way.Flush(ctx); away == nil && err != nil {
		return err
	}
	return nil
}

// localUser is who runs the program, as far as the system says.
func (a *app) localUser() string {
	if name := a.env("USER"); name != "" {
		return "local:" + name
	}
	return fmt.Sprintf("local:%d", os.Getuid())
}

// roadRecorder records events of the log's own tenants on a road.
type roadRecorder struct{ road }

// RecordOwn implements access.Recorder.
func (r roadRecorder) RecordOwn(ctx context.Context, events []*indelible.Event) error {
	pending, _, err := r.Record(ctx, events, recorder.Options{System: true})
	for _, p := range pending {
		err = errors.Join(err, p.Err)
	}
	return err
}

func (a *app) keysAPIListCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Show the API keys there are; never a key itself",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return a.keysAPIList(asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array")
	return cmd
}

func (a *app) keysAPIList(asJSON bool) error {
	if _, err := datadir.LoadConfig(a.dir); err != nil {
		return err
	}
	keys := access.OpenKeys(a.accessDir(), nil)
	all, err := keys.List()
	if err != nil {
		return err
	}
	list := []access.KeyInfo{}
	for _, k := range all {
		list = append(list, keys.Info(&k))
	}
	if asJSON {
		b, err := json.MarshalIndent(list, "", "  ")
		if err != nil {
			return err
		}
		return writeJSON(a.stdout, append(b, '\n'))
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tNAME\tROLES\tTENANTS\tSTATE\tLAST USED")
	for _, k := range list {
		roles := make([]string, len(k.Roles))
		for i, r := range k.Roles {
			roles[i] = string(r)
		}
		tenants, state, used := "all", "live", "never"
		if !k.All {
			names := make([]string, len(k.Tenants))
			for i, t := range k.Tenants {
				names[i] = field(t)
			}
			tenants = strings.Join(names, ",")
		}
		switch {
		case k.Revoked != nil:
			state = "revoked " + k.Revoked.Format(time.DateOnly)
		case !k.Live:
			state = "expired " + k.Expires.Format(time.DateOnly)
		case k.Expires != nil:
			state = "until " + k.Expires.Format("2006-01-02T15:04Z07:00")
		}
		if k.LastUsed != nil {
			used = k.LastUsed.Format("2006-01-02T15:04Z07:00")
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, field(k.Name), strings.Join(roles, ","), tenants, state, used)
	}
	return w.Flush()
}

func (a *app) keysAPIRevokeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "revoke ID",
		Short: "End an API key",
		Long:  "End an API key. A running server refuses it within a second. It is recorded in the log.",
		Args:  cobra.ExactArgs(1),
		RunE:  func(cmd *cobra.Command, args []string) error { return a.keysAPIRevoke(cmd.Context(), args[0]) },
	}
}

func (a *app) keysAPIRevoke(ctx context.Context, id string) error {
	d, err := datadir.Open(ctx, a.dir, a.env)
	if err != nil {
		return err
	}
	keys := access.OpenKeys(a.accessDir(), nil)
	key, err := keys.Get(id)
	if errors.Is(err, access.ErrNotFound) {
		return failf(exitFailure, "`indelible keys api list` shows the ids", "%w", err)
	}
	if err != nil {
		return err
	}
	if key.Revoked != nil {
		fmt.Fprintf(a.stderr, "key %s was revoked before\n", key.ID)
		return nil
	}
	err = a.changeKey(ctx, d, "revoke_api_key", key, func() error {
		_, err := keys.Revoke(id)
		return err
	})
	if err == nil {
		fmt.Fprintf(a.stderr, "key %s of %s is refused from now on\n", key.ID, visible(key.Name))
	}
	return err
}
