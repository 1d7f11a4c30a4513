package api_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"indelible/internal/access"
	"indelible/internal/access/cedar"
	"indelible/internal/api"
)

// counts and tops as they are answered.
type counts struct {
	Counts []struct {
		Time  time.Time
		Count uint64
	}
	Total uint64
}

type tops struct {
	Values []struct {
		Value    string
		TenantID string `json:"tenant_id"`
		Count    uint64
	}
	Total uint64
}

func (c *tops) String() string {
	var b strings.Builder
	for _, v := range c.Values {
		fmt.Fprintf(&b, "%s %s %d;", v.TenantID, v.Value, v.Count)
	}
	return fmt.Sprint(b.String(), c.Total)
}

const day = "&since=2024-10-25T00:00:00Z&until=2024-10-26T00:00:00Z"

func TestCounts(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	var lines strings.Builder
	for n := range 40 {
		e := strings.Replace(event(n, "acme"), "14:03:11", fmt.Sprintf("%02d:03:11", n%4), 1)
		lines.WriteString(strings.Replace(e, "maria", []string{"maria", "tom", "tom", ""}[n%4], 1) + "\n")
	}
	if a := w.do("writer", "POST", "/v1/events", lines.String(), "Content-Type", "application/x-ndjson"); a.status != 200 {
		t.Fatalf("status %d", a.status)
	}
	w.post(100, "globex")
	var c counts
	w.get("reader", "/v1/events/counts?by=hour"+day).into(t, &c)
	if len(c.Counts) != 24 || c.Total != 40 || c.Counts[2].Count != 10 || c.Counts[14].Count != 0 || c.Counts[2].Time.Hour() != 2 {
		t.Errorf("%+v", c)
	}
	w.get("reader", "/v1/events/counts?by=day&user_id=tom&since=2024-10-24T12:00:00Z&until=2024-10-25T01:30:00Z").into(t, &c)
	if len(c.Counts) != 2 || c.Counts[1].Count != 10 || c.Total != 10 {
		t.Errorf("by day: %+v", c)
	}
	for _, x := range []struct{ who, query, want string }{
		{"reader", "field=user_id", "acme tom 20;acme maria 10;40"},
		{"reader", "field=user_id&limit=1&since=2024-10-25T02:00:00Z", "acme tom 10;20"},
		{"reader", "field=action", " read 40;40"},
		{"auditor of all", "field=tenant_id", " acme 40; globex 1;41"},
		{"auditor of all", "field=user_id&user_id=maria", "acme maria 10;globex maria 1;11"},
		{"reader", "field=user_id&tenant_id=globex", "0"},
		{"reader of globex", "field=tenant_id", " globex 1;1"},
		{"auditor of all", "field=action&tenant_id=_access", "0"},
		{"auditor of all", "field=resource_id&resource_id=none", "0"},
	} {
		var got tops
		w.get(x.who, "/v1/events/top?"+x.query).into(t, &got)
		if got.String() != x.want {
			t.Errorf("%s, %s: %s, want %s", x.who, x.query, &got, x.want)
		}
	}
	for what, x := range map[string]struct {
		who, path string
		status    int
		code      string
	}{
		"a writer":       {"writer", "counts?by=hour" + day, 403, "forbidden"},
		"an exporter":    {"exporter", "top?field=action", 403, "forbidden"},
		"nobody":         {"", "top?field=action", 401, "unauthorized"},
		"no step":        {"reader", "counts?by=minute" + day, 400, "bad_query"},
		"no time":        {"reader", "counts?by=hour", 400, "bad_query"},
		"too many steps": {"reader", "counts?by=hour&since=2020-01-01T00:00:00Z&until=2024-01-01T00:00:00Z", 400, "bad_query"},
		"no field":       {"reader", "top", 400, "bad_query"},
		"another field":  {"reader", "top?field=details", 400, "bad_query"},
		"too many":       {"reader", "top?field=action&limit=101", 400, "bad_query"},
		"words":          {"reader", "top?field=action&q=read", 400, "bad_query"},
		"microseconds":   {"reader", "top?field=action&since=2024-10-25T00:00:00.0001Z", 400, "bad_query"},
	} {
		if a := w.get(x.who, "/v1/events/"+x.path); a.status != x.status || a.code() != x.code {
			t.Errorf("%s: status %d, %s", what, a.status, a.body)
		}
	}
	looks := describe(w.looks())
	for _, want := range []string{"reader count_events intent tenant/acme\nreader count_events success tenant/acme", "reader top_values intent tenant/acme\nreader top_values success tenant/acme"} {
		if !strings.Contains(looks, want) {
			t.Errorf("the access log has not %q:\n%s", want, looks)
		}
	}
}

// TestCountsOwnPolicies: a tenant that policies take away from somebody who has
// all is not counted.
func TestCountsOwnPolicies(t *testing.T) {
	t.Parallel()
	policy, err := cedar.New("own", slices.Concat(cedar.Default, []byte(`forbid (principal, action == Action::"`+string(access.ReadEvents)+`", resource == Tenant::"globex");`)))
	if err != nil {
		t.Fatal(err)
	}
	w := start(t, func(c *api.Config) { c.Policy = policy })
	w.post(1, "acme")
	w.post(2, "globex")
	var c counts
	w.get("auditor of all", "/v1/events/counts?by=day"+day).into(t, &c)
	var top tops
	w.get("auditor of all", "/v1/events/top?field=tenant_id").into(t, &top)
	if c.Total != 1 || top.String() != " acme 1;1" {
		t.Errorf("%+v, %s", c, &top)
	}
}
