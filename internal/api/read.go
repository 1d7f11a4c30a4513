package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"indelible"
	"indelible/internal/access"
	"indelible/internal/history"
	"indelible/internal/ledger"
	"indelible/internal/search"
)

// shown is an event as it is answered.
type shown struct {
	Index     uint64          `json:"index"`
	Committed string          `json:"committed"`
	LeafHash  indelible.Hash  `json:"leaf_hash"`
	Event     json.RawMessage `json:"event"`
}

func show(f *history.Found) shown {
	return shown{f.Index, time.UnixMilli(f.Leaf.Time).UTC().Format("2006-01-02T15:04:05.000Z07:00"), indelible.LeafHash(f.Encoded), f.Event.AppendJSON(nil)}
}

// page is the answer to a search.
type page struct {
	Events   []shown `json:"events"`
	TreeSize uint64  `json:"tree_size"`
	Next     string  `json:"next,omitempty"`
}

// maxPage is how large a page of events grows before it is cut.
const maxPage = 4 << 20

// searchEvents answers GET /v1/events.
func (s *Server) searchEvents(a *asking) error {
	scope, err := s.permit(a, access.ReadEvents, "search")
	if err != nil {
		return err
	}
	in, err := parameters(a.Request, searchParameters...)
	if err != nil {
		return err
	}
	q, err := parseSearch(in, scope)
	if err != nil {
		return err
	}
	shot := s.view.now()
	q.End = shot.shown()
	size := q.End
	if text, ok := in["cursor"]; ok {
		c, err := s.openCursor(text, a.who, in)
		if err != nil {
			return err
		}
		if c.Size > size {
			return problem(http.StatusServiceUnavailable, "busy", "the index is being made again").after(5 * time.Second)
		}
		size, q.End = c.Size, c.Size
		if q.LogOrder {
			q.From = c.At
		} else {
			q.End = c.At
		}
	}
	a.aboutTenants(scope, in["tenant_id"], in)
	if err := s.begin(a); err != nil {
		return err
	}
	p, places, err := s.find(a, shot, scope, q, size, in)
	if err = s.end(a, places, err); err != nil {
		return err
	}
	writeJSON(a.w, http.StatusOK, p)
	return nil
}

// aboutTenants notes whose events are looked at.
func (a *asking) aboutTenants(scope access.TenantScope, named string, query map[string]string) {
	tenants, all := scope.Tenants()
	switch {
	case named != "" && scope.Allows(named):
		a.look.Tenants = []string{named}
	case named != "": // nobody's, or not the caller's: nothing is looked at
	default:
		a.look.Tenants, a.look.All = tenants, all
	}
	a.look.Query = make(map[string]string, len(query))
	for name, v := range query {
		if name != "cursor" {
			a.look.Query[name] = v
		}
	}
}

// find reads a page of events.
func (s *Server) find(a *asking, shot *shot, scope access.TenantScope, q search.Query, size uint64, in map[string]string) (*page, []uint64, error) {
	p := &page{Events: []shown{}, TreeSize: size}
	var places []uint64
	limit, bytes, read := q.Limit, 0, 0
	next := func(last uint64) string {
		c := cursor{Size: size, At: last}
		if q.LogOrder {
			c.At++
		}
		return s.sealCursor(c, a.who, in)
	}
	q.Limit = limit + 1 // one more tells whether there is a next page
	for f, err := range shot.log.Search(a.Context(), scope, q) {
		if err != nil {
			return nil, nil, err
		}
		read++
		if f.Event == nil {
			// Policies may take single tenants from somebody who has all.
			if read > limit {
				p.Next = next(f.Index)
			}
			continue
		}
		if len(places) == limit || bytes > maxPage {
			p.Next = next(places[len(places)-1])
			break
		}
		e := show(f)
		bytes += len(e.Event)
		p.Events, places = append(p.Events, e), append(places, f.Index)
	}
	return p, places, nil
}

// placed is where an event of the caller's is.
type placed struct {
	ledger.Placed
	tenant string
	scope  access.TenantScope // it was found in
}

// locate finds an event by its id in the tenants of a scope, and in no other.
func (s *Server) locate(ctx context.Context, shot *shot, scope access.TenantScope, id, tenant string) (*placed, error) {
	notFound := problem(http.StatusNotFound, "not_found", "no event of yours has this id; what was recorded a moment ago is there once it is published")
	id, ok := eventID(id)
	if !ok {
		return nil, problem(http.StatusBadRequest, "bad_request", "the id of an event is a UUID")
	}
	if away := s.cfg.Ledger.Status().StoreErr; away != nil {
		return nil, away // or what is there would seem not to be
	}
	names, err := shot.names(ctx)
	if err != nil {
		return nil, err
	}
	var found *placed
	for _, name := range names {
		if tenant != "" && name != tenant || !scope.Allows(name) {
			continue
		}
		keys, err := s.cfg.Ledger.Tenant(name, s.cfg.Sealer.SealDescriptor)
		if err != nil {
			return nil, err
		}
		at, _, ok, err := s.cfg.Ledger.Lookup(ctx, indelible.EventRef(&keys.IDKey, id), true)
		if err != nil && !errors.Is(err, ledger.ErrExpired) {
			return nil, err
		}
		if !ok || at.Index >= shot.log.Size() {
			continue
		}
		if found != nil {
			return nil, problem(http.StatusBadRequest, "bad_query", "several of your tenants have an event with this id: name one with tenant_id")
		}
		found = &placed{at, name, scope}
	}
	if found == nil {
		return nil, notFound
	}
	return found, nil
}

// one is what requests for one event begin with: authorised, recorded, found.
func (s *Server) one(a *asking, action access.Action, what string, more ...string) (*placed, *shot, map[string]string, error) {
	scope, err := s.permit(a, action, what)
	if err != nil {
		return nil, nil, nil, err
	}
	in, err := parameters(a.Request, append(more, "tenant_id")...)
	if err != nil {
		return nil, nil, nil, err
	}
	shot := s.view.now()
	id, ok := eventID(a.PathValue("id"))
	if !ok {
		return nil, nil, nil, problem(http.StatusBadRequest, "bad_request", "the id of an event is a UUID")
	}
	a.look.EventID = id
	at, err := s.locate(a.Context(), shot, scope, id, in["tenant_id"])
	if at != nil {
		a.look.Tenants = []string{at.tenant}
	}
	if lerr := s.begin(a); lerr != nil {
		return nil, nil, nil, lerr
	}
	if err != nil {
		return nil, nil, nil, s.end(a, nil, err)
	}
	return at, shot, in, nil
}

// getEvent answers GET /v1/events/{id}.
func (s *Server) getEvent(a *asking) error {
	at, shot, _, err := s.one(a, access.ReadEvents, "read_event")
	if err != nil {
		return err
	}
	var answer *shown
	f, err := shot.log.Read(a.Context(), at.scope, at.Index)
	switch {
	case err != nil:
	case f.Event == nil:
		err = problem(http.StatusGone, "erased", "it was erased or has expired; its leaf is in the log")
	default:
		e := show(f)
		answer = &e
	}
	if err = s.end(a, placesOf(at, err), err); err != nil {
		return err
	}
	writeJSON(a.w, http.StatusOK, answer)
	return nil
}

func placesOf(at *placed, err error) []uint64 {
	if err != nil {
		return nil
	}
	return []uint64{at.Index}
}
