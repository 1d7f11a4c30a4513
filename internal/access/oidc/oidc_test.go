package oidc_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"indelible/internal/access"
	"indelible/internal/access/oidc"
	"indelible/internal/access/oidc/oidctest"
)

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

var grants = []oidc.Grant{
	{Claim: "groups", Value: "audit", Roles: []access.Role{access.Auditor}, All: true},
	{Claim: "groups", Value: "developers", Roles: []access.Role{access.Writer, access.Reader}, TenantsClaim: "org"},
	{Claim: "scope", Value: "logs:write", Roles: []access.Role{access.Writer}, Tenants: []string{"acme"}},
	{Claim: "sub", Value: "maria", Roles: []access.Role{access.Reader}, Tenants: []string{"acme", "globex"}},
}

func start(t *testing.T, change func(*oidc.Config)) (*oidctest.Provider, *oidctest.Key, *oidc.Verifier, *clock) {
	t.Helper()
	key := oidctest.NewKey(t, jose.RS256)
	p := oidctest.Start(t, key)
	c := &clock{now: time.Now()}
	cfg := oidc.Config{Issuer: p.Issuer, Audience: "indelible", Grants: grants, Clock: c.Now}
	if change != nil {
		change(&cfg)
	}
	v, err := oidc.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p, key, v, c
}

func maria(claims map[string]any) oidctest.Token {
	return oidctest.Token{Subject: "maria", Audience: []string{"other", "indelible"}, Ends: time.Hour, Claims: claims}
}

// TestTokens: whom the provider's own tokens make known, and what they give.
func TestTokens(t *testing.T) {
	t.Parallel()
	p, _, v, _ := start(t, func(c *oidc.Config) { c.NameClaim = "email" })
	for what, c := range map[string]struct {
		claims map[string]any
		want   access.Principal
	}{
		"all tenants":            {map[string]any{"groups": []string{"x", "audit", "developers"}}, access.Principal{Roles: []access.Role{access.Auditor}, All: true}},
		"tenants of a claim":     {map[string]any{"groups": "developers", "org": []string{"globex"}}, access.Principal{Roles: []access.Role{access.Writer, access.Reader}, Tenants: []string{"globex"}}},
		"one tenant of a claim":  {map[string]any{"groups": "developers", "org": "globex"}, access.Principal{Roles: []access.Role{access.Writer, access.Reader}, Tenants: []string{"globex"}}},
		"the log's own tenant":   {map[string]any{"groups": "developers", "org": []string{"globex", "_access"}}, access.Principal{Roles: []access.Role{access.Reader}, Tenants: []string{"acme", "globex"}}},
		"no tenant in the claim": {map[string]any{"groups": "developers", "org": []any{7, nil}}, access.Principal{Roles: []access.Role{access.Reader}, Tenants: []string{"acme", "globex"}}},
		"a scope":                {map[string]any{"scope": "openid logs:write"}, access.Principal{Roles: []access.Role{access.Writer}, Tenants: []string{"acme"}}},
		"half a scope":           {map[string]any{"scope": "logs:writer"}, access.Principal{Roles: []access.Role{access.Reader}, Tenants: []string{"acme", "globex"}}},
		"spaces in a group":      {map[string]any{"groups": "x audit"}, access.Principal{Roles: []access.Role{access.Reader}, Tenants: []string{"acme", "globex"}}},
		"groups of another kind": {map[string]any{"groups": map[string]any{"audit": true}}, access.Principal{Roles: []access.Role{access.Reader}, Tenants: []string{"acme", "globex"}}},
	} {
		c.claims["email"] = "maria@acme.example"
		who, err := v.Authenticate(t.Context(), p.Token(maria(c.claims)))
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		c.want.Name, c.want.KeyID = "oidc:maria@acme.example", who.KeyID
		if diff := cmp.Diff(&c.want, who); diff != "" || !strings.HasPrefix(who.KeyID, "oidc:") {
			t.Errorf("%s: %s", what, diff)
		}
	}
	other := maria(map[string]any{"email": "tom@acme.example"})
	other.Subject = "tom"
	who, err := v.Authenticate(t.Context(), p.Token(other))
	if err != nil || len(who.Roles) != 0 || who.All || len(who.Tenants) != 0 {
		t.Errorf("somebody whom no grant fits: %+v, %v", who, err)
	}
	for what, name := range map[string]any{"no name": nil, "a number": 7, "a line break": "a\nb", "too long": strings.Repeat("a", 300), "empty": ""} {
		if who, err := v.Authenticate(t.Context(), p.Token(maria(map[string]any{"email": name}))); !errors.Is(err, access.ErrRefused) {
			t.Errorf("%s: %+v, %v", what, who, err)
		}
	}
}

// TestRefused: what is not a token of this provider, for this server, for now.
func TestRefused(t *testing.T) {
	t.Parallel()
	p, key, v, c := start(t, nil)
	good := p.Token(maria(nil))
	if who, err := v.Authenticate(t.Context(), good); err != nil || who.Name != "oidc:maria" {
		t.Fatalf("%+v, %v", who, err)
	}
	now := c.now.Unix()
	header := map[string]any{"alg": "RS256", "kid": key.Name}
	claims := map[string]any{"iss": p.Issuer, "sub": "maria", "aud": "indelible", "exp": now + 3600}
	with := func(m map[string]any, name string, value any) map[string]any {
		m = maps.Clone(m)
		if m[name] = value; value == nil {
			delete(m, name)
		}
		return m
	}
	if _, err := v.Authenticate(t.Context(), key.Sign(t, header, claims)); err != nil {
		t.Fatalf("a token made here: %v", err)
	}
	parts := strings.Split(good, ".")
	stranger := oidctest.NewKey(t, jose.RS256)
	encode := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	mac := func(header map[string]any, secret []byte) string {
		text := encode(header) + "." + encode(claims)
		m := hmac.New(sha256.New, secret)
		m.Write([]byte(text))
		return text + "." + base64.RawURLEncoding.EncodeToString(m.Sum(nil))
	}
	hs := map[string]any{"alg": "HS256", "kid": key.Name}
	own := with(header, "jwk", map[string]any{"kty": "RSA", "e": "AQAB", "n": base64.RawURLEncoding.EncodeToString(stranger.Public().(*rsa.PublicKey).N.Bytes())})
	for what, token := range map[string]string{
		"alg none":                 encode(map[string]any{"alg": "none"}) + "." + encode(claims) + ".",
		"alg nOnE":                 encode(map[string]any{"alg": "nOnE", "kid": key.Name}) + "." + encode(claims) + "." + parts[2],
		"no alg":                   key.Sign(t, map[string]any{"kid": key.Name}, claims),
		"the public key as secret": mac(hs, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
		"the same, as DER":         mac(hs, der),
		"another algorithm":        key.Sign(t, with(header, "alg", "RS512"), claims),
		"a stranger's key":         stranger.Sign(t, header, claims),
		"its name":                 stranger.Sign(t, with(header, "kid", stranger.Name), claims),
		"without a name":           stranger.Sign(t, with(header, "kid", nil), claims),
		"a key in the token":       stranger.Sign(t, own, claims),
		"the address of keys":      stranger.Sign(t, with(with(header, "jku", "http://127.0.0.1:1/keys"), "x5u", "http://127.0.0.1:1/x"), claims),
		"a critical extension":     key.Sign(t, with(with(header, "crit", []string{"x"}), "x", 1), claims),
		"another issuer":           key.Sign(t, header, with(claims, "iss", "https://login.example.com")),
		"nearly the issuer":        key.Sign(t, header, with(claims, "iss", p.Issuer+"/")),
		"no issuer":                key.Sign(t, header, with(claims, "iss", nil)),
		"another audience":         key.Sign(t, header, with(claims, "aud", "other")),
		"several others":           key.Sign(t, header, with(claims, "aud", []string{"other", "indelible2"})),
		"no audience":              key.Sign(t, header, with(claims, "aud", nil)),
		"expired":                  key.Sign(t, header, with(claims, "exp", now-61)),
		"no end":                   key.Sign(t, header, with(claims, "exp", nil)),
		"an end of text":           key.Sign(t, header, with(claims, "exp", "tomorrow")),
		"not yet":                  key.Sign(t, header, with(claims, "nbf", now+120)),
		"a begin of text":          key.Sign(t, header, with(claims, "nbf", "now")),
		"from the future":          key.Sign(t, header, with(claims, "iat", now+120)),
		"no subject":               key.Sign(t, header, with(claims, "sub", nil)),
		"empty":                    "",
		"dots":                     "..",
		"no signature":             parts[0] + "." + parts[1] + ".",
		"a signature cut":          good[:len(good)-2],
		"another's claims":         parts[0] + "." + encode(with(claims, "sub", "root")) + "." + parts[2],
		"two parts":                parts[0] + "." + parts[1],
		"four parts":               good + "." + parts[2],
		"encrypted":                parts[0] + "." + parts[1] + "." + parts[2] + "." + parts[0] + "." + parts[1],
		"JSON":                     `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`,
		"a line break":             parts[0] + "." + parts[1] + ".\r\n" + parts[2],
		"larger than any":          key.Sign(t, header, with(claims, "x", strings.Repeat("a", 17<<10))),
		"a key's name of a MiB":    key.Sign(t, with(header, "kid", strings.Repeat("a", 1<<20)), claims),
		"an API key":               access.KeyPrefix + strings.Repeat("a", 60),
	} {
		if who, err := v.Authenticate(t.Context(), token); !errors.Is(err, access.ErrRefused) || errors.Is(err, oidc.ErrUnavailable) {
			t.Errorf("%s: %+v, %v", what, who, err)
		}
	}
	// Clocks that differ a little are no reason.
	for what, token := range map[string]string{
		"a minute ago": key.Sign(t, header, with(claims, "exp", now-58)), "in a minute": key.Sign(t, header, with(with(claims, "nbf", now+58), "iat", now+58)),
	} {
		if _, err := v.Authenticate(t.Context(), token); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	// The provider's own, outside their time.
	expired, early := maria(nil), maria(nil)
	expired.Ends, expired.Begins, early.Begins = -2*time.Minute, -time.Hour, 10*time.Minute
	for what, token := range map[string]string{"expired": p.Token(expired), "not yet valid": p.Token(early)} {
		if who, err := v.Authenticate(t.Context(), token); !errors.Is(err, access.ErrRefused) {
			t.Errorf("%s: %+v, %v", what, who, err)
		}
	}
	// All these asked the provider for its keys once or twice.
	if n := p.Asked.Load(); n > 3 {
		t.Errorf("the provider was asked for its keys %d times", n)
	}
}

// TestRotation: new keys are found, and those that were withdrawn forgotten.
func TestRotation(t *testing.T) {
	t.Parallel()
	p, first, v, c := start(t, nil)
	old := p.Token(maria(nil))
	second := oidctest.NewKey(t, jose.ES256)
	check := func(what, token string, want error) {
		t.Helper()
		if _, err := v.Authenticate(t.Context(), token); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
	}
	check("the first key", old, nil)
	p.Rotate(second, first, second)
	c.move(11 * time.Second)
	check("a new key", p.Token(maria(nil)), nil)
	check("the first key, beside it", old, nil)
	p.Rotate(second, second)
	c.move(5 * time.Minute)
	for deadline := time.Now().Add(20 * time.Second); ; {
		// Keys are read again behind those who come meanwhile.
		if _, err := v.Authenticate(t.Context(), old); errors.Is(err, access.ErrRefused) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("a key that was withdrawn is still taken")
		}
	}
	check("the new key", p.Token(maria(nil)), nil)
}

// TestProviderAway: what is known goes on for an hour, and then nobody is let in.
func TestProviderAway(t *testing.T) {
	t.Parallel()
	p, key, v, c := start(t, nil)
	token := p.Token(maria(nil))
	long := maria(nil)
	long.Ends = 5 * time.Hour
	lasting := p.Token(long)
	check := func(what, token string, want error) {
		t.Helper()
		if _, err := v.Authenticate(t.Context(), token); !errors.Is(err, want) || want != nil && errors.Is(err, access.ErrRefused) {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
	}
	p.Away.Store(true)
	check("before it ever answered", token, oidc.ErrUnavailable)
	p.Away.Store(false)
	check("asked again at once", token, oidc.ErrUnavailable)
	c.move(11 * time.Second)
	check("when it answers", token, nil)
	p.Away.Store(true)
	c.move(30 * time.Minute)
	check("away, with keys that are known", token, nil)
	unknown := key.Sign(t, map[string]any{"alg": "RS256", "kid": "new"}, map[string]any{"iss": p.Issuer, "sub": "maria", "aud": "indelible", "exp": c.Now().Unix() + 3600})
	check("away, with a key that may be new", unknown, oidc.ErrUnavailable)
	c.move(30 * time.Minute)
	check("away for an hour", lasting, oidc.ErrUnavailable)
	p.Away.Store(false)
	for _, document := range []string{"", "{", `{"keys":7}`, `{"keys":[{"kty":"RSA","n":"!"}]}`, `{"keys":[` + strings.Repeat(`{"kty":"x"},`, 200_000) + `{}]}`} {
		p.Keys.Store(&document)
		c.move(11 * time.Second)
		check("keys that are none", lasting, oidc.ErrUnavailable)
	}
	none := `{"keys":[]}`
	p.Keys.Store(&none)
	c.move(11 * time.Second)
	if _, err := v.Authenticate(t.Context(), lasting); !errors.Is(err, access.ErrRefused) {
		t.Errorf("a provider without keys: %v", err)
	}
	p.Keys.Store(nil)
	c.move(6 * time.Minute)
	for deadline := time.Now().Add(20 * time.Second); ; {
		if _, err := v.Authenticate(t.Context(), lasting); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the provider is back and nobody is let in")
		}
	}
}

// elsewhere answers in the provider's place.
type elsewhere string

func (e elsewhere) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader([]byte(e))), Request: r}, nil
}

// TestDiscovery: a document that leads elsewhere is not followed.
func TestDiscovery(t *testing.T) {
	t.Parallel()
	for what, document := range map[string]string{
		"another issuer": `{"issuer":"https://elsewhere.example","jwks_uri":"https://login.example.com/keys"}`,
		"plain HTTP":     `{"issuer":"https://login.example.com","jwks_uri":"http://login.example.com/keys"}`,
		"a file":         `{"issuer":"https://login.example.com","jwks_uri":"file:///etc/passwd"}`,
		"no keys":        `{"issuer":"https://login.example.com"}`,
		"not JSON":       `<html>`,
	} {
		v, err := oidc.New(oidc.Config{Issuer: "https://login.example.com", Audience: "indelible", Grants: grants, Client: &http.Client{Transport: elsewhere(document)}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.Authenticate(t.Context(), "a.b.c"); !errors.Is(err, oidc.ErrUnavailable) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestConfigurations(t *testing.T) {
	t.Parallel()
	good := oidc.Config{Issuer: "https://login.example.com/realm", Audience: "indelible", Grants: grants}
	if _, err := oidc.New(good); err != nil {
		t.Fatal(err)
	}
	one := func(g oidc.Grant) func(*oidc.Config) {
		return func(c *oidc.Config) { c.Grants = []oidc.Grant{g} }
	}
	reader := []access.Role{access.Reader}
	for what, change := range map[string]func(*oidc.Config){
		"plain HTTP":            func(c *oidc.Config) { c.Issuer = "http://login.example.com" },
		"no issuer":             func(c *oidc.Config) { c.Issuer = "" },
		"a password":            func(c *oidc.Config) { c.Issuer = "https://a:b@login.example.com" },
		"no audience":           func(c *oidc.Config) { c.Audience = "" },
		"alg none":              func(c *oidc.Config) { c.Algorithms = []string{"none"} },
		"a shared secret":       func(c *oidc.Config) { c.Algorithms = []string{"RS256", "HS256"} },
		"no grants":             func(c *oidc.Config) { c.Grants = nil },
		"no claim":              one(oidc.Grant{Value: "x", Roles: reader, All: true}),
		"no value":              one(oidc.Grant{Claim: "x", Roles: reader, All: true}),
		"no roles":              one(oidc.Grant{Claim: "x", Value: "x", All: true}),
		"no tenants":            one(oidc.Grant{Claim: "x", Value: "x", Roles: reader}),
		"all and some":          one(oidc.Grant{Claim: "x", Value: "x", Roles: reader, All: true, Tenants: []string{"acme"}}),
		"break-glass":           one(oidc.Grant{Claim: "x", Value: "x", Roles: []access.Role{access.BreakGlass}, All: true}),
		"a tenant of the log's": one(oidc.Grant{Claim: "x", Value: "x", Roles: reader, Tenants: []string{"_access"}}),
	} {
		cfg := good
		change(&cfg)
		if _, err := oidc.New(cfg); err == nil {
			t.Errorf("%s: taken", what)
		}
	}
}
