package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"indelible"
	"indelible/internal/access"
	"indelible/internal/api"
	"indelible/internal/govern"
)

// decided stands for what is decided about two tenants, each with a hold and a
// proposal.
type decided struct{}

func seen(scope access.TenantScope) (tenants []string) {
	for _, t := range []string{"acme", "globex"} {
		if scope.Allows(t) {
			tenants = append(tenants, t)
		}
	}
	return tenants
}

func (decided) Holds(_ context.Context, scope access.TenantScope) (holds []govern.HoldInfo, _ error) {
	for _, t := range seen(scope) {
		holds = append(holds, govern.HoldInfo{Tenant: t})
	}
	return holds, nil
}

func (decided) Hold(_ context.Context, _ access.TenantScope, n api.NewHold) (*govern.HoldInfo, error) {
	return &govern.HoldInfo{Tenant: n.Tenant}, nil
}

func (decided) Retention(context.Context, access.TenantScope) (json.RawMessage, error) {
	return json.RawMessage(`{}`), nil
}

func (decided) Draft(_ context.Context, _ access.TenantScope, w api.Wish) (*govern.Document, error) {
	d := &govern.Document{}
	if w.Erase != nil {
		d.About.Tenant = w.Erase.Tenant
	}
	return d, nil
}

func (decided) Proposals(_ context.Context, scope access.TenantScope) (docs []*govern.Document, _ error) {
	for _, t := range seen(scope) {
		docs = append(docs, &govern.Document{About: govern.About{Tenant: t}})
	}
	return docs, nil
}

func (decided) Sign(context.Context, access.TenantScope, *govern.Document) (*govern.Result, error) {
	return &govern.Result{}, nil
}

// masks stands for what rows are masked with.
type masks struct{}

func (masks) Policy() (json.RawMessage, string) { return json.RawMessage(`{}`), "v" }

func (masks) Tenant(_ context.Context, tenant string) (*api.TenantMasks, error) {
	return &api.TenantMasks{KeyID: tenant}, nil
}

// asked is how each way into the server is asked for what is of a tenant; %s is
// the tenant, %e the id of an event of it and %v the event, %k a key of it, %n a name nobody has,
// %a signatures, %d what is recorded of a dataset.
var asked = map[string]struct{ path, body string }{
	"GET /healthz":                          {},
	"GET /readyz":                           {},
	"GET /log/{object...}":                  {"/log/checkpoint", ""},
	"POST /v1/events":                       {"/v1/events", "%v"},
	"GET /v1/events":                        {"/v1/events?tenant_id=%s", ""},
	"GET /v1/events/tail":                   {"/v1/events/tail?tenant_id=%s", ""},
	"GET /v1/events/counts":                 {"/v1/events/counts?by=day&since=2024-10-25T00:00:00Z&until=2024-10-26T00:00:00Z&tenant_id=%s", ""},
	"GET /v1/events/top":                    {"/v1/events/top?field=tenant_id&tenant_id=%s", ""},
	"GET /v1/events/{id}":                   {"/v1/events/%e", ""},
	"GET /v1/events/{id}/evidence":          {"/v1/events/%e/evidence", ""},
	"GET /v1/receipts/{id}":                 {"/v1/receipts/%e", ""},
	"GET /v1/tenants/{tenant}/completeness": {"/v1/tenants/%s/completeness", ""},
	"GET /v1/access":                        {"/v1/access?tenant_id=%s&limit=1", ""},
	"GET /v1/verification":                  {"/v1/verification", ""},
	"GET /v1/keys":                          {"/v1/keys", ""},
	"POST /v1/keys":                         {"/v1/keys", `{"name":"%n","roles":["reader"],"tenants":["%s"]}`},
	"DELETE /v1/keys/{id}":                  {"/v1/keys/%k", ""},
	"GET /v1/holds":                         {"/v1/holds", ""},
	"POST /v1/holds":                        {"/v1/holds", `{"tenant_id":"%s","reason":"case 17"}`},
	"POST /v1/holds/{id}/lift":              {"/v1/holds/00112233445566778899aabbccddeeff/lift", ""},
	"GET /v1/retention":                     {"/v1/retention", ""},
	"POST /v1/retention":                    {"/v1/retention", ""},
	"POST /v1/erasures":                     {"/v1/erasures", `{"tenant_id":"%s","user_id":"maria"}`},
	"GET /v1/proposals":                     {"/v1/proposals", ""},
	"POST /v1/proposals":                    {"/v1/proposals", `{"version":1,"origin":"o","log_id":"00112233445566778899aabbccddeeff","action":{},"about":{"tenant":"%s","text":"x"},"approval":%a}`},
	"GET /v1/schedules":                     {"/v1/schedules", ""},
	"PUT /v1/schedules/{name}":              {"/v1/schedules/mine", `{"when":"daily 02:00","run":"verify"}`},
	"DELETE /v1/schedules/{name}":           {"/v1/schedules/other", ""},
	"POST /v1/schedules/{name}/runs":        {"/v1/schedules/nightly/runs", ""},
	"POST /v1/datasets":                     {"/v1/datasets", "%d"},
	"GET /v1/datasets/masks":                {"/v1/datasets/masks?tenant_id=%s", ""},
	"POST /v1/exports":                      {"/v1/exports", `{"source":"flows","tenants":["%s"]}`},
	"GET /v1/exports":                       {"/v1/exports", ""},
	"GET /v1/exports/{id}":                  {"/v1/exports/00000000-0000-4000-8000-000000000000", ""},
	"DELETE /v1/exports/{id}":               {"/v1/exports/00000000-0000-4000-8000-000000000000", ""},
	"GET /v1/exports/{id}/files/{name...}":  {"/v1/exports/00000000-0000-4000-8000-000000000000/files/manifest.json", ""},
}

// opened need no key.
var opened = []string{"GET /healthz", "GET /readyz", "GET /log/{object...}"}

// recorders are asked to record events: that they did stands in the log itself.
var recorders = []string{"POST /v1/events", "POST /v1/datasets"}

// streams do not end by themselves: of them the status is looked at.
var streams = []string{"GET /v1/events/tail"}

// matrix asks a server in every way as everybody.
type matrix struct {
	*world
	names    int
	approval string
	requests map[string]string // by id: what was asked, and the answer's status
}

func (m *matrix) ask(who, pattern, tenant string) string {
	m.t.Helper()
	m.names++
	way := asked[pattern]
	n := map[string]int{"acme": 1, "globex": 2}[tenant]
	dataset := strings.ReplaceAll(strings.ReplaceAll(event(100+n, "_system"), "data_access", "dataset.exported"), `"file"`, `"dataset"`) + "\n" +
		strings.ReplaceAll(strings.ReplaceAll(event(200+n, tenant), "data_access", "dataset.exported"), `"file"`, `"dataset"`) + "\n"
	fill := strings.NewReplacer("%s", tenant, "%e", id(n), "%k", m.key["id of the key of "+tenant], "%n", fmt.Sprint("key ", m.names), "%v", event(n, tenant), "%a", m.approval, "%d", dataset)
	method, path, _ := strings.Cut(pattern, " ")
	if way.path != "" {
		path = fill.Replace(way.path)
	}
	header := []string{"X-Justification", "the matrix"}
	if way.body == "%d" {
		header = append(header, "Content-Type", "application/x-ndjson")
	}
	var a *answer
	if slices.Contains(streams, pattern) {
		a = m.head(who, path, header)
	} else {
		a = m.do(who, method, path, fill.Replace(way.body), header...)
	}
	if who != "" {
		m.requests[a.header.Get("X-Request-Id")] = fmt.Sprint(a.status, " ", pattern)
	}
	answer := fmt.Sprint(a.status)
	if a.status/100 != 2 || pattern == "GET /v1/access" { // what that shows grows while we ask
		return answer
	}
	// Whose things are in what was answered.
	for _, t := range []string{"acme", "globex"} {
		if strings.Contains(string(a.body), `"`+t+`"`) {
			answer += "+" + t
		}
	}
	return answer
}

// head asks for a stream and hangs up when it begins.
func (m *matrix) head(who, path string, header []string) *answer {
	m.t.Helper()
	r, err := http.NewRequestWithContext(m.t.Context(), http.MethodGet, m.url+path, nil)
	if err != nil {
		m.t.Fatal(err)
	}
	if who != "" {
		r.Header.Set("Authorization", "Bearer "+m.key[who])
	}
	r.Header.Set(header[0], header[1])
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		m.t.Fatal(err)
	}
	resp.Body.Close()
	return &answer{resp.StatusCode, resp.Header, nil}
}

// TestMatrix: who may do what with whose, over every way into the server. It is
// written down in testdata/matrix.golden, to be read by people.
func TestMatrix(t *testing.T) {
	t.Parallel()
	w := start(t, func(c *api.Config) {
		c.Decisions, c.Masks, c.Schedules = decided{}, masks{}, nightly(t)
		c.Verification = func() json.RawMessage { return json.RawMessage(`{"result":"ok"}`) }
	})
	m := &matrix{world: w, requests: make(map[string]string)}
	approval, err := json.Marshal(indelible.Approval{Proposed: 1})
	if err != nil {
		t.Fatal(err)
	}
	m.approval = string(approval)
	w.post(1, "acme")
	w.post(2, "globex")
	for _, tenant := range []string{"acme", "globex"} {
		k := w.makeKey("admin of all", `{"name":"victim","roles":["reader"],"tenants":["`+tenant+`"]}`, "victim")
		w.key["id of the key of "+tenant] = k.ID
	}
	hour := time.Now().Add(time.Hour).Truncate(time.Second)
	for _, role := range access.Roles {
		if role != access.BreakGlass {
			w.add(string(role)+" of both", role, "acme", "globex")
		}
	}
	for name, tenants := range map[string][]string{"": {"acme"}, " of both": {"acme", "globex"}, " of all": nil} {
		text, key, err := w.keys.New("glass"+name, []access.Role{access.BreakGlass}, tenants == nil, tenants, &hour, "INC-7")
		if err == nil {
			err = w.keys.Add(key)
		}
		if err != nil {
			t.Fatal(err)
		}
		w.key[string(access.BreakGlass)+name] = text
	}
	begun := len(w.looks())

	patterns := w.server.Routes()
	slices.Sort(patterns)
	var b strings.Builder
	b.WriteString("# What each role is answered who asks for something of acme, and of globex: the status, and whose things are in the answer.\n" +
		"# Columns: a key for acme, a key for both, a key for all tenants.\n")
	for _, pattern := range patterns {
		if _, ok := asked[pattern]; !ok {
			t.Errorf("nobody asks for %s: add it to the matrix", pattern)
			continue
		}
		fmt.Fprintf(&b, "\n%s\n", pattern)
		if slices.Contains(opened, pattern) {
			fmt.Fprintf(&b, "  %-12s %s\n", "anybody", m.ask("", pattern, "acme"))
			continue
		}
		fmt.Fprintf(&b, "  %-12s %s\n", "nobody", m.ask("", pattern, "acme"))
		for _, role := range access.Roles {
			row := fmt.Sprintf("  %-12s", role)
			for _, of := range []string{"", " of both", " of all"} {
				row += fmt.Sprintf(" %-36s", m.ask(string(role)+of, pattern, "acme")+" "+m.ask(string(role)+of, pattern, "globex"))
			}
			b.WriteString(strings.TrimRight(row, " ") + "\n")
		}
	}
	golden := filepath.Join("testdata", "matrix.golden")
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
	m.complete(w.looks()[begun:])
}

// complete: every request of somebody known is in the access log, with who, from
// where, why and under which policies: before it is answered, and what came of it.
func (m *matrix) complete(looks []*indelible.Event) {
	m.t.Helper()
	type look struct{ outcomes []string }
	byRequest := make(map[string]*look)
	for _, e := range looks {
		var d struct {
			Request string
			Policy  string `json:"policy_sha256"`
			Reason  string `json:"justification"`
			KeyID   string `json:"key_id"`
		}
		if err := json.Unmarshal(e.Details, &d); err != nil {
			m.t.Fatal(err)
		}
		if e.Action != "login" && (len(d.Policy) != 64 || d.Reason != "the matrix" || d.KeyID == "" || e.UserID == "" || e.SourceIP != "127.0.0.1") {
			m.t.Errorf("%s %s says too little: %s", e.Action, e.Outcome, e.Details)
		}
		if byRequest[d.Request] == nil {
			byRequest[d.Request] = &look{}
		}
		byRequest[d.Request].outcomes = append(byRequest[d.Request].outcomes, e.Outcome)
	}
	for request, what := range m.requests {
		status, pattern, _ := strings.Cut(what, " ")
		var want []string
		switch {
		case status[0] == '2' && slices.Contains(recorders, pattern):
		case pattern == "GET /v1/access" && status[0] == '2':
			want = []string{access.Intent} // reading it adds one event
		case status[0] == '2':
			want = []string{access.Intent, access.Done}
		case status == "403":
			want = []string{access.Refused}
		}
		var got []string
		if l := byRequest[request]; l != nil {
			got = l.outcomes
		}
		switch {
		case slices.Equal(got, want) && want != nil:
		case slices.Contains(streams, pattern) && len(got) > 0 && got[0] == access.Intent: // what is sent in it is recorded as it goes
		case want == nil && (status[0] == '2' || len(got) > 0 || m.exportless(pattern)):
		default:
			m.t.Errorf("%s is in the access log as %v, want %v", what, got, want)
		}
	}
}

// exportless: this server makes no exports, and shows nothing of any.
func (m *matrix) exportless(pattern string) bool { return strings.Contains(pattern, " /v1/exports") }
