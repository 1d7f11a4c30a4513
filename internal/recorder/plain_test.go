package recorder

import (
	"strings"
	"testing"

	"indelible/internal/sample"
)

// TestEventIdentity compares the quick look into a payload with the event it
// was made of, for values that could mislead it.
func TestEventIdentity(t *testing.T) {
	t.Parallel()
	nasty := []string{"plain", `quote"inside`, `back\slash`, `ends with \`, `","/id":"x`, `\","/tenant_id":"y`, "line\nbreak", strings.Repeat(`\"`, 50), "ü🎉", `{"/id":"z"}`}
	n := 0
	for e := range sample.Events(3, 200) {
		e.UserAgent, e.SourceIP = nasty[n%len(nasty)], nasty[(n/2)%len(nasty)]
		e.TenantID, e.ResourceID = nasty[(n/3)%len(nasty)], nasty[(n/5)%len(nasty)]
		e.UserID = nasty[(n/7)%len(nasty)]
		if n%4 == 0 {
			e.UserID = ""
		}
		e.Details = []byte(`{"/id":"deep","/tenant_id":"deep","a":{"/id":"deeper"}}`)
		n++
		if err := e.Validate(); err != nil {
			t.Fatal(err)
		}
		tenant, id, err := Plain.EventIdentity(Plain.Payload(e))
		if err != nil || string(tenant) != e.TenantID || string(id) != e.ID {
			t.Errorf("identity of %s: tenant %q, id %q, error %v; want %q, %q", e.AppendJSON(nil), tenant, id, err, e.TenantID, e.ID)
		}
		back, err := Plain.Open(Plain.Payload(e))
		if err != nil || string(back.Event.AppendJSON(nil)) != string(e.AppendJSON(nil)) {
			t.Errorf("opened %v, error %v; sealed %s", back, err, e.AppendJSON(nil))
		}
	}
}
