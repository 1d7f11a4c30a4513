package postgres

import (
	"context"
	"strings"

	"indelible/internal/runs"
)

// The roles and policies `runs migrate` makes.
const (
	tenantSetting = "app.tenant_id"
	exportRole    = "indelible_export"     // one tenant at a time
	exportAllRole = "indelible_export_all" // all tenants, when asked for
)

// policySetting is how a policy asks for the tenant: once for each query. Asked for
// each row it costs three times as much.
const policySetting = "(SELECT current_setting('" + tenantSetting + "', true))"

// What the policies say, as the database writes it back: for a tenant column that
// is text and for one that is not, with the setting asked for once or each time.
func policyForms(all bool) []string {
	var forms []string
	for _, setting := range []string{
		"( SELECT current_setting('app.tenant_id'::text, true) AS current_setting)",
		"current_setting('app.tenant_id'::text, true)",
	} {
		for _, tenant := range []string{"tenant_id", "(tenant_id)::text"} {
			form := "(" + tenant + " = " + setting + ")"
			if all {
				form = "((" + setting + " = '*'::text) OR " + form + ")"
			}
			forms = append(forms, form)
		}
	}
	return forms
}

const findIsolation = `
SELECT row_security_active($1::oid), current_user,
  (SELECT string_agg(r.rolname, ', ' ORDER BY r.rolname) FROM pg_roles r
   WHERE pg_has_role(session_user, r.oid, 'MEMBER') AND (r.rolsuper OR r.rolbypassrls OR r.rolcreaterole OR pg_has_role(r.oid, c.relowner, 'MEMBER')))
FROM pg_class c WHERE c.oid = $1::oid`

const findPolicies = `
SELECT p.polname, pg_get_expr(p.polqual, p.polrelid) FROM pg_policy p
WHERE p.polrelid = $1::oid AND NOT p.polpermissive AND p.polcmd IN ('r', '*')
  AND EXISTS (SELECT FROM unnest(p.polroles) r WHERE r = 0 OR pg_has_role(current_user, r, 'USAGE'))`

const hintIsolation = "run `indelible runs migrate --apply` as the owner, and export as its role " + exportRole + " (" + exportAllRole + " for --all-tenants); --no-rls goes without, and the dataset says so"

// isolates checks that the database itself keeps tenants apart for whoever is
// connected: a policy holds, and nobody here can get around it.
func (c *conn) isolates(ctx context.Context, t *table, all bool) error {
	r, err := c.one(ctx, findIsolation, t.oid)
	if err != nil {
		return err
	}
	if r[2] != "" {
		return runs.Failf(runs.Isolation, hintIsolation, "the policies that keep tenants apart do not bind this user: it is or can become %s (owner, superuser, BYPASSRLS or CREATEROLE)", r[2])
	}
	if r[0] != "t" {
		return runs.Failf(runs.Isolation, hintIsolation, "row level security is not in force for this user on %s", TableName)
	}
	policies, err := c.query(ctx, findPolicies, t.oid)
	if err != nil {
		return err
	}
	forms := policyForms(true)
	if !all {
		forms = append(forms, policyForms(false)...)
	}
	for _, p := range policies {
		for _, form := range forms {
			if strings.Join(strings.Fields(p[1]), " ") == form {
				return nil
			}
		}
	}
	if all {
		return runs.Failf(runs.Isolation, "export as "+exportAllRole+", or name each --tenant", "no policy lets this user read all tenants")
	}
	return runs.Failf(runs.Isolation, hintIsolation, "no policy confines this user to one tenant of %s", TableName)
}
