package api

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"indelible"
	"indelible/internal/access"
	"indelible/internal/search"
)

// accessPage is the answer to who looked at something.
type accessPage struct {
	Accesses []shown `json:"accesses"`
	TreeSize uint64  `json:"tree_size"`
}

// getAccess answers GET /v1/access: who looked at a tenant, or at one event, and
// when. The look at this is one event, and no other.
func (s *Server) getAccess(a *asking) error {
	scope, err := s.permit(a, access.ReadAccess, "read_access")
	if err != nil {
		return err
	}
	in, err := parameters(a.Request, "tenant_id", "event_id", "since", "until", "limit")
	if err != nil {
		return err
	}
	given := make(map[string]string)
	for _, name := range []string{"since", "until", "limit"} {
		if v, ok := in[name]; ok {
			given[name] = v
		}
	}
	base, err := parseSearch(given, scope)
	if err != nil {
		return err
	}
	if (in["tenant_id"] == "") == (in["event_id"] == "") {
		return problem(http.StatusBadRequest, "bad_query", "give tenant_id or event_id")
	}
	shot := s.view.now()
	tenant := in["tenant_id"]
	var place *uint64
	a.aboutTenants(scope, tenant, in)
	if id := in["event_id"]; id != "" {
		at, err := s.locate(a.Context(), shot, scope, id, "")
		if err != nil {
			return errors.Join(err, s.begin(a))
		}
		a.look.EventID, tenant, place = id, at.tenant, &at.Index
		a.look.Tenants, a.look.All = []string{tenant}, false
	}
	if err := s.begin(a); err != nil {
		return err
	}
	p := accessPage{Accesses: []shown{}, TreeSize: shot.shown()}
	if scope.Allows(tenant) {
		if p.Accesses, err = s.accesses(a, shot, scope, base, tenant, in["event_id"], place, p.TreeSize); err != nil {
			return err
		}
	}
	writeJSON(a.w, http.StatusOK, p)
	return nil
}

// accesses finds what the access log says of a tenant, or of one of its events.
func (s *Server) accesses(a *asking, shot *shot, scope access.TenantScope, q search.Query, tenant, eventID string, place *uint64, size uint64) ([]shown, error) {
	found := []shown{}
	for _, about := range []struct {
		kind, id string
		skip     bool
	}{{access.OneTenant, tenant, false}, {access.SeveralTenants, "", false}, {access.OneEvent, eventID, eventID == ""}, {access.OneKey, "", eventID != ""}} {
		if about.skip {
			continue
		}
		q.Tenants, q.End = nil, size
		q.Where = map[string]string{"resource_type": about.kind, "resource_id": about.id}
		if about.kind == access.OneKey {
			delete(q.Where, "resource_id") // whichever key reaches the tenant
		}
		limit := q.Limit
		if place != nil && about.kind != access.OneEvent {
			q.Limit = maxLooks // of which few show the event
		}
		n := 0
		for f, err := range shot.log.Looks(a.Context(), scope, tenant, q) {
			if err != nil {
				return nil, err
			}
			e, keep := concerns(f.Event, tenant, about.kind, place, a.who.All)
			if !keep {
				continue
			}
			f.Event = e
			found = append(found, show(f))
			if n++; n == limit {
				break
			}
		}
		q.Limit = limit
	}
	slices.SortFunc(found, func(x, y shown) int { return cmp.Compare(y.Index, x.Index) })
	return found[:min(len(found), q.Limit)], nil
}

// maxLooks is how many looks at a tenant are searched for one event of it.
const maxLooks = 20_000

// concerns reports whether an access event is about a tenant, or the event at a
// place, and takes from it what is about other tenants.
func concerns(e *indelible.Event, tenant, kind string, place *uint64, all bool) (*indelible.Event, bool) {
	var d map[string]json.RawMessage
	if json.Unmarshal(e.Details, &d) != nil {
		return nil, false
	}
	var tenants []string
	var indexes []uint64
	json.Unmarshal(d["tenants"], &tenants)
	json.Unmarshal(d["indexes"], &indexes)
	several := string(d["all_tenants"]) == "true"
	if !several && !slices.Contains(tenants, tenant) {
		return nil, false // of others, or the same id in another tenant
	}
	if place != nil && kind != access.OneEvent && !slices.Contains(indexes, *place) {
		return nil, false
	}
	if all || kind == access.OneTenant || kind == access.OneEvent {
		return e, true
	}
	// Of a look at several tenants, one of them learns that it was and by whom.
	for _, name := range []string{"query", "query_sha256", "indexes", "first_index", "last_index", "rows"} {
		delete(d, name)
	}
	if !several {
		d["tenants"], _ = json.Marshal([]string{tenant})
	}
	text, err := json.Marshal(d)
	if err != nil {
		return nil, false
	}
	shown := *e
	if shown.Details, err = indelible.AppendCanonicalJSON(nil, text); err != nil {
		return nil, false
	}
	return &shown, true
}
