package access

import (
	"errors"
	"slices"
	"strings"
)

// Request is what a policy decides on.
type Request struct {
	Principal *Principal
	Action    Action
	Tenant    string // whose things; "" where they are the log's as a whole
	SourceIP  string
}

// Policy decides. An error is a refusal.
type Policy interface {
	Allowed(Request) (bool, error)
	// Hash tells one set of policies from another.
	Hash() string
}

// ErrForbidden: the principal may not do this for any tenant.
var ErrForbidden = errors.New("the role does not allow this")

// TenantScope is for which tenants something was allowed. Only Authorize makes
// one that allows anything, and every look at data takes one.
type TenantScope struct {
	allowed func(tenant string) bool
	tenants []string
	all     bool
}

// Allows reports whether a tenant is in the scope.
func (s TenantScope) Allows(tenant string) bool {
	if s.allowed == nil || tenant == "" || strings.HasPrefix(tenant, "_") {
		return false
	}
	return (s.all || slices.Contains(s.tenants, tenant)) && s.allowed(tenant)
}

// Tenants are those in the scope; all says that there is no list of them, and
// that Allows has to be asked.
func (s TenantScope) Tenants() (tenants []string, all bool) { return s.tenants, s.all }

// Authorizer applies a policy.
type Authorizer struct{ Policy Policy }

// Authorize returns for which tenants a principal may do something:
// ErrForbidden if for none.
func (a *Authorizer) Authorize(p *Principal, action Action, sourceIP string) (TenantScope, error) {
	decide := func(tenant string) bool {
		ok, err := a.Policy.Allowed(Request{p, action, tenant, sourceIP})
		return ok && err == nil
	}
	if p.All {
		if !decide("") {
			return TenantScope{}, ErrForbidden
		}
		known := make(map[string]bool)
		return TenantScope{all: true, allowed: func(tenant string) bool {
			ok, asked := known[tenant]
			if !asked {
				ok = decide(tenant)
				known[tenant] = ok
			}
			return ok
		}}, nil
	}
	s := TenantScope{allowed: func(string) bool { return true }}
	for _, t := range p.Tenants {
		if decide(t) {
			s.tenants = append(s.tenants, t)
		}
	}
	if len(s.tenants) == 0 {
		return TenantScope{}, ErrForbidden
	}
	return s, nil
}

// AuthorizeLog is Authorize for what is of no tenant.
func (a *Authorizer) AuthorizeLog(p *Principal, action Action, sourceIP string) error {
	if ok, err := a.Policy.Allowed(Request{p, action, "", sourceIP}); err != nil || !ok {
		return ErrForbidden
	}
	return nil
}
