package oidc

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"indelible/internal/access"
)

// Grant says what a claim of a token gives.
type Grant struct {
	Claim, Value string // a claim that is this text, or a list with it
	Roles        []access.Role
	All          bool     // all tenants, or
	Tenants      []string // these, or
	TenantsClaim string   // those that this claim names
}

func (g *Grant) check() error {
	ways := 0
	for _, given := range []bool{g.All, len(g.Tenants) > 0, g.TenantsClaim != ""} {
		if given {
			ways++
		}
	}
	switch {
	case g.Claim == "" || g.Value == "":
		return errors.New("claim or value is missing")
	case len(g.Roles) == 0:
		return errors.New("roles are missing")
	case slices.Contains(g.Roles, access.BreakGlass):
		return errors.New("break-glass comes with a ticket, and in no token")
	case ways != 1:
		return errors.New("one of all_tenants, tenants and tenants_claim is given")
	case !tenants(g.Tenants):
		return fmt.Errorf("tenants: at most %d, and none of the log's own", access.MaxTenants)
	}
	return nil
}

// tenants reports whether somebody can be of these.
func tenants(names []string) bool {
	return len(names) <= access.MaxTenants && !slices.ContainsFunc(names, func(t string) bool { return !access.ValidTenant(t) })
}

// give makes the principal what the grant says, if it fits.
func (g *Grant) give(p *access.Principal, claims map[string]any) bool {
	if !slices.Contains(texts(g.Claim, claims[g.Claim]), g.Value) {
		return false
	}
	of := g.Tenants
	if g.TenantsClaim != "" {
		of = texts(g.TenantsClaim, claims[g.TenantsClaim])
		if len(of) == 0 || !tenants(of) {
			return false
		}
	}
	p.Roles, p.All, p.Tenants = g.Roles, g.All, of
	return true
}

// texts are what a claim says: one text or a list; scopes stand in one text,
// separated by spaces (RFC 8693).
func texts(name string, claim any) []string {
	switch c := claim.(type) {
	case string:
		if name == "scope" {
			return strings.Fields(c)
		}
		return []string{c}
	case []any:
		var out []string
		for _, one := range c {
			if s, ok := one.(string); ok {
				out = append(out, s)
			}
		}
		return out
	}
	return nil
}
