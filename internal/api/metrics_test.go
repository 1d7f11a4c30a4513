package api_test

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestMetrics: what is counted is right, described where it is said to be, and
// nothing of a tenant, an event or a key is in it.
func TestMetrics(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	w.post(1, "acme")
	w.search("reader", "")
	w.get("reader", "/v1/events/"+id(1))
	w.get("writer", "/v1/events")
	w.do("", "GET", "/v1/events", "", "Authorization", "Bearer ind_wrong")
	w.get("reader", "/v1/tenants/acme/completeness")
	var b bytes.Buffer
	w.server.WriteMetrics(&b)
	text := b.String()
	for _, line := range []string{
		"indelible_events_recorded_total 1", "indelible_keys_refused_total 1", "indelible_requests_denied_total 2", "indelible_store_up 1", "indelible_ready 1",
		`indelible_http_request_seconds_count{route="/v1/events",code="201"} 1`, `indelible_http_request_seconds_count{route="/v1/events",code="200"} 1`,
		`indelible_http_request_seconds_count{route="/v1/events/{id}",code="200"} 1`, `indelible_http_request_seconds_count{route="/v1/tenants/{tenant}/completeness",code="403"} 1`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no line %s in\n%s", line, text)
		}
	}
	for _, secret := range []string{"acme", "maria", id(1), "ind_"} {
		if strings.Contains(text, secret) {
			t.Errorf("%q is in the metrics", secret)
		}
	}
	for line := range strings.Lines(text) {
		if !regexp.MustCompile(`^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [0-9.e+-]+)\n$`).MatchString(line) {
			t.Errorf("not a line of this format: %q", line)
		}
	}
	manual, err := os.ReadFile("../../docs/server.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`# TYPE ([a-z_]+) `).FindAllStringSubmatch(text, -1) {
		if !strings.Contains(string(manual), "`"+m[1]+"`") {
			t.Errorf("%s is not in the manual", m[1])
		}
	}
}
