package indelible

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const minimal = `{"timestamp":"2024-10-25T14:03:11Z","event_type":"t","tenant_id":"acme","resource_type":"r","action":"a","outcome":"o"}`

// with returns the minimal event with one member set to a JSON text, or
// without it if the text is empty.
func with(t *testing.T, name, value string) string {
	t.Helper()
	var m map[string]json.RawMessage
	if err := json.Unmarshal([]byte(minimal), &m); err != nil {
		t.Fatal(err)
	}
	delete(m, name)
	rest, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if value == "" {
		return string(rest)
	}
	return `{"` + name + `":` + value + `,` + string(rest[1:])
}

func TestParseEvent(t *testing.T) {
	t.Parallel()
	e, err := ParseEvent([]byte(`
	{ "user_agent": "curl/8 \"x\"", "source_ip": "not an address", "id": "0192C5F0-8d5e-7c3a-9B1F-3a5c7e9d1b2f",
	  "timestamp": "2024-10-25T16:03:11.5+02:00", "event_type": "data_access", "user_id": "zo\u00eb",
	  "tenant_id": "東京物流", "resource_type": "dataset", "resource_id": "d-1", "action": "read", "outcome": "success",
	  "details": {"b": {"d": 1.0, "c": [ ]}, "a": null} } `))
	if err != nil {
		t.Fatal(err)
	}
	want := &Event{
		ID: "0192c5f0-8d5e-7c3a-9b1f-3a5c7e9d1b2f", Timestamp: time.Date(2024, 10, 25, 14, 3, 11, 500_000_000, time.UTC),
		EventType: "data_access", UserID: "zoë", TenantID: "東京物流", ResourceType: "dataset", ResourceID: "d-1",
		Action: "read", Outcome: "success", Details: json.RawMessage(`{"a":null,"b":{"c":[],"d":1}}`),
		SourceIP: "not an address", UserAgent: `curl/8 "x"`,
	}
	if diff := cmp.Diff(want, e); diff != "" {
		t.Error(diff)
	}
	const bytes = `{"action":"read","details":{"a":null,"b":{"c":[],"d":1}},"event_type":"data_access",` +
		`"id":"0192c5f0-8d5e-7c3a-9b1f-3a5c7e9d1b2f","outcome":"success","resource_id":"d-1","resource_type":"dataset",` +
		`"source_ip":"not an address","tenant_id":"東京物流","timestamp":"2024-10-25T14:03:11.5Z","user_agent":"curl/8 \"x\"","user_id":"zoë"}`
	if got := string(e.AppendCanonical(nil)); got != bytes {
		t.Errorf("canonical bytes\n got %s\nwant %s", got, bytes)
	}
	if e.AuditHash() != sha256.Sum256([]byte(bytes)) {
		t.Error("the hash is not that of the canonical bytes")
	}
}

// The hash of this event is written down, so that no change of code changes it
// unnoticed.
func TestAuditHashGolden(t *testing.T) {
	t.Parallel()
	e, err := ParseEvent([]byte(benchEvent))
	if err != nil {
		t.Fatal(err)
	}
	sum := e.AuditHash()
	if got, want := hex.EncodeToString(sum[:]), "c376b669035bb01e6b9cf0adb933121637f4216fb1647d033e6df451cfd2f5e1"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestParseEventAbsent(t *testing.T) {
	t.Parallel()
	want := `{"action":"a","details":{},"event_type":"t","outcome":"o","resource_id":"","resource_type":"r",` +
		`"tenant_id":"acme","timestamp":"2024-10-25T14:03:11Z","user_id":""}`
	for _, member := range []string{
		`"user_id":null`, `"user_id":""`, `"resource_id":null`, `"resource_id":""`, `"details":null`, `"details":{}`,
		`"id":null`, `"id":""`, `"source_ip":null`, `"source_ip":""`, `"user_agent":null`, `"user_agent":""`,
	} {
		e, err := ParseEvent([]byte(`{` + member + `,` + minimal[1:]))
		if err != nil {
			t.Errorf("%s: %v", member, err)
		} else if got := string(e.AppendCanonical(nil)); got != want {
			t.Errorf("%s: got %s", member, got)
		}
	}
}

func TestParseEventRefuses(t *testing.T) {
	t.Parallel()
	type refusal struct{ src, field, problem, hint string }
	tests := []refusal{
		{``, "", "not valid JSON", ""},
		{`[]`, "", "'[' where an event", ""},
		{minimal + `{}`, "", "'{' where the end of the input", ""},
		{`{}`, "timestamp", "required", ""},
		{`{"details":{"a":1}"x":2}`, "", "where a comma", ""},
		{with(t, "timestamp", `1729865000`), "timestamp", "must be a string, not a number", "quotes"},
		{with(t, "timestamp", `"now"`), "timestamp", `"now" is not an RFC 3339`, "2024-10-25T14:03:11.25Z"},
		{with(t, "user_id", `42`), "user_id", "must be a string, not a number", "quotes"},
		{with(t, "user_id", `{"a":1}`), "user_id", "must be a string, not an object", ""},
		{with(t, "user_id", `[]`), "user_id", "must be a string, not an array", ""},
		{with(t, "user_id", `true`), "user_id", "must be a string, not a boolean", ""},
		{with(t, "user_id", `maria`), "user_id", "not valid JSON", ""},
		{with(t, "details", `"x"`), "details", "must be an object, not a string", ""},
		{with(t, "details", `[]`), "details", "must be an object, not an array", ""},
		{with(t, "details", `{"a":1,"b":2,"a":1}`), "details.a", "more than once", ""},
		{with(t, "details", `{"a":{"n":[0,9007199254740993]}}`), "details.a.n[1]", "9007199254740993 cannot be held exactly", "send it as a string"},
		{with(t, "details", strings.Repeat(`{"a":`, 32)+`1`+strings.Repeat(`}`, 32)), "details" + strings.Repeat(".a", 31), "limit of 32 levels", ""},
		{with(t, "details", `{"s":"`+strings.Repeat("x", MaxEventSize)+`"}`), "details", "limit of 1048576 bytes", "elsewhere"},
		{with(t, "user_agent", `"`+strings.Repeat("x", MaxEventSize)+`"`), "user_agent", "limit of 1048576 bytes", "elsewhere"},
		{with(t, "tenant_id", `"_access"`), "tenant_id", "reserved", `does not begin with "_"`},
		{with(t, "id", `"42"`), "id", `"42" is not a UUID`, "8-4-4-4-12"},
		{with(t, "id", `"{0192c5f0-8d5e-7c3a-9b1f-3a5c7e9d1b2f}"`), "id", "not a UUID", ""},
		{with(t, "id", `"0192c5f08d5e-7c3a-9b1f-3a5c7e9d1b2ff"`), "id", "not a UUID", ""},
		{with(t, "id", `"0192c5f0-8d5e-7c3a-9b1f-3a5c7e9d1b2g"`), "id", "not a UUID", ""},
		{with(t, "action", "\"\xff\""), "action", "not valid UTF-8", ""},
		{with(t, "action", `"\ud83d"`), "action", "lone surrogate", ""},
		{`{"action":"x",` + minimal[1:], "action", "more than once", ""},
		{`{"\u0061ction":"x",` + minimal[1:], "action", "more than once", ""},
		{`{"userId":"x","color":{"a":[1]},` + minimal[1:], "userId, color", "not a member", `did you mean "user_id"?`},
		{`{"audit_hash":"x",` + minimal[1:], "audit_hash", "not a member", "details"},
		{with(t, "details", `{"audit_hash":null}`), "details.audit_hash", "64 lower-case hex", "leave it out, we compute it"},
		{with(t, "details", `{"audit_hash":{"a":[]}}`), "details.audit_hash", "64 lower-case hex", "leave it out, we compute it"},
		{with(t, "details", `{"audit_hash":"`+strings.Repeat("A", 64)+`"}`), "details.audit_hash", "64 lower-case hex", "leave it out, we compute it"},
		{with(t, "details", `{"audit_hash":"`+strings.Repeat("a", 64)+`"}`), "details.audit_hash", "none is given", "leave it out, we compute it"},
		{with(t, "details", `{"audit_hash":"a","audit_hash":"a"}`), "details.audit_hash", "more than once", ""},
		{`{"id":"0192c5f0-8d5e-7c3a-9b1f-3a5c7e9d1b2f",` + with(t, "details", `{"audit_hash":"`+strings.Repeat("a", 64)+`"}`)[1:],
			"details.audit_hash", "does not match", "leave it out, we compute it"},
		{strings.Repeat(" ", MaxInputSize) + minimal, "", "the limit is 8388608", ""},
	}
	for _, name := range []string{"timestamp", "tenant_id", "event_type", "resource_type", "action", "outcome"} {
		for _, value := range []string{"", `null`, `""`} {
			tests = append(tests, refusal{with(t, name, value), name, "required", ""})
		}
	}
	for _, tt := range tests {
		e, err := ParseEvent([]byte(tt.src))
		var fe *FieldError
		if !errors.As(err, &fe) {
			t.Errorf("%s: got %v, %v", shorten(tt.src), e, err)
			continue
		}
		if fe.Field != tt.field || !strings.Contains(fe.Problem, tt.problem) || !strings.Contains(fe.Hint, tt.hint) {
			t.Errorf("%s:\n got %+v\nwant %+v", shorten(tt.src), *fe, tt)
		}
	}
}

func TestLimitIsInclusive(t *testing.T) {
	t.Parallel()
	empty, err := ParseEvent([]byte(minimal))
	if err != nil {
		t.Fatal(err)
	}
	room := MaxEventSize - len(empty.AppendCanonical(nil)) - len(`"s":""`)
	fits := with(t, "details", `{"s":"`+strings.Repeat("x", room)+`"}`)
	if e, err := ParseEvent([]byte(fits)); err != nil {
		t.Error(err)
	} else if n := len(e.AppendCanonical(nil)); n != MaxEventSize {
		t.Errorf("%d bytes", n)
	}
	if _, err := ParseEvent([]byte(strings.Replace(fits, `"s"`, `"ss"`, 1))); err == nil {
		t.Error("one byte more was accepted")
	}
}

// What users are shown can be sent again, and says the same.
func TestAppendJSONRoundTrip(t *testing.T) {
	t.Parallel()
	for _, details := range []string{
		`{}`, `{"a":1}`, `{"z":1}`, `{"a":{"audit_hash":"x","z":[{"q":"}"}]},"b":2}`, `{"a":"audit_hash\"}","zz":null}`,
		`{"audit_has":1,"audit_hash_":2}`, `{"":0,"\"":"\\","\\":{}}`, `{"\n\u0001":[[]],"é":1,"😀":2}`, `{"audit_hashé":3}`,
	} {
		src := `{"id":"0192c5f0-8d5e-7c3a-9b1f-3a5c7e9d1b2f",` + with(t, "details", details)[1:]
		e, err := ParseEvent([]byte(src))
		if err != nil {
			t.Fatal(err)
		}
		shown := e.AppendJSON(nil)
		if again := canonical(t, string(shown)); again != string(shown) {
			t.Errorf("not canonical\n got %s\nwant %s", shown, again)
		}
		back, err := ParseEvent(shown)
		if err != nil {
			t.Errorf("%s: %v", shown, err)
			continue
		}
		if diff := cmp.Diff(e, back); diff != "" {
			t.Errorf("%s: %s", shown, diff)
		}
		sum := e.AuditHash()
		if !bytes.Contains(shown, []byte(`"audit_hash":"`+hex.EncodeToString(sum[:])+`"`)) {
			t.Errorf("%s: hash missing", shown)
		}
		var viaJSON Event
		marshalled, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(marshalled, &viaJSON); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(*e, viaJSON); diff != "" {
			t.Error(diff)
		}
		changed := bytes.Replace(shown, []byte(`"outcome":"o"`), []byte(`"outcome":"O"`), 1)
		if _, err := ParseEvent(changed); err == nil || !strings.Contains(err.Error(), "does not match") {
			t.Errorf("a changed event: %v", err)
		}
	}
}

// Without an id the hash is not final, so it is not shown.
func TestAppendJSONWithoutID(t *testing.T) {
	t.Parallel()
	e, err := ParseEvent([]byte(minimal))
	if err != nil {
		t.Fatal(err)
	}
	if a, b := e.AppendJSON(nil), e.AppendCanonical(nil); !bytes.Equal(a, b) {
		t.Errorf("%s", a)
	}
}

func TestParseStoredEvent(t *testing.T) {
	t.Parallel()
	system := with(t, "tenant_id", `"_access"`)
	if _, err := ParseStoredEvent([]byte(system)); err == nil || err.Error() != "id: missing" {
		t.Errorf("without id: %v", err)
	}
	stored := `{"id":"0192c5f0-8d5e-7c3a-9b1f-3a5c7e9d1b2f",` + system[1:]
	if e, err := ParseStoredEvent([]byte(stored)); err != nil || e.TenantID != "_access" {
		t.Errorf("%v, %v", e, err)
	}
	var e Event
	if err := json.Unmarshal([]byte(stored), &e); err != nil {
		t.Error(err)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	valid := func() *Event {
		return &Event{
			ID: "0192C5F0-8D5E-7C3A-9B1F-3A5C7E9D1B2F", Timestamp: time.Now(), EventType: "t", TenantID: "acme",
			ResourceType: "r", Action: "a", Outcome: "o", Details: json.RawMessage(` {"b":1.0, "a":{}} `),
		}
	}
	e := valid()
	if err := e.Validate(); err != nil {
		t.Fatal(err)
	}
	if e.ID != "0192c5f0-8d5e-7c3a-9b1f-3a5c7e9d1b2f" || string(e.Details) != `{"a":{},"b":1}` || e.Timestamp.Location() != time.UTC {
		t.Errorf("%+v", e)
	}
	back, err := ParseEvent(e.AppendJSON(nil))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(e, back); diff != "" {
		t.Error(diff)
	}

	for _, none := range []json.RawMessage{nil, {}, json.RawMessage("null"), json.RawMessage(" {} ")} {
		e := valid()
		e.Details = none
		if err := e.Validate(); err != nil || string(e.Details) != "{}" {
			t.Errorf("%q: %s, %v", none, e.Details, err)
		}
	}

	for want, change := range map[string]func(*Event){
		"timestamp: required":          func(e *Event) { e.Timestamp = time.Time{} },
		"timestamp: the year":          func(e *Event) { e.Timestamp = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"tenant_id: required":          func(e *Event) { e.TenantID = "" },
		`tenant_id: "_x" is reserved`:  func(e *Event) { e.TenantID = "_x" },
		"event_type: required":         func(e *Event) { e.EventType = "" },
		"resource_type: required":      func(e *Event) { e.ResourceType = "" },
		"action: required":             func(e *Event) { e.Action = "" },
		"outcome: required":            func(e *Event) { e.Outcome = "" },
		"id: ":                         func(e *Event) { e.ID = "7" },
		"user_agent: not valid UTF-8":  func(e *Event) { e.UserAgent = "a\xff" },
		"details: must be an object":   func(e *Event) { e.Details = json.RawMessage("[]") },
		"details.a: the number 1e999":  func(e *Event) { e.Details = json.RawMessage(`{"a":1e999}`) },
		"details: not valid JSON":      func(e *Event) { e.Details = json.RawMessage(`{} x`) },
		"details.audit_hash: does not": func(e *Event) { e.Details = json.RawMessage(`{"audit_hash":"` + strings.Repeat("0", 64) + `"}`) },
		"resource_id: the canonical":   func(e *Event) { e.ResourceID = strings.Repeat("\x01", MaxEventSize/6) },
	} {
		e := valid()
		change(e)
		if err := e.Validate(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestValidateSystem(t *testing.T) {
	t.Parallel()
	e, err := ParseEvent([]byte(minimal))
	if err != nil {
		t.Fatal(err)
	}
	if err := e.ValidateSystem(); err == nil {
		t.Error("a caller's tenant passed as the log's own")
	}
	e.TenantID = "_system"
	if err := e.ValidateSystem(); err != nil {
		t.Error(err)
	}
	if err := e.Validate(); err == nil {
		t.Error("the log's own tenant passed as a caller's")
	}
}

func FuzzParseEvent(f *testing.F) {
	f.Add([]byte(benchEvent))
	f.Add([]byte(minimal))
	f.Add([]byte(`{"timestamp":"2024-10-25T14:03:11.5-07:00","event_type":"t","tenant_id":"\ud83d\ude00","resource_type":"r","action":"a","outcome":"\n","details":{"z":[],"audit":{"audit_hash":1}},"user_id":null,"id":"0192C5F0-8d5e-7c3a-9b1f-3a5c7e9d1b2f"}`))
	f.Add([]byte(`{"details":{"audit_hash":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := ParseEvent(data)
		if err != nil {
			var fe *FieldError
			if !errors.As(err, &fe) || fe.Error() == "" {
				t.Fatalf("%T %v", err, err)
			}
			return
		}
		bytes1 := e.AppendCanonical(nil)
		if again := canonical(t, string(bytes1)); again != string(bytes1) {
			t.Fatalf("%s is not canonical: %s", bytes1, again)
		}
		back, err := ParseEvent(bytes1)
		if err != nil {
			t.Fatalf("%s: %v", bytes1, err)
		}
		if diff := cmp.Diff(e, back); diff != "" {
			t.Fatal(diff)
		}
		shown := e.AppendJSON(nil)
		if again := canonical(t, string(shown)); again != string(shown) {
			t.Fatalf("%s is not canonical: %s", shown, again)
		}
		if back, err = ParseEvent(shown); err != nil {
			t.Fatalf("%s: %v", shown, err)
		}
		if diff := cmp.Diff(e, back); diff != "" {
			t.Fatal(diff)
		}
		if !e.Timestamp.IsZero() {
			if err := back.Validate(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(e, back); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}
