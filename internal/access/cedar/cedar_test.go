package cedar_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"indelible/internal/access"
	"indelible/internal/access/cedar"
)

func policy(t testing.TB, text []byte) *cedar.Policy {
	t.Helper()
	p, err := cedar.New("test", text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestMatrix: role × action × tenant, as it is written down.
func TestMatrix(t *testing.T) {
	t.Parallel()
	a := access.Authorizer{Policy: policy(t, cedar.Default)}
	tenants := []string{"acme", "other", "_access"}
	var b strings.Builder
	fmt.Fprintf(&b, "# Which of %s a principal of the role may reach: one of acme's, one of all tenants.\n", strings.Join(tenants, ", "))
	for _, role := range access.Roles {
		for _, action := range access.Actions {
			fmt.Fprintf(&b, "%-12s %-18s", role, action)
			for _, p := range []access.Principal{{Tenants: []string{"acme"}}, {All: true}} {
				p.Name, p.Roles = "somebody", []access.Role{role}
				if role == access.BreakGlass {
					p.Ticket = "T-1"
				}
				var may []string
				scope, err := a.Authorize(&p, action, "192.0.2.1")
				for _, tenant := range tenants {
					if scope.Allows(tenant) {
						may = append(may, tenant)
					}
				}
				if (err == nil) != (len(may) > 0) {
					t.Errorf("%s, %s: %v, but %v", role, action, err, may)
				}
				fmt.Fprintf(&b, " %-12s", "["+strings.Join(may, " ")+"]")
			}
			b.WriteString("\n")
		}
	}
	golden := filepath.Join("testdata", "matrix.txt")
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Error(diff)
	}
	var none access.TenantScope
	if none.Allows("acme") {
		t.Error("a scope that nobody made allows something")
	}
}

// TestDiagnostics: a forbid that cannot be evaluated forbids. Cedar by itself
// passes over it.
func TestDiagnostics(t *testing.T) {
	t.Parallel()
	who := &access.Principal{Name: "somebody", Roles: []access.Role{access.Reader}, All: true}
	p := policy(t, []byte(`permit (principal, action, resource); forbid (principal, action, resource) when { principal.department == "sales" };`))
	if ok, err := p.Allowed(access.Request{Principal: who, Action: access.ReadEvents, Tenant: "acme"}); ok || err == nil {
		t.Errorf("allowed %v, %v", ok, err)
	}
	if ok, err := policy(t, nil).Allowed(access.Request{Principal: who, Action: access.ReadEvents, Tenant: "acme"}); ok || err != nil {
		t.Errorf("without a policy: allowed %v, %v", ok, err)
	}
	if _, err := cedar.New("test", []byte("permit everything")); err == nil {
		t.Error("a text that is no policy was taken")
	}
}

// TestOwnPolicies: a tenant that policies take away from a principal of all
// tenants is not in its scope.
func TestOwnPolicies(t *testing.T) {
	t.Parallel()
	own := string(cedar.Default) + `forbid (principal, action == Action::"read_events", resource == Tenant::"secret");`
	a := access.Authorizer{Policy: policy(t, []byte(own))}
	who := &access.Principal{Name: "somebody", Roles: []access.Role{access.Reader}, All: true}
	scope, err := a.Authorize(who, access.ReadEvents, "")
	if err != nil || !scope.Allows("acme") || scope.Allows("secret") {
		t.Errorf("acme %v, secret %v, %v", scope.Allows("acme"), scope.Allows("secret"), err)
	}
	if policy(t, []byte(own)).Hash() == policy(t, cedar.Default).Hash() {
		t.Error("other policies have the same hash")
	}
}

func BenchmarkAuthorize(b *testing.B) {
	a := access.Authorizer{Policy: policy(b, cedar.Default)}
	who := &access.Principal{Name: "somebody", Roles: []access.Role{access.Reader}, Tenants: []string{"acme"}}
	for b.Loop() {
		if s, err := a.Authorize(who, access.ReadEvents, "192.0.2.1"); err != nil || !s.Allows("acme") {
			b.Fatal(err)
		}
	}
}
