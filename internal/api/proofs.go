package api

import (
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"

	"indelible"
	"indelible/internal/access"
	"indelible/internal/history"
)

// allParts shows a payload whole.
const allParts = 9

// getEvidence answers GET /v1/events/{id}/evidence.
func (s *Server) getEvidence(a *asking) error {
	at, shot, in, err := s.one(a, access.ReadProofs, "prove_event", "without_person")
	if err != nil {
		return err
	}
	parts := allParts
	switch in["without_person"] {
	case "", "false":
	case "true":
		parts = 1
	default:
		return s.end(a, nil, problem(http.StatusBadRequest, "bad_query", "without_person is true or false"))
	}
	evidence, err := shot.log.Prove(a.Context(), at.scope, at.tenant, at.Index, parts)
	var file []byte
	if err == nil {
		file, err = s.issue(a, shot, evidence)
	}
	if err = s.end(a, placesOf(at, err), err); err != nil {
		return err
	}
	writeFile(a.w, file)
	return nil
}

// issue is the file of a piece of evidence, once the log says that it is issued.
func (s *Server) issue(a *asking, shot *shot, evidence any) ([]byte, error) {
	file, err := json.Marshal(evidence)
	if err != nil {
		return nil, err
	}
	file = append(file, '\n')
	tenants, err := shot.log.TenantRefs(a.Context())
	if err != nil {
		return nil, err
	}
	e, err := history.IssuedEvent(evidence, file, tenants, a.who.Name, s.cfg.Clock())
	if err != nil {
		return nil, err
	}
	return file, s.looks.Recorder.RecordOwn(a.Context(), []*indelible.Event{e})
}

func writeFile(w http.ResponseWriter, file []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Write(file)
}

// getReceipt answers GET /v1/receipts/{id}: where an event stands. The promise
// was in the answer to whoever sent it, and is kept there.
func (s *Server) getReceipt(a *asking) error {
	at, shot, _, err := s.one(a, access.ReadProofs, "read_receipt")
	if err != nil {
		return err
	}
	receipt := indelible.Receipt{ID: a.look.EventID, TenantID: at.tenant, Durability: indelible.DurableStore, Index: &at.Index, LeafHash: &at.Leaf, Segment: &at.Segment}
	f, err := shot.log.Read(a.Context(), at.scope, at.Index)
	if err == nil && f.Event != nil {
		h := f.Event.AuditHash()
		receipt.AuditHash = hex.EncodeToString(h[:])
	}
	if err = s.end(a, placesOf(at, err), err); err != nil {
		return err
	}
	writeJSON(a.w, http.StatusOK, receipt)
	return nil
}

// getCompleteness answers GET /v1/tenants/{tenant}/completeness.
func (s *Server) getCompleteness(a *asking) error {
	scope, err := s.permit(a, access.ReadCompleteness, "prove_completeness")
	if err != nil {
		return err
	}
	if _, err := parameters(a.Request); err != nil {
		return err
	}
	tenant := a.PathValue("tenant")
	shot := s.view.now()
	a.aboutTenants(scope, tenant, map[string]string{})
	if err := s.begin(a); err != nil {
		return err
	}
	names, err := shot.names(a.Context())
	if err == nil && (!scope.Allows(tenant) || !slices.Contains(names, tenant)) {
		err = problem(http.StatusNotFound, "not_found", "no tenant of yours has this name")
	}
	var file []byte
	if err == nil {
		var c *indelible.Completeness
		if c, err = shot.log.ProveTenant(a.Context(), scope, tenant); err == nil {
			file, err = s.issue(a, shot, c)
		}
	}
	if err = s.end(a, nil, err); err != nil {
		return err
	}
	writeFile(a.w, file)
	return nil
}

// getVerification answers GET /v1/verification: the latest report.
func (s *Server) getVerification(a *asking) error {
	a.look.Action = "read_verification"
	if err := s.authorizer.AuthorizeLog(a.who, access.ReadVerification, a.look.SourceIP); err != nil {
		return s.deny(a, err)
	}
	if _, err := parameters(a.Request); err != nil {
		return err
	}
	if err := s.begin(a); err != nil {
		return err
	}
	report := s.cfg.Verification()
	var err error
	if report == nil {
		err = problem(http.StatusNotFound, "not_found", "this server has not finished a verification yet")
	}
	if err = s.end(a, nil, err); err != nil {
		return err
	}
	writeJSON(a.w, http.StatusOK, report)
	return nil
}
