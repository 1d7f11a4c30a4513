package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
	"unicode/utf8"

	"indelible"
	"indelible/internal/access"
	"indelible/internal/govern"
)

// Decisions are what people decide about a log, as the process that writes it
// carries it out. Each call is about the tenants of a scope and no others; what
// is about the log as a whole needs a scope of all. What is not there for the
// scope is govern.ErrNoProposal or ledger.ErrNotFound.
type Decisions interface {
	Holds(context.Context, access.TenantScope) ([]govern.HoldInfo, error)
	// Hold begins a hold, which needs nobody else.
	Hold(context.Context, access.TenantScope, NewHold) (*govern.HoldInfo, error)
	// Retention is what would go now: `retention plan --json`.
	Retention(context.Context, access.TenantScope) (json.RawMessage, error)
	// Draft is what two people would have to sign.
	Draft(context.Context, access.TenantScope, Wish) (*govern.Document, error)
	// Proposals are the documents that wait for a second signature, or to be completed.
	Proposals(context.Context, access.TenantScope) ([]*govern.Document, error)
	// Sign takes a document with one signature, and keeps it; with two, it is
	// carried out.
	Sign(context.Context, access.TenantScope, *govern.Document) (*govern.Result, error)
}

// NewHold is a hold somebody asks for.
type NewHold struct {
	Tenant  string     `json:"tenant_id"`
	Subject string     `json:"user_id"`
	From    *time.Time `json:"from"`  // committed at or after
	Until   *time.Time `json:"until"` // committed before
	Reason  string     `json:"reason"`
}

// Wish is what two people are to decide. One member is set.
type Wish struct {
	Erase     *Erasure
	Lift      *indelible.ID
	Retention bool // as indelible.yaml says
}

// Erasure is whom to erase. A whole tenant is named twice: as the tenant, and as
// what is meant.
type Erasure struct {
	Tenant string `json:"tenant_id"`
	User   string `json:"user_id"`
	Whole  bool   `json:"whole_tenant"`
}

// decisionRoutes are those of what people decide.
func (s *Server) decisionRoutes() []route {
	return []route{
		{"GET /v1/holds", s.authenticated(s.getHolds)},
		{"POST /v1/holds", s.authenticated(s.postHold)},
		{"POST /v1/holds/{id}/lift", s.authenticated(s.postLift)},
		{"GET /v1/retention", s.authenticated(s.getRetention)},
		{"POST /v1/retention", s.authenticated(s.postRetention)},
		{"POST /v1/erasures", s.authenticated(s.postErasure)},
		{"GET /v1/proposals", s.authenticated(s.getProposals)},
		{"POST /v1/proposals", s.authenticated(s.postProposal)},
	}
}

const maxReason = 1000

// operates lets in who may operate, and notes whose things are meant: the ones of a
// tenant, or with "" those of the log, which only who has all tenants reaches.
func (s *Server) operates(a *asking, what string) (access.TenantScope, error) {
	scope, err := s.permit(a, access.Operate, what)
	if err == nil && s.cfg.Decisions == nil {
		err = problem(http.StatusNotFound, "not_found", "nothing is decided on this server")
	}
	return scope, err
}

// about notes what is decided about, and refuses what is not the caller's.
func (s *Server) about(a *asking, scope access.TenantScope, tenant string) error {
	_, all := scope.Tenants()
	if tenant == "" && !all || tenant != "" && !scope.Allows(tenant) {
		return s.deny(a, problem(http.StatusForbidden, "tenant_forbidden", ""))
	}
	if a.look.All = tenant == ""; tenant != "" {
		a.look.Tenants = []string{tenant}
	}
	return nil
}

// decided records what somebody asks for, does it, records what came of it, and
// answers with it.
func decided[T any](s *Server, a *asking, code int, do func() (T, int, error)) error {
	if err := s.begin(a); err != nil {
		return err
	}
	answer, rows, err := do()
	if err = s.ended(a, access.Result{Rows: rows}, err); err != nil {
		return err
	}
	writeJSON(a.w, code, answer)
	return nil
}

// holdList is the answer to what is held.
type holdList struct {
	Holds []govern.HoldInfo `json:"holds"`
}

// getHolds answers GET /v1/holds.
func (s *Server) getHolds(a *asking) error {
	scope, err := s.operates(a, "list_holds")
	if err != nil {
		return err
	}
	if _, err := parameters(a.Request); err != nil {
		return err
	}
	a.aboutTenants(scope, "", nil)
	return decided(s, a, http.StatusOK, func() (holdList, int, error) {
		holds, err := s.cfg.Decisions.Holds(a.Context(), scope)
		return holdList{append([]govern.HoldInfo{}, holds...)}, len(holds), err
	})
}

// postHold answers POST /v1/holds.
func (s *Server) postHold(a *asking) error {
	scope, err := s.operates(a, "begin_hold")
	if err != nil {
		return err
	}
	var in NewHold
	if err := readJSON(a, &in); err != nil {
		return err
	}
	switch {
	case in.Reason == "" || len(in.Reason) > maxReason || !utf8.ValidString(in.Reason):
		return problem(http.StatusBadRequest, "bad_request", "say why in reason, in at most 1000 bytes")
	case in.Tenant == "" && in.From == nil && in.Until == nil:
		return problem(http.StatusBadRequest, "bad_request", "give tenant_id, from or until: a hold on everything for ever is not a hold")
	case in.Subject != "" && in.Tenant == "":
		return problem(http.StatusBadRequest, "bad_request", "user_id is of a tenant: give tenant_id too")
	case in.From != nil && in.Until != nil && !in.From.Before(*in.Until):
		return problem(http.StatusBadRequest, "bad_request", "from is not before until")
	}
	if err := s.about(a, scope, in.Tenant); err != nil {
		return err
	}
	return decided(s, a, http.StatusCreated, func() (*govern.HoldInfo, int, error) {
		h, err := s.cfg.Decisions.Hold(a.Context(), scope, in)
		return h, 1, err
	})
}

// postLift answers POST /v1/holds/{id}/lift.
func (s *Server) postLift(a *asking) error {
	scope, err := s.operates(a, "draft_lift")
	if err != nil {
		return err
	}
	if _, err := parameters(a.Request); err != nil {
		return err
	}
	var id indelible.ID
	if err := id.UnmarshalText([]byte(a.PathValue("id"))); err != nil {
		return problem(http.StatusBadRequest, "bad_request", "the id of a hold is 32 hex digits")
	}
	a.aboutTenants(scope, "", map[string]string{"hold": id.String()})
	return s.draft(a, scope, Wish{Lift: &id})
}

// getRetention answers GET /v1/retention.
func (s *Server) getRetention(a *asking) error {
	scope, err := s.operates(a, "plan_retention")
	if err != nil {
		return err
	}
	if _, err := parameters(a.Request); err != nil {
		return err
	}
	if err := s.about(a, scope, ""); err != nil {
		return err
	}
	return decided(s, a, http.StatusOK, func() (json.RawMessage, int, error) {
		plan, err := s.cfg.Decisions.Retention(a.Context(), scope)
		return plan, 1, err
	})
}

// postRetention answers POST /v1/retention.
func (s *Server) postRetention(a *asking) error {
	scope, err := s.operates(a, "draft_retention")
	if err != nil {
		return err
	}
	if _, err := parameters(a.Request); err != nil {
		return err
	}
	if err := s.about(a, scope, ""); err != nil {
		return err
	}
	return s.draft(a, scope, Wish{Retention: true})
}

// postErasure answers POST /v1/erasures. The log says of it whose person it is
// about, and not whom: that is what is to go.
func (s *Server) postErasure(a *asking) error {
	scope, err := s.operates(a, "draft_erasure")
	if err != nil {
		return err
	}
	var in Erasure
	if err := readJSON(a, &in); err != nil {
		return err
	}
	if in.Tenant == "" || (in.User == "") != in.Whole {
		return problem(http.StatusBadRequest, "bad_request", "give tenant_id, and user_id or whole_tenant")
	}
	if err := s.about(a, scope, in.Tenant); err != nil {
		return err
	}
	return s.draft(a, scope, Wish{Erase: &in})
}

func (s *Server) draft(a *asking, scope access.TenantScope, w Wish) error {
	return decided(s, a, http.StatusOK, func() (*govern.Document, int, error) {
		d, err := s.cfg.Decisions.Draft(a.Context(), scope, w)
		return d, 1, err
	})
}

// proposalList is the answer to what waits for a second signature.
type proposalList struct {
	Proposals []*govern.Document `json:"proposals"`
}

// getProposals answers GET /v1/proposals.
func (s *Server) getProposals(a *asking) error {
	scope, err := s.operates(a, "list_proposals")
	if err != nil {
		return err
	}
	if _, err := parameters(a.Request); err != nil {
		return err
	}
	a.aboutTenants(scope, "", nil)
	return decided(s, a, http.StatusOK, func() (proposalList, int, error) {
		list, err := s.cfg.Decisions.Proposals(a.Context(), scope)
		return proposalList{append([]*govern.Document{}, list...)}, len(list), err
	})
}

// signedAnswer is the answer to a signed document.
type signedAnswer struct {
	Proposal indelible.ID        `json:"proposal"`
	State    string              `json:"state"`             // proposed, or done
	Expires  *time.Time          `json:"expires,omitempty"` // while it is proposed
	Erased   *govern.Certificate `json:"erased,omitempty"`
}

// postProposal answers POST /v1/proposals: a document that one person has
// signed, or two.
func (s *Server) postProposal(a *asking) error {
	scope, err := s.operates(a, "propose")
	if err != nil {
		return err
	}
	var d govern.Document
	if err := readJSON(a, &d); err != nil {
		return err
	}
	if d.Version != govern.DocumentVersion || d.Approval == nil {
		return problem(http.StatusUnprocessableEntity, "signature", "nobody has signed it: `indelible keys operator sign` does")
	}
	answer := signedAnswer{Proposal: d.Approval.Proposal, State: "proposed"}
	code := http.StatusCreated
	if d.Approval.Approved != 0 {
		answer.State, code, a.look.Action = "done", http.StatusOK, "approve"
	} else {
		end := d.Expires()
		answer.Expires = &end
	}
	if err := s.about(a, scope, d.About.Tenant); err != nil {
		return err
	}
	a.look.Query = map[string]string{"proposal": answer.Proposal.String()}
	return decided(s, a, code, func() (signedAnswer, int, error) {
		r, err := s.cfg.Decisions.Sign(a.Context(), scope, &d)
		if err == nil {
			answer.Erased = r.Erased
		}
		return answer, 1, err
	})
}
