package access

import (
	"fmt"
	"slices"
	"strings"
)

// Role is a name policies speak of.
type Role string

// The roles, and what the policies that come with the program let them do.
const (
	Writer     Role = "writer"      // record events; read nothing
	Reader     Role = "reader"      // events of its tenants, and their proofs
	Auditor    Role = "auditor"     // also completeness, the access log and verification
	Exporter   Role = "exporter"    // record exports of its tenants, and mask their rows
	Operator   Role = "operator"    // schedules, holds, retention, proposals of erasure
	Admin      Role = "admin"       // keys and roles; no events
	BreakGlass Role = "break-glass" // reads like an auditor, for an hour at most, with a ticket
)

// Roles are all of them.
var Roles = []Role{Writer, Reader, Auditor, Exporter, Operator, Admin, BreakGlass}

// ParseRole reads the name of a role.
func ParseRole(s string) (Role, error) {
	if r := Role(s); slices.Contains(Roles, r) {
		return r, nil
	}
	names := make([]string, len(Roles))
	for i, r := range Roles {
		names[i] = string(r)
	}
	return "", fmt.Errorf("no role %q: there are %s", s, strings.Join(names, ", "))
}

// Action is what somebody wants to do with what is of a tenant.
type Action string

// The actions.
const (
	WriteEvents      Action = "write_events"
	ReadEvents       Action = "read_events"
	ReadProofs       Action = "read_proofs"       // evidence and receipts
	ReadCompleteness Action = "read_completeness" // evidence that nothing of a tenant is missing
	ReadAccess       Action = "read_access"       // who looked at a tenant
	ReadVerification Action = "read_verification" // of the log as a whole
	Export           Action = "export"
	Operate          Action = "operate"
	Administer       Action = "administer"
)

// Actions are all of them.
var Actions = []Action{WriteEvents, ReadEvents, ReadProofs, ReadCompleteness, ReadAccess, ReadVerification, Export, Operate, Administer}

// Principal is who is asking.
type Principal struct {
	Name    string
	Roles   []Role
	All     bool     // of all tenants
	Tenants []string // otherwise of these
	KeyID   string   // of the API key it came with, or standing for a token's subject
	Ticket  string   // of break-glass
}

// Has reports whether the principal has a role.
func (p *Principal) Has(r Role) bool { return slices.Contains(p.Roles, r) }
