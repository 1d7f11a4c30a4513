// Package cedar decides by Cedar policies: those that come with the program, or a
// file in their place.
package cedar

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"

	"indelible/internal/access"
)

// Default are the policies that come with the program.
//
//go:embed policy.cedar
var Default []byte

// Policy is a set of policies.
type Policy struct {
	set  *cedar.PolicySet
	hash string
}

// New reads policies, in Cedar's language.
func New(name string, text []byte) (*Policy, error) {
	set, err := cedar.NewPolicySetFromBytes(name, text)
	if err != nil {
		return nil, fmt.Errorf("policies: %w", err)
	}
	h := sha256.Sum256(text)
	return &Policy{set, hex.EncodeToString(h[:])}, nil
}

// Hash is the SHA-256 of the policies' text.
func (p *Policy) Hash() string { return p.hash }

// Entity types.
const (
	typePrincipal = types.EntityType("Principal")
	typeRole      = types.EntityType("Role")
	typeAction    = types.EntityType("Action")
	typeTenant    = types.EntityType("Tenant")
	typeLog       = types.EntityType("Log")
)

// entities are the principal and the resource of one request.
type entities struct{ principal, resource types.Entity }

// Get implements types.EntityGetter.
func (e *entities) Get(uid types.EntityUID) (types.Entity, bool) {
	switch uid {
	case e.principal.UID:
		return e.principal, true
	case e.resource.UID:
		return e.resource, true
	}
	return types.Entity{}, false
}

// Allowed implements access.Policy. A policy that could not be evaluated is a
// refusal: Cedar itself passes over it, and it may have been the one that forbids.
func (p *Policy) Allowed(r access.Request) (bool, error) {
	roles := make([]types.EntityUID, len(r.Principal.Roles))
	for i, role := range r.Principal.Roles {
		roles[i] = types.NewEntityUID(typeRole, types.String(role))
	}
	tenants := make([]types.Value, len(r.Principal.Tenants))
	for i, t := range r.Principal.Tenants {
		tenants[i] = types.String(t)
	}
	e := &entities{
		principal: types.Entity{
			UID:     types.NewEntityUID(typePrincipal, types.String(r.Principal.Name)),
			Parents: types.NewEntityUIDSet(roles...),
			Attributes: types.NewRecord(types.RecordMap{
				"all_tenants": types.Boolean(r.Principal.All), "tenants": types.NewSet(tenants...), "ticket": types.String(r.Principal.Ticket),
			}),
		},
		resource: types.Entity{UID: types.NewEntityUID(typeLog, "log")},
	}
	if r.Tenant != "" {
		e.resource.UID = types.NewEntityUID(typeTenant, types.String(r.Tenant))
		e.resource.Attributes = types.NewRecord(types.RecordMap{"name": types.String(r.Tenant)})
	}
	decision, diagnostic := cedar.Authorize(p.set, e, types.Request{
		Principal: e.principal.UID, Action: types.NewEntityUID(typeAction, types.String(r.Action)), Resource: e.resource.UID,
		Context: types.NewRecord(types.RecordMap{"source_ip": types.String(r.SourceIP)}),
	})
	if n := len(diagnostic.Errors); n > 0 {
		return false, fmt.Errorf("policy %s: %s", diagnostic.Errors[0].PolicyID, diagnostic.Errors[0].Message)
	}
	return decision == types.Allow, nil
}
