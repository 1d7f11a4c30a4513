package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"indelible"
	"indelible/internal/datadir"
	"indelible/internal/govern"
	"indelible/internal/history"
	"indelible/internal/ledger"
	"indelible/internal/recorder"
	"indelible/internal/search/sqlite"
)

func (a *app) eraseCommand() *cobra.Command {
	var tenant, subject, by string
	var readmit bool
	cmd := &cobra.Command{
		Use:   "erase --tenant T [--subject U]",
		Short: "Propose to erase a person, or a tenant, from the log; another operator approves",
		Long: `Propose to erase a person of a tenant, or with no --subject the whole tenant.
It counts what that is about and prints the id of a proposal. Another operator
runs approve with it within 24 hours: then the keys are destroyed, in every copy
of the key store that this log ever reads, and an event says what was done.
Leaves, and with them every proof, stay.

With --readmit it proposes that a person who was erased gets keys again: what is
recorded from then on can be read. What was erased stays erased.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			// Left empty by a script it must not mean the whole tenant.
			if subject == "" && cmd.Flags().Changed("subject") {
				return usagef("name the person; only without --subject it is the whole tenant that is erased", "--subject is empty")
			}
			return a.erase(cmd.Context(), tenant, subject, by, readmit)
		},
	}
	f := cmd.Flags()
	f.StringVar(&tenant, "tenant", "", "the tenant")
	f.StringVar(&subject, "subject", "", "the person, by user_id")
	f.BoolVar(&readmit, "readmit", false, "a person who was erased gets keys again for what comes")
	f.StringVar(&by, "operator", "", operatorFlag)
	return cmd
}

func (a *app) erase(ctx context.Context, tenant, subject, by string, readmit bool) error {
	if tenant == "" {
		return usagef("name the tenant whose person it is", "--tenant is missing")
	}
	if subject == "" && strings.HasPrefix(tenant, "_") {
		return usagef("only a person of it can be erased, with --subject; the log's own record stays", "%s is one of the log's own tenants", field(tenant))
	}
	if readmit && subject == "" {
		return usagef("name the person with --subject; a tenant that was erased begins again by itself", "--readmit is for persons")
	}
	g, err := a.openGoverned(ctx)
	if err != nil {
		return err
	}
	if !g.Encrypted() {
		return failf(exitFailure, "a log that begins with `indelible init` is encrypted unless --no-encryption is given", "%w", govern.ErrNotEncrypted)
	}
	decided, err := g.Decided(ctx)
	if err != nil {
		return err
	}
	o, err := a.proposer(by, decided)
	if err != nil {
		return err
	}
	if readmit {
		person, err := g.person(ctx, tenant, subject)
		if err != nil {
			return err
		}
		return a.readmit(ctx, g, o, decided.Operators, person, tenant, subject)
	}
	erase, about, err := g.aboutErase(ctx, decided, tenant, subject)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stderr, "counted     %d evidence files of these and %d data sets of the tenant were issued; copies of them are beyond this log\n", about.Counts.Evidence, about.Counts.Exports)
	return a.propose(ctx, g, o, decided.Operators, indelible.Action{Erase: erase}, about)
}

// person is who is meant by a tenant and a user_id, or with none the tenant.
func (g *governed) person(ctx context.Context, tenant, subject string) (*indelible.Erase, error) {
	idKey, err := datadir.LoadIDKey(g.Path)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	erase := &indelible.Erase{Tenant: indelible.TenantRef(idKey, tenant)}
	if subject != "" {
		erase.Subject, err = g.subject(ctx, idKey, tenant, subject)
	}
	return erase, err
}

// aboutErase says whom an erasure means, and counts what it is about.
func (g *governed) aboutErase(ctx context.Context, d ledger.Decided, tenant, subject string) (*indelible.Erase, govern.About, error) {
	about := govern.About{Tenant: tenant, Subject: subject}
	erase, err := g.person(ctx, tenant, subject)
	if err != nil {
		return nil, about, err
	}
	if err := govern.HeldBack(d.Holds, erase); err != nil {
		return nil, about, failf(exitFailure, "`indelible hold list` shows it; two operators can lift it", "%w", err)
	}
	if about.Counts, err = g.count(ctx, erase.Tenant, tenant, subject); err != nil {
		return nil, about, err
	}
	about.Text = fmt.Sprintf("erase all of tenant %s: %d events", field(tenant), about.Counts.Records)
	if subject != "" {
		about.Text = fmt.Sprintf("erase %s of tenant %s: %d events, and %d others that name %s in what stays", field(subject), field(tenant), about.Counts.Records, about.Counts.Mentions, field(subject))
	}
	return erase, about, nil
}

// readmit proposes that a person who was erased gets keys again.
func (a *app) readmit(ctx context.Context, g *governed, o *govern.Operator, operators []indelible.PublicKey, person *indelible.Erase, tenant, subject string) error {
	sealed, ok := g.reading.sealer.(*recorder.Sealed)
	if !ok || sealed.Keys == nil {
		return failf(exitWrongKey, "`indelible keys restore` brings back keys from a backup", "the key store cannot be read")
	}
	if !sealed.Keys.Barred(person.Tenant, *person.Subject) {
		return failf(exitFailure, "nothing has to be decided: what is recorded of this person can be read", "%s of tenant %s is not erased, or was readmitted", field(subject), field(tenant))
	}
	text := fmt.Sprintf("readmit %s of tenant %s: what is recorded from then on can be read; what was erased stays erased", field(subject), field(tenant))
	about := govern.About{Tenant: tenant, Subject: subject, Text: text, Counts: &govern.Counts{Size: g.reading.Checkpoint().Size}}
	return a.propose(ctx, g, o, operators, indelible.Action{Readmit: person}, about)
}

// count reads the events of a tenant and says what an erasure is about.
func (g *governed) count(ctx context.Context, ref indelible.Ref, tenant, subject string) (*govern.Counts, error) {
	no, first, err := g.reading.TenantRow(ctx, ref)
	if errors.Is(err, ledger.ErrNotFound) {
		return nil, g.reading.notFound("tenant "+field(tenant), "")
	}
	if err != nil {
		return nil, err
	}
	refs, err := g.reading.TenantRefs(ctx)
	if err != nil {
		return nil, err
	}
	// What was issued stands in a tenant of the log's own, after what it is about.
	system := slices.Index(refs, indelible.TenantRef(g.reading.idKey, history.SystemTenant)) + 1
	c := &govern.Counts{Size: g.reading.Checkpoint().Size}
	keep := func(l *indelible.Leaf) bool {
		return l.Kind.Recorded() && (l.TenantNo == no || l.TenantNo == uint64(system))
	}
	var going []uint64 // by rising index
	for e, err := range g.reading.Since(ctx, first, keep) {
		if err != nil {
			return nil, err
		}
		if e.Payload == nil {
			continue // expired
		}
		opened, err := g.reading.sealer.Open(e.Payload)
		if err != nil {
			return nil, fmt.Errorf("leaf %d: %w", e.Index, err)
		}
		if opened.Event == nil {
			continue // erased already, or expired
		}
		if e.Leaf.TenantNo == no && c.Add(opened.Event, subject, recorder.PersonResource(opened.Event.ResourceType)) && subject != "" {
			going = append(going, e.Index)
		}
		issued, ok := history.IssuedBy(opened.Event)
		if !ok || e.Leaf.TenantNo != uint64(system) || issued.Tenant == nil || *issued.Tenant != ref {
			continue
		}
		about := subject == ""
		if issued.Index != nil && !about {
			_, about = slices.BinarySearch(going, *issued.Index)
		}
		if about {
			c.Issue(govern.IssuedEvidence{Recorded: e.Index, SHA256: issued.SHA256, Shows: issued.Shows, At: opened.Event.Timestamp})
		}
	}
	return c, nil
}

// forget takes somebody out of the search index, if there is one.
func (a *app) forget(ctx context.Context, name, tenant, subject string) error {
	if _, err := os.Stat(a.indexPath()); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	ix, err := sqlite.Open(ctx, a.indexPath(), name)
	if err != nil {
		return sqlite.Remove(a.indexPath()) // a cache: better none than one that remembers
	}
	var person *string
	if subject != "" {
		person = &subject
	}
	return errors.Join(ix.Forget(ctx, tenant, person), ix.Close())
}

// printCertificate prints what an erasure was.
func (a *app) printCertificate(c *govern.Certificate) error {
	fmt.Fprintf(a.stderr, "erased      %s on %s; %s destroyed, fence at leaf %d\n", c.Erased, c.At.Format(time.RFC3339), count(c.Keys, "key"), c.Fence)
	if c.Until != nil {
		fmt.Fprintf(a.stderr, "pending     a backup of the keys lives until %s; whoever holds it and the root key can read until then\n", c.Until.Format(time.DateOnly))
	}
	fmt.Fprintf(a.stderr, "remains     %s\n", c.Remains)
	return a.printJSON(c)
}
