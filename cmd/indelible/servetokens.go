package main

import (
	"fmt"

	"indelible/internal/access"
	"indelible/internal/access/oidc"
	"indelible/internal/api"
	"indelible/internal/datadir"
)

// providerOf are those of the OpenID provider that indelible.yaml names; nil if none.
func providerOf(d *datadir.Directory) (api.Tokens, error) {
	if d.Config.Server == nil || d.Config.Server.OIDC == nil {
		return nil, nil
	}
	c := d.Config.Server.OIDC
	cfg := oidc.Config{Issuer: c.Issuer, Audience: c.Audience, Algorithms: c.Algorithms, NameClaim: c.NameClaim}
	v, err := func() (*oidc.Verifier, error) {
		for i, g := range c.Grants {
			grant := oidc.Grant{Claim: g.Claim, Value: g.Value, All: g.AllTenants, Tenants: g.Tenants, TenantsClaim: g.TenantsClaim}
			for _, name := range g.Roles {
				role, err := access.ParseRole(name)
				if err != nil {
					return nil, fmt.Errorf("grant %d: %w", i+1, err)
				}
				grant.Roles = append(grant.Roles, role)
			}
			cfg.Grants = append(cfg.Grants, grant)
		}
		return oidc.New(cfg)
	}()
	if err != nil {
		return nil, usagef("look at server.oidc in indelible.yaml", "server.oidc: %w", err)
	}
	return v, nil
}
