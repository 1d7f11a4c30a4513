package api_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"

	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"indelible"
	"indelible/internal/access/cedar"
	"indelible/internal/api"
)

func TestWrite(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	var r indelible.Receipt
	a := w.do("writer", "POST", "/v1/events", event(1, "acme"))
	a.into(t, &r)
	if a.status != http.StatusCreated || r.Durability != indelible.DurableStore || r.Index == nil || r.ID != id(1) {
		t.Errorf("status %d, %s", a.status, a.body)
	}
	_, key, err := indelible.ParseVerifierKey(w.vkey)
	if err == nil {
		err = r.Promise.Verify(key)
	}
	if err != nil {
		t.Errorf("the receipt: %v", err)
	}
	for what, c := range map[string]struct {
		path, body string
		header     []string
		status     int
		code       string
	}{
		"a repeat":            {"/v1/events", event(1, "acme"), nil, 200, ""},
		"a conflict":          {"/v1/events", strings.Replace(event(1, "acme"), "maria", "tom", 1), nil, 409, "conflict"},
		"journal only":        {"/v1/events?ack=journal", event(2, "acme"), nil, 202, ""},
		"ack is wrong":        {"/v1/events?ack=disk", event(3, "acme"), nil, 400, "bad_query"},
		"not an event":        {"/v1/events", `{"tenant_id":"acme"}`, nil, 422, "invalid_event"},
		"not JSON":            {"/v1/events", `hello`, nil, 422, "invalid_event"},
		"empty":               {"/v1/events", ``, nil, 422, "invalid_event"},
		"a name twice":        {"/v1/events", strings.Replace(event(3, "acme"), `{`, `{"action":"x",`, 1), nil, 422, "invalid_event"},
		"deep":                {"/v1/events", strings.Replace(event(3, "acme"), `{`, `{"details":{"a":`+strings.Repeat("[", 100)+strings.Repeat("]", 100)+`},`, 1), nil, 422, "invalid_event"},
		"another's tenant":    {"/v1/events", event(3, "globex"), nil, 403, "tenant_forbidden"},
		"the log's tenant":    {"/v1/events", event(3, "_access"), nil, 422, "invalid_event"},
		"no media type":       {"/v1/events", event(3, "acme"), []string{"Content-Type", ""}, 415, "media_type"},
		"another media type":  {"/v1/events", event(3, "acme"), []string{"Content-Type", "text/plain"}, 415, "media_type"},
		"another packing":     {"/v1/events", event(3, "acme"), []string{"Content-Encoding", "br"}, 415, "media_type"},
		"not gzip":            {"/v1/events", event(3, "acme"), []string{"Content-Encoding", "gzip"}, 400, "bad_request"},
		"not zstd":            {"/v1/events", event(3, "acme"), []string{"Content-Encoding", "zstd"}, 400, "bad_request"},
		"gzip":                {"/v1/events", packed(t, event(4, "acme")), []string{"Content-Encoding", "gzip"}, 201, ""},
		"zstd":                {"/v1/events", zpacked(t, event(5, "acme")), []string{"Content-Encoding", "zstd"}, 201, ""},
		"a gzip bomb":         {"/v1/events", packed(t, strings.Repeat(" ", 7<<20)), []string{"Content-Encoding", "gzip"}, 413, "ratio"},
		"a zstd bomb":         {"/v1/events", zpacked(t, strings.Repeat(" ", 7<<20)), []string{"Content-Encoding", "zstd"}, 413, "ratio"},
		"too large":           {"/v1/events", strings.Repeat(" ", 9<<20), nil, 413, "too_large"},
		"the key is the id":   {"/v1/events", strings.Replace(event(6, "acme"), `"id":"`+id(6)+`",`, "", 1), []string{"Idempotency-Key", id(6)}, 201, ""},
		"another key":         {"/v1/events", event(6, "acme"), []string{"Idempotency-Key", id(7)}, 400, "bad_request"},
		"a key that is no id": {"/v1/events", event(7, "acme"), []string{"Idempotency-Key", "7"}, 400, "bad_request"},
		"a parameter":         {"/v1/events?ack=store&x=1", event(7, "acme"), nil, 400, "bad_query"},
	} {
		if a := w.do("writer", "POST", c.path, c.body, c.header...); a.status != c.status || a.code() != c.code {
			t.Errorf("%s: status %d, want %d, %.200s", what, a.status, c.status, a.body)
		}
	}
	a = w.do("writer", "POST", "/v1/events", `{"tenant_id":""}`)
	var p api.Problem
	if err := json.Unmarshal(a.body, &p); err != nil || p.Field == "" || p.Type != "urn:indelible:problem:invalid_event" || p.Status != 422 || a.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("a problem looks like this: %s, %v", a.body, a.header)
	}
}

func packed(t *testing.T, s string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write([]byte(s))
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func zpacked(t *testing.T, s string) string {
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(z.EncodeAll([]byte(s), nil))
}

func TestLines(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	body := strings.Join([]string{event(1, "acme"), "", "nonsense", event(2, "globex"), event(1, "acme"), event(3, "acme")}, "\n")
	a := w.do("writer", "POST", "/v1/events", body, "Content-Type", "application/x-ndjson")
	var got []string
	for text := range strings.Lines(string(a.body)) {
		var r struct {
			Line, Status int
			Receipt      *indelible.Receipt
			Problem      *struct{ Code string }
		}
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			t.Fatal(err)
		}
		s := fmt.Sprint(r.Line, " ", r.Status)
		if r.Problem != nil {
			s += " " + r.Problem.Code
		} else if r.Receipt == nil || r.Receipt.Durability != indelible.DurableStore {
			s += " without a place"
		}
		got = append(got, s)
	}
	// The repeat in one batch is found when it is committed.
	want := []string{"1 201", "3 422 invalid_event", "4 403 tenant_forbidden", "5 200", "6 201"}
	if a.status != 200 || !slices.Equal(got, want) {
		t.Errorf("status %d, %v, want %v\n%s", a.status, got, want, a.body)
	}
	many := strings.Repeat("{}\n", 10_001)
	if a := w.do("writer", "POST", "/v1/events", many, "Content-Type", "application/x-ndjson"); a.status != 413 || a.code() != "too_large" {
		t.Errorf("10,001 lines: status %d, %.200s", a.status, a.body)
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	for n := range 7 {
		w.post(n+1, "acme")
	}
	w.post(101, "globex")

	if p := w.search("reader", ""); len(p.Events) != 7 || p.Events[0].Event.ID != id(7) || p.Next != "" {
		t.Errorf("%+v", p)
	}
	if p := w.search("reader of all", "?order=log"); len(p.Events) != 8 || p.Events[0].Event.ID != id(1) {
		t.Errorf("%+v", p)
	}
	if p := w.search("reader", "?resource_id=3&user_id=maria&q=file+read&since=2024-10-25T00:00:00Z"); len(p.Events) != 1 || p.Events[0].Event.ID != id(3) {
		t.Errorf("%+v", p)
	}
	// Pages are of one tree, whatever comes after.
	for _, order := range []string{"newest", "log"} {
		var ids []string
		next := ""
		for round := 0; round == 0 || next != ""; round++ {
			query := "?limit=3&order=" + order
			if next != "" {
				query += "&cursor=" + next
			}
			p := w.search("reader", query)
			for _, e := range p.Events {
				ids = append(ids, e.Event.ID)
			}
			if next = p.Next; round == 0 {
				w.post(map[string]int{"newest": 8, "log": 9}[order], "acme")
			}
		}
		want := []string{id(7), id(6), id(5), id(4), id(3), id(2), id(1)}
		if order == "log" {
			want = []string{id(1), id(2), id(3), id(4), id(5), id(6), id(7), id(8)}
		}
		if !slices.Equal(ids, want) {
			t.Errorf("%s: %v, want %v", order, ids, want)
		}
	}

	var one struct {
		Index uint64
		Event indelible.Event
	}
	w.get("reader", "/v1/events/"+id(2)).into(t, &one)
	if one.Event.ID != id(2) || one.Event.TenantID != "acme" {
		t.Errorf("%+v", one)
	}
	var evidence indelible.Evidence
	w.get("reader", "/v1/events/"+id(2)+"/evidence").into(t, &evidence)
	if proved, err := evidence.Check(w.vkey); err != nil || proved.Event == nil || proved.Event.ID != id(2) {
		t.Errorf("evidence: %+v, %v", proved, err)
	}
	evidence = indelible.Evidence{}
	w.get("reader", "/v1/events/"+id(2)+"/evidence?without_person=true").into(t, &evidence)
	if proved, err := evidence.Check(w.vkey); err != nil || proved.Event != nil || proved.Withheld != 1 {
		t.Errorf("evidence without the person: %+v, %v", proved, err)
	}
	var receipt indelible.Receipt
	w.get("reader", "/v1/receipts/"+id(2)).into(t, &receipt)
	if receipt.Index == nil || *receipt.Index != one.Index || receipt.Durability != indelible.DurableStore || receipt.TenantID != "acme" {
		t.Errorf("%+v", receipt)
	}
	var complete indelible.Completeness
	w.get("auditor", "/v1/tenants/acme/completeness").into(t, &complete)
	if _, err := complete.Check(w.vkey); err != nil || len(complete.Leaves) != 10 {
		t.Errorf("completeness: %d leaves, %v", len(complete.Leaves), err)
	}
	if a := w.get("auditor", "/v1/verification"); a.status != 404 {
		t.Errorf("a report before there is one: %d", a.status)
	}
	checkpoint := w.get("", "/log/checkpoint")
	if checkpoint.status != 200 || checkpoint.header.Get("Cache-Control") != "no-cache" || !bytes.Contains(checkpoint.body, []byte("\n\n— ")) {
		t.Errorf("checkpoint: %d %v %s", checkpoint.status, checkpoint.header, checkpoint.body)
	}
}

// TestAccessLog: what somebody sees is in the log before they see it.
func TestAccessLog(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	w.post(1, "acme")
	w.post(2, "globex")
	if n := len(w.looks()); n != 0 {
		t.Fatalf("%d access events before anybody looked", n)
	}
	w.do("reader", "GET", "/v1/events?user_id=maria", "", "X-Justification", "ticket 7")
	w.get("reader", "/v1/events/"+id(1))
	w.get("reader of all", "/v1/events")
	w.get("reader", "/v1/events/"+id(2)) // is another's
	w.get("writer", "/v1/events")
	w.do("", "GET", "/v1/events", "", "Authorization", "Bearer ind_wrong")
	w.do("reader", "POST", "/v1/events", event(3, "acme"))
	looks := w.looks()
	want := `reader search intent tenant/acme
reader search success tenant/acme
reader read_event intent event/` + id(1) + `
reader read_event success event/` + id(1) + `
reader of all search intent tenants/
reader of all search success tenants/
reader read_event intent event/` + id(2) + `
reader read_event failure event/` + id(2) + `
writer search denied tenants/
 login denied tenants/
reader write_events denied tenants/
`
	if diff := cmp.Diff(want, describe(looks)); diff != "" {
		t.Fatal(diff)
	}
	details := string(looks[0].Details) + string(looks[1].Details)
	for _, part := range []string{`"justification":"ticket 7"`, `"query":{"user_id":"maria"}`, `"query_sha256":"`, `"policy_sha256":"`, `"tenants":["acme"]`, `"rows":1`, `"first_index":`, `"indexes":[`, `"key_id":"`, `"roles":["reader"]`} {
		if !strings.Contains(details, part) {
			t.Errorf("no %s in %s", part, details)
		}
	}
	if looks[0].SourceIP != "127.0.0.1" {
		t.Errorf("from %q", looks[0].SourceIP)
	}

	// Who looked at this? Asking adds one event and no other.
	type accesses struct {
		Accesses []struct{ Event *indelible.Event }
	}
	ask := func(who, query string) (events []*indelible.Event) {
		before := len(w.looks())
		var a accesses
		w.get(who, "/v1/access"+query).into(t, &a)
		if after := len(w.looks()); after != before+1 {
			t.Errorf("asking %s added %d events", query, after-before)
		}
		for _, x := range a.Accesses {
			events = append(events, x.Event)
		}
		return events
	}
	got := ask("auditor", "?event_id="+id(1))
	want = "reader of all search success tenants/\nreader read_event success event/" + id(1) + "\nreader read_event intent event/" + id(1) + "\nreader search success tenant/acme\n"
	if diff := cmp.Diff(want, describe(got)); diff != "" {
		t.Errorf("who looked at the event: %s", diff)
	}
	for _, e := range got {
		if e.UserID == "reader of all" && strings.Contains(string(e.Details), "indexes") {
			t.Errorf("acme's auditor learns what of others was shown: %s", e.Details)
		}
	}
	got = ask("auditor of globex", "?tenant_id=globex")
	if diff := cmp.Diff("reader of all search success tenants/\nreader of all search intent tenants/\n", describe(got)); diff != "" {
		t.Errorf("who looked at globex: %s", diff)
	}
	if got = ask("auditor of globex", "?tenant_id=acme"); len(got) != 0 {
		t.Errorf("globex learns who looked at acme: %s", describe(got))
	}
	if a := w.get("reader", "/v1/access?tenant_id=acme"); a.status != 403 {
		t.Errorf("a reader reads the access log: %d", a.status)
	}
	if a := w.get("auditor", "/v1/access"); a.status != 400 {
		t.Errorf("asking for nothing: %d", a.status)
	}
	// As events they are nobody's.
	for _, who := range []string{"reader of all", "auditor of all"} {
		if p := w.search(who, "?tenant_id=_access"); len(p.Events) != 0 {
			t.Errorf("%s finds access events", who)
		}
	}
}

// TestFailsClosed: where a look cannot be recorded nothing is seen.
func TestFailsClosed(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	w.post(1, "acme")
	if err := w.ledger.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/v1/events", "/v1/events/" + id(1), "/v1/events/" + id(1) + "/evidence", "/v1/receipts/" + id(1), "/v1/tenants/acme/completeness", "/v1/access?tenant_id=acme"} {
		a := w.get("auditor", path)
		if a.status != 503 || a.code() != "busy" || a.header.Get("Retry-After") == "" || bytes.Contains(a.body, []byte("maria")) {
			t.Errorf("%s: status %d, %s", path, a.status, a.body)
		}
	}
	if a := w.do("writer", "POST", "/v1/events", event(2, "acme")); a.status != 503 {
		t.Errorf("a write: status %d, %s", a.status, a.body)
	}
}

// TestWho: nobody gets 401, and a list of somebody else's things is empty. The
// matrix has the roles.
func TestWho(t *testing.T) {
	t.Parallel()
	w := start(t, func(c *api.Config) {
		c.Verification = func() json.RawMessage { return json.RawMessage(`{"result":"ok"}`) }
	})
	w.post(1, "acme")
	for _, path := range []string{"/v1/events", "/v1/events/" + id(1), "/v1/access?tenant_id=acme", "/v1/verification", "/v1/nothing", "/", "/metrics", "/v1/datasets/masks"} {
		if a := w.get("", path); a.status != 401 || a.header.Get("WWW-Authenticate") == "" {
			t.Errorf("nobody at %s: status %d", path, a.status)
		}
	}
	for _, path := range []string{"/healthz", "/readyz", "/log/checkpoint"} {
		if a := w.get("", path); a.status != 200 {
			t.Errorf("nobody at %s: status %d", path, a.status)
		}
	}
	if p := w.search("reader of globex", "?tenant_id=acme"); len(p.Events) != 0 {
		t.Errorf("globex finds %+v", p)
	}
	closed := start(t, func(c *api.Config) { c.PublicLog = false })
	if a, b := closed.get("", "/log/checkpoint"), closed.get("writer", "/log/checkpoint"); a.status != 401 || b.status != 200 {
		t.Errorf("a log that is not public: %d, with a key %d", a.status, b.status)
	}
}

// TestLearnsNothing: what is another's and what does not exist answer the same.
func TestLearnsNothing(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	w.post(1, "acme")
	for _, path := range []string{"/v1/events/%s", "/v1/events/%s/evidence", "/v1/receipts/%s", "/v1/access?event_id=%s", "/v1/events?cursor=%s"} {
		a, b := w.get("auditor of globex", fmt.Sprintf(path, id(1))), w.get("auditor of globex", fmt.Sprintf(path, id(2)))
		if a.status != b.status || !bytes.Equal(a.body, b.body) || a.status/100 == 2 {
			t.Errorf("%s: %d %s, and %d %s", path, a.status, a.body, b.status, b.body)
		}
	}
	a, b := w.get("auditor of globex", "/v1/tenants/acme/completeness"), w.get("auditor of globex", "/v1/tenants/nobody/completeness")
	if a.status != 404 || b.status != 404 || !bytes.Equal(a.body, b.body) {
		t.Errorf("completeness: %d %s, and %d %s", a.status, a.body, b.status, b.body)
	}
	// The same id in two tenants: each finds its own.
	w.post(1, "globex")
	for who, tenant := range map[string]string{"reader": "acme", "reader of globex": "globex"} {
		var one struct{ Event indelible.Event }
		w.get(who, "/v1/events/"+id(1)).into(t, &one)
		if one.Event.TenantID != tenant {
			t.Errorf("%s finds the event of %s", who, one.Event.TenantID)
		}
	}
	if a := w.get("reader of all", "/v1/events/"+id(1)); a.status != 400 {
		t.Errorf("two events with one id: status %d", a.status)
	}
	if a := w.get("reader of all", "/v1/events/"+id(1)+"?tenant_id=globex"); a.status != 200 {
		t.Errorf("one of them, by tenant: status %d, %s", a.status, a.body)
	}
}

// TestOwnPolicies: a tenant that policies take away is not seen, and pages go on
// behind its events.
func TestOwnPolicies(t *testing.T) {
	t.Parallel()
	w := start(t, func(c *api.Config) {
		own := string(cedar.Default) + `forbid (principal, action == Action::"read_events", resource == Tenant::"globex");`
		p, err := cedar.New("own", []byte(own))
		if err != nil {
			t.Fatal(err)
		}
		c.Policy = p
	})
	w.post(1, "acme")
	for n := range 5 {
		w.post(10+n, "globex")
	}
	w.post(2, "acme")
	var ids []string
	next := ""
	for round := 0; round == 0 || next != ""; round++ {
		query := "?limit=2"
		if next != "" {
			query += "&cursor=" + next
		}
		p := w.search("reader of all", query)
		for _, e := range p.Events {
			ids = append(ids, e.Event.ID)
		}
		if next = p.Next; round > 20 {
			t.Fatal("pages without end")
		}
	}
	if !slices.Equal(ids, []string{id(2), id(1)}) {
		t.Errorf("found %v", ids)
	}
	if a := w.get("reader of all", "/v1/events/"+id(10)); a.status != 404 {
		t.Errorf("an event of it: status %d", a.status)
	}
}
