package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"indelible"
	"indelible/internal/access/oidc/oidctest"
)

// TestServeTokens: who comes with a provider's token is known by it, what is
// refused is in the access log, and a provider that is away lets nobody in.
func TestServeTokens(t *testing.T) {
	t.Parallel()
	p := oidctest.Start(t, oidctest.NewKey(t, jose.RS256))
	m := newMachine(t, nil)
	m.run("init").want(exitOK)
	grants := `    grants:
      - {claim: groups, value: writers, roles: [writer], tenants_claim: org}
      - {claim: groups, value: audit, roles: [auditor], all_tenants: true}
`
	plain := string(m.read("indelible.yaml"))
	for _, wrong := range []string{
		"server:\n  oidc:\n    issuer: http://login.example.com\n    audience: x\n" + grants,
		"server:\n  oidc:\n    issuer: https://login.example.com\n    audience: x\n    algorithms: [none]\n" + grants,
		"server:\n  oidc:\n    issuer: https://login.example.com\n    audience: x\n" + strings.Replace(grants, "auditor", "root", 1),
	} {
		m.put("indelible.yaml", plain+wrong)
		m.run("serve").want(exitUsage, "error: server.oidc: ", "hint: look at server.oidc in indelible.yaml")
	}
	m.put("indelible.yaml", plain+fmt.Sprintf("server:\n  oidc:\n    issuer: %s\n    audience: indelible\n", p.Issuer)+grants)
	s := m.serve("--verify-every", "0")
	token := func(subject string, claims map[string]any) string {
		return p.Token(oidctest.Token{Subject: subject, Audience: []string{"indelible"}, Ends: time.Hour, Claims: claims})
	}
	writer := token("shop", map[string]any{"groups": "writers", "org": "acme"})
	auditor := token("maria", map[string]any{"groups": []string{"audit"}})
	nothing := token("tom", nil)
	event := `{"timestamp":"2024-10-25T14:03:11Z","event_type":"e","user_id":"u","tenant_id":"acme","resource_type":"r","resource_id":"1","action":"a","outcome":"success"}`
	want := func(what string, status int, code, method, path, key, body string) *http.Response {
		t.Helper()
		resp, text := s.ask(method, path, key, body)
		if resp.StatusCode != status || !strings.Contains(text, `"code":"`+code+`"`) && code != "" {
			t.Errorf("%s: %s %s", what, resp.Status, text)
		}
		return resp
	}
	want("an event of the tenant in the token", 201, "", "POST", "/v1/events", writer, event)
	want("of another tenant", 403, "tenant_forbidden", "POST", "/v1/events", writer, strings.Replace(event, "acme", "globex", 1))
	want("another role's work", 403, "forbidden", "GET", "/v1/events", writer, "")
	want("the auditor's", 200, "", "GET", "/v1/events", auditor, "")
	want("somebody with nothing", 403, "forbidden", "GET", "/v1/events", nothing, "")
	want("no token", 401, "unauthorized", "GET", "/v1/events", "", "")
	for what, bad := range map[string]string{
		"alg none": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.", "cut short": auditor[:len(auditor)-5], "made up": "abc", "larger than any": strings.Repeat("a.", 10_000),
		"of another audience": p.Token(oidctest.Token{Subject: "maria", Audience: []string{"other"}, Ends: time.Hour, Claims: map[string]any{"groups": "audit"}}),
	} {
		if resp := want(what, 401, "unauthorized", "GET", "/v1/events", bad, ""); resp.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: no WWW-Authenticate", what)
		}
	}
	p.Away.Store(true)
	want("a key that is known, with the provider away", 200, "", "GET", "/v1/events", auditor, "")
	s.stop().want(exitOK)

	second := m.serve("--verify-every", "0")
	s = second
	if resp := want("a provider that is away", 503, "busy", "GET", "/v1/events", auditor, ""); resp.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	second.said("keys or tokens cannot be checked")
	all := second.stop().want(exitOK).err
	if strings.Contains(all, auditor[:60]) {
		t.Error("the server's log holds a token")
	}

	looks := make(map[string]int)
	for line := range strings.Lines(m.run("search", "--tenant-id", "_access", "--json").want(exitOK).out) {
		var shown struct{ Event indelible.Event }
		if err := json.Unmarshal([]byte(line), &shown); err != nil {
			t.Fatal(err)
		}
		looks[shown.Event.UserID+" "+shown.Event.Action+" "+shown.Event.Outcome]++
		if strings.Contains(line, auditor[:60]) {
			t.Errorf("a token is in the access log: %s", line)
		}
	}
	for look, n := range map[string]int{
		"oidc:maria search success": 2, "oidc:shop write_events denied": 1, "oidc:shop search denied": 1, "oidc:tom search denied": 1, " login denied": 5,
	} {
		if looks[look] != n {
			t.Errorf("%q is %d times in the access log, not %d: %v", look, looks[look], n, looks)
		}
	}
}
