package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"indelible"
	"indelible/internal/access"
	"indelible/internal/api"
	"indelible/internal/store"
)

// exported is an event that says that a dataset was exported.
func exported(n int, tenant, details string) string {
	return fmt.Sprintf(`{"id":"%s","timestamp":"2025-02-03T04:05:06Z","event_type":"dataset.exported","user_id":"root","tenant_id":%q,"resource_type":"dataset","resource_id":"v%d","action":"export","outcome":"success","details":{"actor":"asserted"%s}}`, id(n), tenant, n, details)
}

func (w *world) export(who string, events ...string) *answer {
	w.t.Helper()
	return w.do(who, "POST", "/v1/datasets", strings.Join(events, "\n"), "Content-Type", "application/x-ndjson")
}

// TestDatasets: an exporter says what it does to datasets of its tenants, and
// nothing else; who it is does not depend on what it says.
func TestDatasets(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	var x api.DatasetRecorded
	a := w.export("exporter", exported(1, "_system", `,"rows":3`), exported(2, "acme", ""))
	a.into(t, &x)
	if a.status != http.StatusCreated || len(x.Receipts) != 2 || x.Receipts[1].Durability != indelible.DurableStore || x.Receipts[1].TenantID != "acme" || x.Evidence == nil {
		t.Fatalf("status %d, %s", a.status, a.body)
	}
	proved, err := x.Evidence.Check(w.vkey)
	if err != nil {
		t.Fatal(err)
	}
	if e := proved.Event; e == nil || e.UserID != "exporter" || e.TenantID != "_system" || string(e.Details) != `{"actor":"authenticated","rows":3}` {
		t.Errorf("proved %+v", e)
	}
	// Again, and under another key: it is in the log.
	for _, who := range []string{"exporter", "exporter of all"} {
		var again api.DatasetRecorded
		a := w.export(who, exported(1, "_system", `,"rows":3`))
		a.into(t, &again)
		if a.status != http.StatusOK || !again.Receipts[0].Repeat || *again.Receipts[0].Index != *x.Receipts[0].Index || again.Evidence == nil {
			t.Errorf("%s again: status %d, %s", who, a.status, a.body)
		}
	}
	for what, c := range map[string]struct {
		who    string
		events []string
		status int
		code   string
	}{
		"other facts":         {"exporter", []string{exported(1, "_system", `,"rows":4`)}, 409, "conflict"},
		"another's tenant":    {"exporter", []string{exported(3, "_system", ""), exported(3, "globex", "")}, 403, "tenant_forbidden"},
		"all tenants":         {"exporter", []string{exported(3, "_system", `,"all_tenants":true`)}, 403, "tenant_forbidden"},
		"the access log":      {"exporter of all", []string{exported(3, "_access", "")}, 403, "tenant_forbidden"},
		"no export":           {"exporter", []string{event(3, "acme")}, 422, "invalid_event"},
		"no dataset":          {"exporter", []string{strings.Replace(exported(3, "acme", ""), `"resource_type":"dataset"`, `"resource_type":"door"`, 1)}, 422, "invalid_event"},
		"without id":          {"exporter", []string{strings.Replace(exported(3, "acme", ""), id(3), "", 1)}, 422, "invalid_event"},
		"nothing":             {"exporter", nil, 400, "bad_request"},
		"too many":            {"exporter", []string{strings.Repeat(exported(3, "acme", "")+"\n", 10_001)}, 413, "too_large"},
		"a writer":            {"writer", []string{exported(3, "acme", "")}, 403, "forbidden"},
		"a reader":            {"reader", []string{exported(3, "acme", "")}, 403, "forbidden"},
		"an auditor of all":   {"auditor of all", []string{exported(3, "acme", "")}, 403, "forbidden"},
		"an operator":         {"operator", []string{exported(3, "acme", "")}, 403, "forbidden"},
		"an admin of all":     {"admin of all", []string{exported(3, "acme", "")}, 403, "forbidden"},
		"all of the exporter": {"exporter of all", []string{exported(4, "_system", `,"all_tenants":true`), exported(4, "globex", "")}, 201, ""},
	} {
		if a := w.export(c.who, c.events...); a.status != c.status || a.code() != c.code {
			t.Errorf("%s: status %d, want %d, %.200s", what, a.status, c.status, a.body)
		}
	}
	if a := w.do("exporter", "POST", "/v1/datasets", exported(3, "acme", "")); a.status != 415 {
		t.Errorf("another media type: status %d", a.status)
	}
	// Of what was refused nothing was recorded.
	w.settled()
	if p := w.search("reader of all", "?event_type=dataset.exported"); len(p.Events) != 2 {
		t.Errorf("%d events of tenants, want those of acme and globex", len(p.Events))
	}
	if a := w.get("exporter", "/v1/events"); a.status != 403 {
		t.Errorf("an exporter reads events: status %d", a.status)
	}
}

// fakeMasks are masks of any tenant.
type fakeMasks struct{ err error }

func (fakeMasks) Policy() (json.RawMessage, string) {
	return json.RawMessage(`{"Region":"DE"}`), "strict-1"
}

func (f fakeMasks) Tenant(_ context.Context, tenant string) (*api.TenantMasks, error) {
	return &api.TenantMasks{KeyID: "k", Key: []byte("key of " + tenant), Suppressed: []string{}, Erased: []indelible.Ref{}}, f.err
}

// TestDatasetMasks: what rows are masked with is given to exporters of the tenant,
// and each time that is recorded.
func TestDatasetMasks(t *testing.T) {
	t.Parallel()
	masks := &fakeMasks{}
	w := start(t, func(c *api.Config) { c.Masks = masks })
	var m api.DatasetMasks
	w.get("exporter", "/v1/datasets/masks").into(t, &m)
	if m.PolicyVersion != "strict-1" || m.Tenant != nil || m.Names != nil {
		t.Errorf("the policy: %+v", m)
	}
	w.get("exporter", "/v1/datasets/masks?tenant_id=acme").into(t, &m)
	if m.Tenant == nil || string(m.Tenant.Key) != "key of acme" || m.Names != nil {
		t.Errorf("of acme: %+v", m.Tenant)
	}
	w.get("exporter of all", "/v1/datasets/masks?tenant_id=globex&names=true").into(t, &m)
	if string(m.Tenant.Key) != "key of globex" || string(m.Names.Key) != "key of _system" {
		t.Errorf("of globex, among several: %+v", m)
	}
	for query, c := range map[string]struct {
		who    string
		status int
		code   string
	}{
		"?tenant_id=globex":  {"exporter", 403, "tenant_forbidden"},
		"?tenant_id=_system": {"exporter of all", 403, "tenant_forbidden"},
		"?tenant_id=":        {"exporter of all", 403, "tenant_forbidden"},
		"?names=true":        {"exporter", 400, "bad_query"},
		"?names=yes":         {"exporter of all", 400, "bad_query"},
		"?x=1":               {"exporter", 400, "bad_query"},
		"?tenant_id=acme":    {"auditor of all", 403, "forbidden"},
	} {
		if a := w.get(c.who, "/v1/datasets/masks"+query); a.status != c.status || a.code() != c.code {
			t.Errorf("%s by %s: status %d, want %d, %.200s", query, c.who, a.status, c.status, a.body)
		}
	}
	masks.err = api.ErrNoKeys
	if a := w.get("exporter", "/v1/datasets/masks?tenant_id=acme"); a.status != 409 || a.code() != "no_keys" {
		t.Errorf("without a key store: status %d, %s", a.status, a.body)
	}
	masks.err = fmt.Errorf("%w: not yet", store.ErrUnavailable)
	if a := w.get("exporter", "/v1/datasets/masks?tenant_id=acme"); a.status != 503 || strings.Contains(string(a.body), "key of") {
		t.Errorf("nobody can say who was erased: status %d, %s", a.status, a.body)
	}
	var seen []string
	for _, e := range w.looks() {
		if e.Action == "export_masks" && e.Outcome == access.Done {
			seen = append(seen, e.UserID+" "+e.ResourceID)
		}
	}
	if got := strings.Join(seen, ", "); got != "exporter , exporter acme, exporter of all globex" {
		t.Errorf("who got what: %s", got)
	}
}
