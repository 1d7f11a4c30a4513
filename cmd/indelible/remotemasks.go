package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"sync"

	"indelible"
	"indelible/internal/api"
	"indelible/internal/mask"
)

// remoteMasks are the keys of pseudonyms as a server gives them, each with who
// of the tenant was erased: neither without the other.
type remoteMasks struct {
	server *remote

	mu   sync.Mutex
	made map[string]*api.TenantMasks // by tenant
}

// policy is the policy of the ledger's exports.
func (r *remoteMasks) policy(ctx context.Context) (*mask.Policy, error) {
	var answer api.DatasetMasks
	if err := r.server.do(ctx, "GET", "/v1/datasets/masks", nil, &answer); err != nil {
		return nil, err
	}
	p := &mask.Policy{}
	err := json.Unmarshal(answer.Policy, p)
	if err == nil {
		err = p.Compile()
	}
	if err == nil && p.Version() != answer.PolicyVersion {
		err = fmt.Errorf("it is %s there, and read here as %s", answer.PolicyVersion, p.Version())
	}
	if err != nil {
		return nil, failf(exitFailure, "use the same version of this program here and there", "the masking policy of the server at %s: %w", r.server.url, err)
	}
	return p, nil
}

// of is a tenant's key and who of it was erased.
func (r *remoteMasks) of(ctx context.Context, tenant string) (key []byte, erased suppressed, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.made[tenant]
	if m == nil {
		if m, err = r.ask(ctx, tenant); err != nil {
			return nil, nil, fmt.Errorf("keys of pseudonyms of tenant %s: %w", field(tenant), err)
		}
		r.made[tenant] = m
	}
	list := &erasedList{tokens: make(map[string]bool), former: m.FormerKeys, subjects: make(map[indelible.Ref]bool)}
	copy(list.key[:], m.ErasedKey)
	for _, token := range m.Suppressed {
		list.tokens[token] = true
	}
	for _, ref := range m.Erased {
		list.subjects[ref] = true
	}
	return m.Key, list.has, nil
}

func (r *remoteMasks) ask(ctx context.Context, tenant string) (*api.TenantMasks, error) {
	query := "tenant_id=" + url.QueryEscape(tenant)
	if tenant == systemTenant {
		query = "names=true"
	}
	var answer api.DatasetMasks
	if err := r.server.do(ctx, "GET", "/v1/datasets/masks?"+query, nil, &answer); err != nil {
		return nil, err
	}
	m := answer.Tenant
	if tenant == systemTenant {
		m = answer.Names
	}
	// A list that is not there is not an empty one.
	if m == nil || len(m.Key) < mask.MinKey || m.Suppressed == nil || m.Erased == nil || len(m.Erased) > 0 && len(m.ErasedKey) != 32 {
		return nil, failf(exitFailure, "use the same version of this program here and there", "the server at %s does not say who was erased", r.server.url)
	}
	return m, nil
}

// ids implements personKeys.
func (r *remoteMasks) ids() (all []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.made {
		all = append(all, m.KeyID)
	}
	slices.Sort(all)
	return all
}
