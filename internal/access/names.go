package access

import (
	"strings"
	"unicode/utf8"
)

const (
	// MaxTenants is how many tenants somebody is of who is not of all.
	MaxTenants    = 1000
	maxTenantName = 500
	maxName       = 200
	// TokenNames begins the names of those who come with an OpenID provider's
	// token. No key has such a name, so that none is taken for the other.
	TokenNames = "oidc:"
)

// ValidName reports whether somebody can be called so.
func ValidName(name string) bool {
	return name != "" && len(name) <= maxName && utf8.ValidString(name) && !strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// ValidTenant reports whether somebody can be of a tenant of this name: not of the
// log's own.
func ValidTenant(name string) bool {
	return name != "" && len(name) <= maxTenantName && !strings.HasPrefix(name, "_")
}
