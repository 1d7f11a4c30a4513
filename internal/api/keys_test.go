package api_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"indelible/internal/access"
)

// madeKey is the answer to who makes a key.
type madeKey struct {
	ID, Name, Key string
	Live          bool
	Tenants       []string
}

// makeKey makes a key over HTTP, and gives it to somebody.
func (w *world) makeKey(who, body, whose string) (k madeKey) {
	w.t.Helper()
	a := w.do(who, "POST", "/v1/keys", body)
	if a.status != http.StatusCreated {
		w.t.Fatalf("%s as %s: status %d, %s", body, who, a.status, a.body)
	}
	a.into(w.t, &k)
	w.key[whose] = k.Key
	return k
}

func TestKeysOverHTTP(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	w.post(1, "acme")
	first := w.makeKey("admin", `{"name":"desk","roles":["reader"],"tenants":["acme"]}`, "first")
	second := w.makeKey("admin", `{"name":"desk","roles":["reader"],"tenants":["acme"],"expires":"2099-01-01T00:00:00Z"}`, "second")
	w.makeKey("admin of globex", `{"name":"desk","roles":["reader"],"tenants":["globex"]}`, "of globex")
	w.makeKey("admin of all", `{"name":"audit","roles":["auditor"],"all_tenants":true}`, "of all")
	if a := w.get("first", "/v1/events"); a.status != 200 {
		t.Errorf("a key that was just made: status %d", a.status)
	}
	if p := w.search("second", ""); len(p.Events) != 1 || !second.Live {
		t.Errorf("%+v, %+v", p, second)
	}
	for what, c := range map[string]struct {
		who, body string
		status    int
		code      string
	}{
		"a third of a name":    {"admin", `{"name":"desk","roles":["reader"],"tenants":["acme"]}`, 409, "too_many"},
		"another's tenant":     {"admin", `{"name":"x","roles":["reader"],"tenants":["acme","globex"]}`, 403, "tenant_forbidden"},
		"all tenants":          {"admin", `{"name":"x","roles":["reader"],"all_tenants":true}`, 403, "tenant_forbidden"},
		"the log's own tenant": {"admin of all", `{"name":"x","roles":["reader"],"tenants":["_access"]}`, 403, "tenant_forbidden"},
		"no tenant":            {"admin", `{"name":"x","roles":["reader"]}`, 400, "bad_request"},
		"no such role":         {"admin", `{"name":"x","roles":["king"],"tenants":["acme"]}`, 400, "bad_request"},
		"no name":              {"admin", `{"roles":["reader"],"tenants":["acme"]}`, 400, "bad_request"},
		"line break":           {"admin", `{"name":"a\r\nb","roles":["reader"],"tenants":["acme"]}`, 400, "bad_request"},
		"expired":              {"admin", `{"name":"x","roles":["reader"],"tenants":["acme"],"expires":"2001-01-01T00:00:00Z"}`, 400, "bad_request"},
		"another member":       {"admin", `{"name":"x","roles":["reader"],"tenants":["acme"],"sha256":""}`, 400, "bad_request"},
		"a member twice":       {"admin", `{"name":"x","name":"y","roles":["reader"],"tenants":["acme"]}`, 400, "bad_request"},
		"deep":                 {"admin", `{"name":` + strings.Repeat("[", 10_000), 400, "bad_request"},
		"two values":           {"admin", `{} {}`, 400, "bad_request"},
		"too large":            {"admin", `{"name":"` + strings.Repeat("x", 300_000) + `"}`, 413, "too_large"},
	} {
		if a := w.do(c.who, "POST", "/v1/keys", c.body); a.status != c.status || a.code() != c.code {
			t.Errorf("%s: status %d, want %d, %.200s", what, a.status, c.status, a.body)
		}
	}
	if a := w.do("admin", "POST", "/v1/keys", "{}", "Content-Type", "text/plain"); a.status != 415 {
		t.Errorf("another media type: status %d", a.status)
	}

	var list struct{ Keys []madeKey }
	a := w.get("admin", "/v1/keys")
	a.into(t, &list)
	found := false
	for _, k := range list.Keys {
		if found = found || k.ID == second.ID; len(k.Tenants) != 1 || k.Tenants[0] != "acme" || k.Key != "" {
			t.Errorf("acme's admin sees %+v", k)
		}
	}
	if !found || bytes.Contains(a.body, []byte("ind_")) || bytes.Contains(a.body, []byte("sha256")) {
		t.Errorf("%s", a.body)
	}
	theirs := w.makeKey("admin of globex", `{"name":"x","roles":["reader"],"tenants":["globex"]}`, "x")
	b, c := w.do("admin", "DELETE", "/v1/keys/"+theirs.ID, ""), w.do("admin", "DELETE", "/v1/keys/nothing", "")
	if b.status != 404 || c.status != 404 || !bytes.Equal(b.body, c.body) {
		t.Errorf("another's key: %d %s, none: %d %s", b.status, b.body, c.status, c.body)
	}
	for range 2 {
		var ended madeKey
		w.do("admin", "DELETE", "/v1/keys/"+first.ID, "", "X-Justification", "left us").into(t, &ended)
		if ended.Live || ended.ID != first.ID {
			t.Errorf("%+v", ended)
		}
	}
	if a := w.get("first", "/v1/events"); a.status != 401 {
		t.Errorf("a key that has ended: status %d", a.status)
	}
	w.makeKey("admin", `{"name":"desk","roles":["reader"],"tenants":["acme"]}`, "third")

	// All of it is in the access log, and no secret.
	var got strings.Builder
	for _, e := range w.looks() {
		if strings.Contains(string(e.Details), w.key["second"][20:60]) || strings.Contains(string(e.Details), "sha256\":\"\"") {
			t.Errorf("a secret in %s", e.Details)
		}
		if e.ResourceID == first.ID {
			got.WriteString(e.UserID + " " + e.Action + " " + e.Outcome + " " + e.ResourceType + "\n")
			if !strings.Contains(string(e.Details), `"key":{"name":"desk","roles":["reader"]}`) || !strings.Contains(string(e.Details), `"tenants":["acme"]`) || e.SourceIP != "127.0.0.1" {
				t.Errorf("%s", e.Details)
			}
		}
	}
	change := "admin add_api_key intent api_key\nadmin add_api_key success api_key\n" + strings.Repeat("admin revoke_api_key intent api_key\nadmin revoke_api_key success api_key\n", 2)
	if diff := cmp.Diff(change, got.String()); diff != "" {
		t.Error(diff)
	}
	if strings.Contains(w.logs.String(), w.key["second"]) {
		t.Error("the server's log holds a key")
	}
	// acme's auditor learns of keys that reach acme, globex's not.
	a, b = w.get("auditor", "/v1/access?tenant_id=acme&limit=1000"), w.get("auditor of globex", "/v1/access?tenant_id=globex&limit=1000")
	if !bytes.Contains(a.body, []byte(first.ID)) || bytes.Contains(a.body, []byte(theirs.ID)) || bytes.Contains(b.body, []byte(first.ID)) || !bytes.Contains(b.body, []byte(theirs.ID)) {
		t.Errorf("acme's auditor is told %s\nand globex's %s", a.body, b.body)
	}
}

// TestBreakGlass: an hour at most, with a ticket, reading alone, and nobody can
// fail to notice.
func TestBreakGlass(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	w.post(1, "acme")
	at := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(time.RFC3339) }
	for what, body := range map[string]string{
		"no ticket":    `{"name":"oncall","roles":["break-glass"],"tenants":["acme"],"expires":"` + at(time.Hour/2) + `"}`,
		"for ever":     `{"name":"oncall","roles":["break-glass"],"tenants":["acme"],"ticket":"INC-7"}`,
		"for two hour": `{"name":"oncall","roles":["break-glass"],"tenants":["acme"],"ticket":"INC-7","expires":"` + at(2*time.Hour) + `"}`,
		"and more":     `{"name":"oncall","roles":["break-glass","writer"],"tenants":["acme"],"ticket":"INC-7","expires":"` + at(time.Hour/2) + `"}`,
	} {
		if a := w.do("admin", "POST", "/v1/keys", body); a.status != 400 {
			t.Errorf("%s: status %d, %s", what, a.status, a.body)
		}
	}
	k := w.makeKey("admin", `{"name":"oncall","roles":["break-glass"],"tenants":["acme"],"ticket":"INC-7","expires":"`+at(time.Hour/2)+`"}`, "oncall")
	if a := w.get("oncall", "/v1/events"); a.status != 200 {
		t.Errorf("status %d, %s", a.status, a.body)
	}
	if a := w.do("oncall", "POST", "/v1/events", event(2, "acme")); a.status != 403 {
		t.Errorf("who broke the glass writes: status %d", a.status)
	}
	if a := w.get("oncall", "/v1/keys"); a.status != 403 {
		t.Errorf("who broke the glass administers: status %d", a.status)
	}
	var marked []string
	for _, e := range w.looks() {
		if e.EventType != access.BreakGlassEventType {
			continue
		}
		marked = append(marked, e.Action+" "+e.Outcome)
		var d struct {
			Ticket string `json:"break_glass_ticket"`
			Key    struct {
				Ticket string `json:"break_glass_ticket"`
			}
		}
		if err := json.Unmarshal(e.Details, &d); err != nil || d.Ticket+d.Key.Ticket != "INC-7" {
			t.Errorf("%s: %v", e.Details, err)
		}
	}
	if diff := cmp.Diff([]string{"add_api_key intent", "add_api_key success", "search intent", "search success", "write_events denied", "list_api_keys denied"}, marked); diff != "" {
		t.Error(diff)
	}
	var metrics bytes.Buffer
	w.server.WriteMetrics(&metrics)
	if !strings.Contains(metrics.String(), "indelible_break_glass_requests_total 3\n") {
		t.Errorf("%s", metrics.String())
	}
	if logs := w.logs.String(); strings.Count(logs, "level=WARN msg=\"break-glass access\" key="+k.ID+" ticket=INC-7") != 3 {
		t.Errorf("%s", logs)
	}
}
