package api

import (
	"errors"
	"net/http"
	"time"

	"indelible/internal/access"
)

// keyList is the answer to which keys there are.
type keyList struct {
	Keys []access.KeyInfo `json:"keys"`
}

// newKey is a key somebody asks for.
type newKey struct {
	Name    string        `json:"name"`
	Roles   []access.Role `json:"roles"`
	All     bool          `json:"all_tenants"`
	Tenants []string      `json:"tenants"`
	Expires *time.Time    `json:"expires"`
	Ticket  string        `json:"ticket"`
}

// madeKey is a key with its text, which is shown this once.
type madeKey struct {
	Key string `json:"key"`
	access.KeyInfo
}

// administers reports whether a key is for tenants of a scope and no others:
// whoever administers some learns nothing of keys that reach further.
func administers(scope access.TenantScope, key *access.Key) bool {
	if _, all := scope.Tenants(); key.All {
		return all
	}
	for _, t := range key.Tenants {
		if !scope.Allows(t) {
			return false
		}
	}
	return true
}

// getKeys answers GET /v1/keys.
func (s *Server) getKeys(a *asking) error {
	scope, err := s.permit(a, access.Administer, "list_api_keys")
	if err != nil {
		return err
	}
	if _, err := parameters(a.Request); err != nil {
		return err
	}
	a.aboutTenants(scope, "", nil)
	if err := s.begin(a); err != nil {
		return err
	}
	answer := keyList{Keys: []access.KeyInfo{}}
	keys, err := s.cfg.Keys.List()
	for i := range keys {
		if administers(scope, &keys[i]) {
			answer.Keys = append(answer.Keys, s.cfg.Keys.Info(&keys[i]))
		}
	}
	if err = s.ended(a, access.Result{Rows: len(answer.Keys)}, err); err != nil {
		return err
	}
	writeJSON(a.w, http.StatusOK, answer)
	return nil
}

// postKey answers POST /v1/keys.
func (s *Server) postKey(a *asking) error {
	scope, err := s.permit(a, access.Administer, "add_api_key")
	if err != nil {
		return err
	}
	var in newKey
	if err := readJSON(a, &in); err != nil {
		return err
	}
	for _, r := range in.Roles {
		if _, err := access.ParseRole(string(r)); err != nil {
			return problem(http.StatusBadRequest, "bad_request", "there is no role of this name")
		}
	}
	if !administers(scope, &access.Key{All: in.All, Tenants: in.Tenants}) {
		return s.deny(a, problem(http.StatusForbidden, "tenant_forbidden", ""))
	}
	// Of two who ask at once, the second sees the key of the first.
	s.keyChange.Lock()
	defer s.keyChange.Unlock()
	text, key, err := s.cfg.Keys.New(in.Name, in.Roles, in.All, in.Tenants, in.Expires, in.Ticket)
	switch {
	case errors.Is(err, access.ErrTooMany), errors.Is(err, access.ErrNoRoom):
		return problem(http.StatusConflict, "too_many", err.Error())
	case errors.Is(err, access.ErrWanting):
		return problem(http.StatusBadRequest, "bad_request", err.Error())
	case err != nil:
		return err
	}
	a.look.OfKey(key)
	if err := s.begin(a); err != nil {
		return err
	}
	err = s.cfg.Keys.Add(key)
	if lerr := s.ended(a, access.Result{}, err); lerr != nil {
		// Nobody has been given it: it ends, if it is there at all.
		s.cfg.Keys.Revoke(key.ID)
		return lerr
	}
	writeJSON(a.w, http.StatusCreated, madeKey{text, s.cfg.Keys.Info(key)})
	return nil
}

// deleteKey answers DELETE /v1/keys/{id}. A key that has ended stays as it is.
func (s *Server) deleteKey(a *asking) error {
	scope, err := s.permit(a, access.Administer, "revoke_api_key")
	if err != nil {
		return err
	}
	if _, err := parameters(a.Request); err != nil {
		return err
	}
	s.keyChange.Lock()
	defer s.keyChange.Unlock()
	key, err := s.cfg.Keys.Get(a.PathValue("id"))
	if errors.Is(err, access.ErrNotFound) || err == nil && !administers(scope, key) {
		return s.deny(a, problem(http.StatusNotFound, "not_found", "no key of yours has this id"))
	}
	if err != nil {
		return err
	}
	a.look.OfKey(key)
	if err := s.begin(a); err != nil {
		return err
	}
	if revoked, rerr := s.cfg.Keys.Revoke(key.ID); rerr == nil {
		key = revoked
	} else {
		err = rerr
	}
	if err = s.ended(a, access.Result{}, err); err != nil {
		return err
	}
	writeJSON(a.w, http.StatusOK, s.cfg.Keys.Info(key))
	return nil
}
