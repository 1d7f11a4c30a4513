package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"indelible"
	"indelible/internal/access"
)

// Masks give an exporter what it masks rows with.
type Masks interface {
	// Policy is the policy of exports, as the same program reads it.
	Policy() (text json.RawMessage, version string)
	// Tenant is what a tenant's pseudonyms are made with, and who has none:
	// ErrNoKeys on a ledger that has no keys.
	Tenant(ctx context.Context, tenant string) (*TenantMasks, error)
}

// ErrNoKeys: the ledger has no key store, so there are no keys of pseudonyms.
var ErrNoKeys = errors.New("no key store")

// TenantMasks is what a tenant's pseudonyms are made with. Who has it can tell
// whose pseudonym is whose by trying names, as whoever masks the rows can.
type TenantMasks struct {
	KeyID string `json:"key_id"`
	Key   []byte `json:"key"`
	// Suppressed are the pseudonyms of persons who were erased.
	Suppressed []string `json:"suppressed"`
	// FormerKeys are those before the last: pseudonyms on that list may be theirs.
	FormerKeys [][]byte `json:"former_keys,omitempty"`
	// Erased are references of persons who were erased, and ErasedKey what a name
	// is compared with them under; it is there if anybody was.
	Erased    []indelible.Ref `json:"erased"`
	ErasedKey []byte          `json:"erased_key,omitempty"`
}

// DatasetMasks is the answer to how rows are masked.
type DatasetMasks struct {
	Policy        json.RawMessage `json:"policy"`
	PolicyVersion string          `json:"policy_version"`
	Tenant        *TenantMasks    `json:"tenant,omitempty"`
	Names         *TenantMasks    `json:"names,omitempty"` // what tenants' own names are hidden with
}

// getDatasetMasks answers GET /v1/datasets/masks: the policy, with tenant_id what
// the tenant's pseudonyms are made with, with names=true what hides the names of
// tenants where there are several.
func (s *Server) getDatasetMasks(a *asking) error {
	scope, err := s.permit(a, access.Export, "export_masks")
	if err != nil {
		return err
	}
	in, err := parameters(a.Request, "tenant_id", "names")
	if err != nil {
		return err
	}
	tenants, all := scope.Tenants()
	tenant, ofOne := in["tenant_id"]
	names := in["names"] == "true"
	switch {
	case ofOne && !scope.Allows(tenant):
		a.look.Tenants = nil
		return s.deny(a, problem(http.StatusForbidden, "tenant_forbidden", "an exporter's key is for each tenant of the dataset"))
	case names && !all && len(tenants) < 2:
		return problem(http.StatusBadRequest, "bad_query", "names of tenants are hidden where there are several")
	case in["names"] != "" && in["names"] != "true" && in["names"] != "false":
		return problem(http.StatusBadRequest, "bad_query", "names is true or false")
	}
	if ofOne {
		a.look.Tenants = []string{tenant}
	}
	a.look.Query = in
	if err := s.begin(a); err != nil {
		return err
	}
	m, err := s.datasetMasks(a.Context(), tenant, names)
	if err = s.end(a, nil, err); err != nil {
		return err
	}
	writeJSON(a.w, http.StatusOK, m)
	return nil
}

func (s *Server) datasetMasks(ctx context.Context, tenant string, names bool) (m *DatasetMasks, err error) {
	m = &DatasetMasks{}
	m.Policy, m.PolicyVersion = s.cfg.Masks.Policy()
	if tenant != "" {
		if m.Tenant, err = s.cfg.Masks.Tenant(ctx, tenant); err != nil {
			return nil, err
		}
	}
	if names {
		m.Names, err = s.cfg.Masks.Tenant(ctx, logTenant)
	}
	return m, err
}
