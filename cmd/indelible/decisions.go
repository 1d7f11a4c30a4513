package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"indelible"
	"indelible/internal/access"
	"indelible/internal/api"
	"indelible/internal/datadir"
	"indelible/internal/govern"
	"indelible/internal/ledger"
)

// decisions are what people decide over HTTP, carried out in the session that
// serves.
type decisions struct {
	app     *app
	session *session
	vkey    string
	idKey   *[32]byte

	mu sync.Mutex // whoever changes what is kept beside the log
}

// governed is the log as it is published now.
func (d *decisions) governed(ctx context.Context) (*governed, ledger.Decided, error) {
	r, err := ledger.NewReader(ctx, d.session.dir.Store, d.vkey)
	if err != nil {
		return nil, ledger.Decided{}, err
	}
	g := &governed{d.session.dir, &reading{r, logName(d.session.dir), d.vkey, d.idKey, d.session.sealer}}
	decided, err := g.Decided(ctx)
	return g, decided, err
}

// sees reports whether a scope reaches what is of a tenant, or with "" of the
// log as a whole.
func sees(scope access.TenantScope, tenant string) bool {
	if tenant == "" {
		_, all := scope.Tenants()
		return all
	}
	return scope.Allows(tenant)
}

// seesHold reports whether a scope reaches a hold. Its leaf names the tenant by
// reference alone.
func (d *decisions) seesHold(scope access.TenantScope, h *ledger.HeldScope, info *govern.HoldInfo) bool {
	tenants, all := scope.Tenants()
	if all {
		return info.Tenant == "" || scope.Allows(info.Tenant)
	}
	for _, t := range tenants {
		if h.Tenant != nil && *h.Tenant == indelible.TenantRef(d.idKey, t) {
			info.Tenant = t
			return true
		}
	}
	return false
}

// holds are the holds a scope reaches.
func (d *decisions) holds(scope access.TenantScope, decided ledger.Decided) ([]govern.HoldInfo, error) {
	words, err := govern.ReadHoldWords(d.session.dir.Path)
	if err != nil {
		return nil, err
	}
	var infos []govern.HoldInfo
	for _, h := range decided.Holds {
		if info := holdInfo(&h, words); d.seesHold(scope, &h, &info) {
			infos = append(infos, info)
		}
	}
	return infos, nil
}

// Holds implements api.Decisions.
func (d *decisions) Holds(ctx context.Context, scope access.TenantScope) ([]govern.HoldInfo, error) {
	_, decided, err := d.governed(ctx)
	if err != nil {
		return nil, err
	}
	return d.holds(scope, decided)
}

// Hold implements api.Decisions.
func (d *decisions) Hold(ctx context.Context, scope access.TenantScope, n api.NewHold) (*govern.HoldInfo, error) {
	if !sees(scope, n.Tenant) {
		return nil, access.ErrForbidden
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	g, _, err := d.governed(ctx)
	if err != nil {
		return nil, err
	}
	s := holdScope{tenant: n.Tenant, subject: n.Subject, reason: n.Reason}
	for text, at := range map[*string]*time.Time{&s.from: n.From, &s.until: n.Until} {
		if at != nil {
			*text = at.Format(time.RFC3339Nano)
		}
	}
	if n.Subject != "" {
		if err := g.hasTenant(ctx, d.idKey, n.Tenant); err != nil {
			return nil, err
		}
	}
	held, _, err := g.beginHold(ctx, s, d.session.decide.Do)
	if err != nil {
		return nil, err
	}
	_, decided, err := d.governed(ctx)
	if err != nil {
		return nil, err
	}
	infos, err := d.holds(scope, decided)
	if at := slices.IndexFunc(infos, func(i govern.HoldInfo) bool { return i.ID == held.ID }); err == nil && at >= 0 {
		return &infos[at], nil
	}
	return &govern.HoldInfo{ID: held.ID, Tenant: n.Tenant, Reason: n.Reason}, err
}

// hasTenant is ledger.ErrNotFound for a tenant without a row in the log.
func (g *governed) hasTenant(ctx context.Context, idKey *[32]byte, tenant string) error {
	_, _, err := g.reading.TenantRow(ctx, indelible.TenantRef(idKey, tenant))
	return err
}

// Retention implements api.Decisions.
func (d *decisions) Retention(ctx context.Context, scope access.TenantScope) (json.RawMessage, error) {
	if !sees(scope, "") {
		return nil, access.ErrForbidden
	}
	g, _, err := d.governed(ctx)
	if err != nil {
		return nil, err
	}
	p, err := g.plan(ctx)
	if err != nil {
		return nil, err
	}
	return json.Marshal(p)
}

// Draft implements api.Decisions.
func (d *decisions) Draft(ctx context.Context, scope access.TenantScope, w api.Wish) (*govern.Document, error) {
	g, decided, err := d.governed(ctx)
	if err != nil {
		return nil, err
	}
	c := g.Config
	doc := &govern.Document{Version: govern.DocumentVersion, Origin: c.Origin, LogID: c.LogID}
	switch {
	case w.Erase != nil:
		err = d.draftErase(ctx, scope, g, decided, w.Erase, doc)
	case w.Lift != nil:
		infos, herr := d.holds(scope, decided)
		if herr != nil {
			return nil, herr
		}
		if !slices.ContainsFunc(infos, func(i govern.HoldInfo) bool { return i.ID == *w.Lift }) {
			return nil, fmt.Errorf("hold %s: %w", w.Lift, ledger.ErrNotFound)
		}
		doc.Action.Lift = w.Lift
		doc.About, err = g.aboutLift(decided, *w.Lift)
	case w.Retention:
		if !sees(scope, "") {
			return nil, access.ErrForbidden
		}
		err = g.draftRetention(ctx, decided, doc)
	default:
		err = govern.ErrNothing
	}
	if err != nil {
		return nil, err
	}
	if len(decided.Operators) < 2 {
		return nil, govern.ErrOneOperator
	}
	return doc, nil
}

func (d *decisions) draftErase(ctx context.Context, scope access.TenantScope, g *governed, decided ledger.Decided, e *api.Erasure, doc *govern.Document) error {
	if !g.Encrypted() {
		return govern.ErrNotEncrypted
	}
	if !scope.Allows(e.Tenant) {
		return access.ErrForbidden
	}
	err := g.hasTenant(ctx, d.idKey, e.Tenant)
	if err == nil {
		doc.Action.Erase, doc.About, err = g.aboutErase(ctx, decided, e.Tenant, e.User)
	}
	return err
}

func (g *governed) draftRetention(ctx context.Context, decided ledger.Decided, doc *govern.Document) error {
	want, err := retentionPolicy(g.Directory)
	if err != nil {
		return err
	}
	if want != nil {
		want, err = g.shorter(ctx, decided, want)
	}
	if err == nil && want == nil {
		err = govern.ErrNothing
	}
	if err == nil {
		doc.Action.Retention, doc.About = want, aboutRetention(want)
	}
	return err
}

// Proposals implements api.Decisions.
func (d *decisions) Proposals(ctx context.Context, scope access.TenantScope) ([]*govern.Document, error) {
	proposals, err := d.app.openProposals(ctx, d.session.dir)
	if err != nil {
		return nil, err
	}
	list, err := proposals.List()
	if err != nil {
		return nil, err
	}
	var docs []*govern.Document
	for _, p := range list {
		if sees(scope, p.About.Tenant) && (p.Approved() || time.Now().Before(p.Expires())) {
			docs = append(docs, p.Document(d.session.dir.Config.Origin, d.session.dir.Config.LogID))
		}
	}
	return docs, nil
}

// Sign implements api.Decisions.
func (d *decisions) Sign(ctx context.Context, scope access.TenantScope, doc *govern.Document) (*govern.Result, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	proposals, err := d.app.openProposals(ctx, d.session.dir)
	if err != nil {
		return nil, err
	}
	_, decided, err := d.governed(ctx)
	if err != nil {
		return nil, err
	}
	logID, id := d.session.dir.Config.LogID, doc.Approval.Proposal
	p, err := proposals.Read(id)
	switch {
	case err == nil && !sees(scope, p.About.Tenant):
		return nil, govern.ErrNoProposal
	case err != nil && doc.Approval.Approved == 0:
		// What it means is found out here: who sends it may be wrong, or lie.
		fresh, ferr := d.Draft(ctx, scope, wishOf(doc))
		if ferr != nil {
			return nil, ferr
		}
		if _, err = proposals.Accept(doc.Approval, fresh.Action, fresh.About, decided.Operators, logID, time.Now()); err != nil {
			return nil, err
		}
		return &govern.Result{}, nil
	case err != nil:
		return nil, err
	case doc.Approval.Approved == 0:
		_, err = proposals.Accept(doc.Approval, p.Action, p.About, decided.Operators, logID, time.Now())
		return &govern.Result{}, err
	}
	if _, err = proposals.Countersign(doc.Approval, decided.Operators, logID, time.Now()); err != nil {
		return nil, err
	}
	r, err := d.session.decide.Do(ctx, govern.Order{Execute: &id})
	return &r, err
}

// wishOf is what a document asks for.
func wishOf(doc *govern.Document) (w api.Wish) {
	switch a := &doc.Action; {
	case a.Erase != nil:
		w.Erase = &api.Erasure{Tenant: doc.About.Tenant, User: doc.About.Subject, Whole: doc.About.Subject == ""}
	case a.Lift != nil:
		w.Lift = a.Lift
	case a.Retention != nil:
		w.Retention = true
	}
	return w
}

// newDecisions is what a server decides with.
func (a *app) newDecisions(s *session, vkey string) (*decisions, error) {
	idKey, err := datadir.LoadIDKey(s.dir.Path)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	return &decisions{app: a, session: s, vkey: vkey, idKey: idKey}, nil
}
