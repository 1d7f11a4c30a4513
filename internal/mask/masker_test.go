package mask_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"indelible/internal/mask"
)

func redacting(t testing.TB) *mask.Masker {
	t.Helper()
	m, err := mask.New(compiled(t, mask.Strict()), mask.Options{Redact: true})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func pseudonymous(t testing.TB, key string) *mask.Masker {
	t.Helper()
	m, err := mask.New(compiled(t, mask.Strict()), mask.Options{Key: bytes.Repeat([]byte(key), mask.MinKey/len(key))})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestLine: what is not masked keeps every byte.
func TestLine(t *testing.T) {
	t.Parallel()
	m := redacting(t)
	for _, c := range []struct{ name, in, want string }{
		{"bytes stay", `{ "n":1.50,"u":"\u00e9",  "x":[1e3 ,-0, true,null,{}] }` + "\r\n", `{ "n":1.50,"u":"\u00e9",  "x":[1e3 ,-0, true,null,{}] }` + "\r\n"},
		{"id stays", `{"id":"bob@example.com","a":{"id":"bob@example.com"}}`, `{"id":"bob@example.com","a":{"id":"[EMAIL_ADDRESS]"}}`},
		{"in text", `{"msg":"to bob@example.com, 10.0.0.1"}`, `{"msg":"to [EMAIL_ADDRESS], [IP_ADDRESS]"}`},
		{"escapes", `{"msg":"\u0062ob\u0040example.com\n\"a@b.co\""}`, `{"msg":"[EMAIL_ADDRESS]\n\"[EMAIL_ADDRESS]\""}`},
		{"field name", `{"customer_name":"Bob B.","customerName":"B","name":"job"}`, `{"customer_name":"[PERSON]","customerName":"[PERSON]","name":"job"}`},
		{"secret field", `{"api_token":"abc","max_tokens":12,"token_type":"x","password":123}`, `{"api_token":"[TOKEN]","max_tokens":12,"token_type":"x","password":"[PASSWORD]"}`},
		{"structure beats the field", `{"user":"bob@example.com","email":"a@b.co, c@d.co"}`, `{"user":"[EMAIL_ADDRESS]","email":"[EMAIL_ADDRESS], [EMAIL_ADDRESS]"}`},
		{"a secret does not become an identity", `{"password":"bob@example.com"}`, `{"password":"[PASSWORD]"}`},
		{"names that are none", `{"full_name":"acme/repo","consoleLogin":"Success","nextToken":"abc","login":"bob","engine_version":"8.0.3.1"}`, `{"full_name":"acme/repo","consoleLogin":"Success","nextToken":"abc","login":"[USER_ID]","engine_version":"8.0.3.1"}`},
		{"AWS", `{"ownerId":"123837392027","groupOwnerId":123837392027,"owner":"amazon","owner_id":"u-17","clientToken":"C265B64D-B8B2-4C8F-912B-A346F34FC63A","client_token":"hvs.x","masterPassword":"HIDDEN_DUE_TO_SECURITY_REASONS","cidrBlock":"10.0.1.0/24","destination":"0.0.0.0/0","q":"0.0.0.1"}`,
			`{"ownerId":"123837392027","groupOwnerId":123837392027,"owner":"amazon","owner_id":"[USER_ID]","clientToken":"C265B64D-B8B2-4C8F-912B-A346F34FC63A","client_token":"[TOKEN]","masterPassword":"HIDDEN_DUE_TO_SECURITY_REASONS","cidrBlock":"[IP_ADDRESS]/24","destination":"0.0.0.0/0","q":"[IP_ADDRESS]"}`},
		{"numbers", `{"ssn":123456789,"n":123456789,"phone":4915112345678,"card":4111111111111111}`, `{"ssn":"[US_SSN]","n":123456789,"phone":"[PHONE_NUMBER]","card":"[CREDIT_CARD]"}`},
		{"bare number with its field", `{"ssn":"123456789","order":"123456789"}`, `{"ssn":"[US_SSN]","order":"123456789"}`},
		{"arrays and objects", `{"emails":["x","y"],"password":{"value":"a","old":[{"text":"c"}],"expires":"soon"},"user":{"role":"admin"}}`, `{"emails":["[EMAIL_ADDRESS]","[EMAIL_ADDRESS]"],"password":{"value":"[PASSWORD]","old":[{"text":"[PASSWORD]"}],"expires":"soon"},"user":{"role":"admin"}}`},
		{"nothing to mask", `{"email":null,"password":"","ssn":"n/a","user":"unknown","phone":"-"}`, `{"email":null,"password":"","ssn":"n/a","user":"unknown","phone":"-"}`},
		{"json in a string", `{"a":"{\"password\":\"x\\\"y\",\"ssn\":123456789,\"b\":\"{\\\"email\\\":\\\"z\\\"}\"}"}`, `{"a":"{\"password\":\"[PASSWORD]\",\"ssn\":\"[US_SSN]\",\"b\":\"{\\\"email\\\":\\\"[EMAIL_ADDRESS]\\\"}\"}"}`},
		{"half-escaped", `{"a":"x {\\\"password\\\":\\\"hunter2\\\", \"api_key\": \"kkkk\" "}`, `{"a":"x {\\\"password\\\":\\\"[PASSWORD]\\\", \"api_key\": \"[SECRET]\" "}`},
		{"names of fields", `{"bob@example.com":{"n":1}}`, `{"[EMAIL_ADDRESS]":{"n":1}}`},
		{"masked already", `{"email":"[EMAIL_ADDRESS]","m":"[EMAIL_ADDRESS:abcdefghijklmnopqrstuvwxyz] [CREDIT_CARD:*1111]"}`, `{"email":"[EMAIL_ADDRESS]","m":"[EMAIL_ADDRESS:abcdefghijklmnopqrstuvwxyz] [CREDIT_CARD:*1111]"}`},
		{"a mask is no disguise", `{"m":"[EMAIL_ADDRESS:bob@example.com]"}`, `{"m":"[EMAIL_ADDRESS:[EMAIL_ADDRESS]]"}`},
		{"no json", "not json: bob@example.com\n", "not json: [EMAIL_ADDRESS]\n"},
		{"cut off", `{"msg":"bob@example.com","ssn":"078-05`, `{"msg":"[EMAIL_ADDRESS]","ssn":"078-05`},
		{"two values", `{"a":1} {"m":"a@b.co"}`, `{"a":1} {"m":"[EMAIL_ADDRESS]"}`},
		{"not UTF-8", "{\"m\":\"\xff\xfe bob@example.com \xc3\"}", "{\"m\":\"\xff\xfe [EMAIL_ADDRESS] \xc3\"}"},
		{"right to left", "{\"m\":\"\u202ebob@example.com\u202c שלום 4111 1111 1111 1111\"}", "{\"m\":\"\u202e[EMAIL_ADDRESS] שלום [CREDIT_CARD]\"}"},
		{"disguised", `{"m":"4111\u200b1111\u200b1111\u200b1111 ４１１１１１１１１１１１１１１１ user＠example。com 078‐05‐1120"}`, `{"m":"[CREDIT_CARD] [CREDIT_CARD] [EMAIL_ADDRESS] [US_SSN]"}`},
		{"empty", "", ""},
		{"blank", "\n", "\n"},
		{"scalar", `"bob@example.com"`, `"[EMAIL_ADDRESS]"`},
	} {
		if got := string(m.Line(nil, []byte(c.in))); got != c.want {
			t.Errorf("%s:\n got  %s\n want %s", c.name, got, c.want)
		}
		if got, left := m.Record(nil, []byte(c.in), true); len(left) > 0 || string(got) != c.want {
			t.Errorf("%s: scanned again: %s, left %v", c.name, got, left)
		}
	}
}

// TestAgain: what was masked is not masked again.
func TestAgain(t *testing.T) {
	t.Parallel()
	m := pseudonymous(t, "k")
	once := m.Line(nil, []byte(`{"email":"bob@example.com","m":"ip 10.0.0.1 password=x4 +49 151 12345678","user":"u1"}`))
	if twice := m.Line(nil, once); !bytes.Equal(once, twice) {
		t.Errorf("once  %s\ntwice %s", once, twice)
	}
}

func TestPseudonyms(t *testing.T) {
	t.Parallel()
	m, other := pseudonymous(t, "k"), pseudonymous(t, "o")
	of := func(m *mask.Masker, field, value string) string {
		return string(m.Line(nil, []byte(`{"`+field+`":"`+value+`"}`)))
	}
	same := [][2][2]string{
		{{"m", "bob@example.com"}, {"m", "BOB@Example.com"}},
		{{"m", "bob@example.com"}, {"m", "bob%40example.com"}},
		{{"m", "bob+x@example.com"}, {"m", "bob%2Bx%40example.com"}},
		{{"user", "bob@example.com"}, {"user", "ｂｏｂ@example.com"}},
		{{"phone", "+1 415 555 2671"}, {"phone", "(415) 555-2671"}},
		{{"card", "4111 1111 1111 1111"}, {"card", "4111111111111111"}},
		{{"iban", "GB82 WEST 1234 5698 7654 32"}, {"iban", "gb82west12345698765432"}},
		{{"customer_name", "Zoë  Smith"}, {"customer_name", "zoe\u0308 smith"}},
		{{"ip", "2001:db8::1"}, {"ip", "2001:0db8:0:0:0:0:0:1"}},
	}
	for _, c := range same {
		a, b := of(m, c[0][0], c[0][1]), of(m, c[1][0], c[1][1])
		if a != b || !strings.Contains(a, ":") {
			t.Errorf("%q and %q are one: %s, %s", c[0], c[1], a, b)
		}
		if a == of(other, c[0][0], c[0][1]) {
			t.Errorf("%q is the same under another key", c[0])
		}
	}
	if of(m, "m", "bob@example.com") == of(m, "m", "amy@example.com") {
		t.Error("two people are one")
	}
	token := mask.TokenOf(bytes.Repeat([]byte("k"), mask.MinKey), mask.Strict(), mask.Email, "Bob@example.com")
	if want := `{"m":"[EMAIL_ADDRESS:` + token + `]"}`; of(m, "m", "bob@example.com") != want {
		t.Errorf("got %s, want %s", of(m, "m", "bob@example.com"), want)
	}
	if token != "lpfyqnmu43cezqtwwctposfpbq" {
		t.Errorf("the pseudonym of a key and a value never changes; it is %s", token)
	}
	before := bytes.Repeat([]byte("o"), mask.MinKey)
	for by, suppressed := range map[string]func(mask.Identity) bool{
		"pseudonym":         func(x mask.Identity) bool { return x.Token == token },
		"value as it is":    func(x mask.Identity) bool { return x.Found == "BOB@example.com" },
		"value as compared": func(x mask.Identity) bool { return x.Compared == "bob@example.com" },
		"pseudonym of before": func(x mask.Identity) bool {
			return x.Under(before) == mask.TokenOf(before, mask.Strict(), mask.Email, "bob@example.com")
		},
	} {
		erased, err := mask.New(mask.Strict(), mask.Options{Key: bytes.Repeat([]byte("k"), mask.MinKey), Suppressed: suppressed})
		if err != nil {
			t.Fatal(err)
		}
		if got := of(erased, "m", "BOB@example.com"); got != `{"m":"[EMAIL_ADDRESS]"}` {
			t.Errorf("of the erased, known by the %s, stays %s", by, got)
		}
		if got := of(erased, "m", "amy@example.com"); got == `{"m":"[EMAIL_ADDRESS]"}` {
			t.Errorf("by the %s somebody else is erased", by)
		}
	}
}

func TestNoKey(t *testing.T) {
	t.Parallel()
	for _, key := range [][]byte{nil, []byte("short")} {
		if _, err := mask.New(mask.Strict(), mask.Options{Key: key}); !errors.Is(err, mask.ErrNoKey) {
			t.Errorf("a key of %d bytes: %v", len(key), err)
		}
	}
}

func TestOperators(t *testing.T) {
	t.Parallel()
	p := compiled(t, &mask.Policy{Types: map[mask.Type]mask.Action{
		mask.Card: mask.Partial, mask.IP: mask.Generalise, mask.Date: mask.Generalise, mask.Age: mask.Generalise, mask.Email: mask.Drop, mask.Phone: mask.Keep,
	}})
	m, err := mask.New(p, mask.Options{Redact: true})
	if err != nil {
		t.Fatal(err)
	}
	for in, want := range map[string]string{
		"4111 1111 1111 1111":     "[CREDIT_CARD:*1111]",
		"10.1.2.3 2001:db8:1:2::": "[IP_ADDRESS:10.1.2.0/24] [IP_ADDRESS:2001:db8:1::/48]",
		"on 2023-05-10T11:34:35Z": "on [DATE_TIME:2023-05]",
		"aged 42, Monday":         "aged [AGE:40-49], [DATE_TIME]",
		"a@b.co!":                 "!",
		"+49 151 12345678":        "+49 151 12345678",
	} {
		out, _ := m.Text(nil, []byte(in), "m", true)
		got := string(out)
		if got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
		if again, _ := m.Text(nil, []byte(got), "m", true); string(again) != got {
			t.Errorf("%s, again: %s", got, again)
		}
	}
}

func TestPolicyRefuses(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]*mask.Policy{
		"a secret that stays":    {Types: map[mask.Type]mask.Action{mask.Password: mask.Keep}},
		"a secret's pseudonym":   {Types: map[mask.Type]mask.Action{mask.Token: mask.Pseudonym}},
		"an unknown action":      {Types: map[mask.Type]mask.Action{mask.Email: "hash"}},
		"an unknown pack":        {Packs: []string{"atlantis"}},
		"not RE2":                {Rules: []mask.Rule{{ID: "x", Type: "XX", Pattern: `(a)\1`}}},
		"too long":               {Rules: []mask.Rule{{ID: "x", Type: "XX", Pattern: strings.Repeat("a", 5000)}}},
		"it matches everywhere":  {Rules: []mask.Rule{{ID: "x", Type: "XX", Pattern: `a*`}}},
		"it explodes":            {Rules: []mask.Rule{{ID: "x", Type: "XX", Pattern: `((a{1,100}){1,100}){1,100}b`}}},
		"a type that is no name": {Rules: []mask.Rule{{ID: "x", Type: "a b", Pattern: `a`}}},
		"no such group":          {Rules: []mask.Rule{{ID: "x", Type: "XX", Pattern: `a`, Group: 2}}},
	} {
		if err := p.Compile(); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestResidue: what cannot be masked so that it is not found again is named.
func TestResidue(t *testing.T) {
	t.Parallel()
	m, err := mask.New(compiled(t, &mask.Policy{Rules: []mask.Rule{{ID: "loud", Type: "LOUD", Pattern: `LOUD`}}}), mask.Options{Redact: true})
	if err != nil {
		t.Fatal(err)
	}
	if out, left := m.Record(nil, []byte(`{"m":"LOUD"}`), false); len(left) != 1 || left[0] != "LOUD" {
		t.Errorf("%s, left %v", out, left)
	}
}

func TestOwnRules(t *testing.T) {
	t.Parallel()
	p := compiled(t, &mask.Policy{
		Rules:  []mask.Rule{{ID: "ticket", Type: "TICKET_NO", Pattern: `\bTCK-(\d{4,8})\b`, Words: []string{"tck"}}},
		Fields: map[string]mask.Type{"badge": mask.User, "raw": ""},
	})
	m, err := mask.New(p, mask.Options{Redact: true})
	if err != nil {
		t.Fatal(err)
	}
	in := `{"m":"see TCK-12345","badge":"x7","raw":"a@b.co"}`
	if got, want := string(m.Line(nil, []byte(in))), `{"m":"see [TICKET_NO]","badge":"[USER_ID]","raw":"a@b.co"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	var got []mask.Place
	m, err := mask.New(compiled(t, mask.Strict()), mask.Options{Redact: true, Explain: func(p mask.Place, _ mask.Action) { got = append(got, p) }})
	if err != nil {
		t.Fatal(err)
	}
	m.Line(nil, []byte(`{"a/b":["x","é\n bob@example.com on 2023-05-10"]}`))
	want := []mask.Place{
		{Finding: mask.Finding{Type: mask.Email, Rule: "email", Confidence: mask.Validated, Start: 4, End: 19}, Field: "/a~1b/1", From: 3, To: 18},
		{Finding: mask.Finding{Type: mask.Date, Rule: "date", Confidence: mask.Guess, Start: 23, End: 33}, Field: "/a~1b/1", From: 22, To: 32},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(map[mask.Count]int64{{Type: mask.Email, Field: "/a~1b/*", Action: mask.Redact}: 1, {Type: mask.Date, Field: "/a~1b/*", Action: mask.Keep}: 1}, m.Counts()); d != "" {
		t.Error(d)
	}
}

// TestDeep: levels and length cost memory and time in proportion.
func TestDeep(t *testing.T) {
	t.Parallel()
	m := redacting(t)
	deep := strings.Repeat(`[`, 10000) + `"bob@example.com"` + strings.Repeat(`]`, 10000)
	if got := string(m.Line(nil, []byte(deep))); !strings.Contains(got, "[EMAIL_ADDRESS]") || len(got) != len(deep) {
		t.Errorf("%d levels: %d bytes became %d", 10000, len(deep), len(got))
	}
	objects := strings.Repeat(`{"a":`, 10000) + `"bob@example.com"` + strings.Repeat(`}`, 10000)
	if got := string(m.Line(nil, []byte(objects))); !strings.Contains(got, "[EMAIL_ADDRESS]") {
		t.Error("objects: not found")
	}
}

// TestLong: a string of 30 MB is masked like any other, at both ends.
func TestLong(t *testing.T) {
	t.Parallel()
	middle := strings.Repeat("at step 12 of 40: nothing to see. ", 30<<20/34)
	in := `{"m":"bob@example.com ` + middle + `\n card 4111 1111 1111 1111","n":1}`
	out, left := redacting(t).Record(nil, []byte(in), false)
	if want := `{"m":"[EMAIL_ADDRESS] ` + middle + `\n card [CREDIT_CARD]","n":1}`; len(left) > 0 || string(out) != want {
		t.Errorf("%d bytes became %d, want %d; left %v", len(in), len(out), len(want), left)
	}
}

func TestParts(t *testing.T) {
	t.Parallel()
	m := redacting(t)
	for _, c := range []struct{ field, in, text, json string }{
		{"error_message", `bob@example.com`, `[EMAIL_ADDRESS]`, `[EMAIL_ADDRESS]`},
		{"error_message", `{"password":"x","id":"a@b.co"}`, `{"password":"[PASSWORD]","id":"[EMAIL_ADDRESS]"}`, `{"password":"[PASSWORD]","id":"[EMAIL_ADDRESS]"}`},
		{"error_message", `"a@b.co"`, `"[EMAIL_ADDRESS]"`, `"[EMAIL_ADDRESS]"`},
		{"customer_name", `Bob`, `[PERSON]`, `[PERSON]`},
		{"customer_name", `"Bob"`, `[PERSON]`, `"[PERSON]"`},
		{"error_message", `C:\dir\amy@example.com`, `C:\dir\[EMAIL_ADDRESS]`, `C:\dir\[EMAIL_ADDRESS]`},
	} {
		if got, left := m.Text(nil, []byte(c.in), c.field, true); string(got) != c.text || len(left) > 0 {
			t.Errorf("%s as text: %s, left %v", c.in, got, left)
		}
		if got, left := m.JSON(nil, []byte(c.in), c.field, true); string(got) != c.json || len(left) > 0 {
			t.Errorf("%s as JSON: %s, left %v", c.in, got, left)
		}
	}
}

func TestTenants(t *testing.T) {
	t.Parallel()
	p := compiled(t, &mask.Policy{Tenants: map[string]map[mask.Type]mask.Action{"acme": {mask.Email: mask.Keep}}})
	m, err := mask.New(p, mask.Options{Key: make([]byte, mask.MinKey)})
	if err != nil {
		t.Fatal(err)
	}
	of := func(tenant string, key byte) string {
		if err := m.For(tenant, bytes.Repeat([]byte{key}, mask.MinKey)); err != nil {
			t.Fatal(err)
		}
		return string(m.Line(nil, []byte(`"a@b.co"`)))
	}
	if got := of("acme", 1); got != `"a@b.co"` {
		t.Errorf("acme keeps them: %s", got)
	}
	if a, b := of("x", 1), of("y", 2); a == b || a != of("x", 1) {
		t.Errorf("%s and %s", a, b)
	}
	if err := m.For("x", nil); !errors.Is(err, mask.ErrNoKey) {
		t.Errorf("without a key: %v", err)
	}
}
