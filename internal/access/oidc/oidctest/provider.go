// Package oidctest runs a real OpenID provider for tests.
package oidctest

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// Provider is a provider on loopback that gives tokens for the asking.
type Provider struct {
	t      *testing.T
	Issuer string
	// Away makes it answer 503 to everything.
	Away atomic.Bool
	// Keys, if set, stands in the place of the keys it publishes.
	Keys atomic.Pointer[string]
	// Asked counts the requests for its keys.
	Asked atomic.Int64

	store *store
}

// store is the example's storage with keys and claims that tests choose.
type store struct {
	*storage.Storage
	mu    sync.Mutex
	key   *Key // that signs
	shown []*Key
	next  Token // what the next token says
}

// Key is a key that signs tokens.
type Key struct {
	Name      string
	Algorithm jose.SignatureAlgorithm
	private   crypto.Signer
}

// Token is what a token says.
type Token struct {
	Subject  string
	Audience []string
	Ends     time.Duration // from now
	Begins   time.Duration // from now
	Claims   map[string]any
}

var keyNumber atomic.Int64

// NewKey draws a key: RS256 or ES256.
func NewKey(t *testing.T, algorithm jose.SignatureAlgorithm) *Key {
	t.Helper()
	k := &Key{Name: "key-" + strconv.FormatInt(keyNumber.Add(1), 10), Algorithm: algorithm}
	var err error
	if algorithm == jose.ES256 {
		k.private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	} else {
		k.private, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// Start begins a provider that signs with a key.
func Start(t *testing.T, key *Key) *Provider {
	t.Helper()
	p := &Provider{t: t}
	ts := httptest.NewUnstartedServer(nil)
	t.Cleanup(ts.Close)
	p.Issuer = "http://" + ts.Listener.Addr().String()
	p.store = &store{Storage: storage.NewStorage(storage.NewUserStore(p.Issuer)), key: key, shown: []*Key{key}}
	provider, err := op.NewProvider(&op.Config{CryptoKey: sha256.Sum256([]byte("test"))}, p.store, op.StaticIssuer(p.Issuer), op.WithAllowInsecure(), op.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	ts.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		isKeys := strings.HasSuffix(r.URL.Path, "/keys")
		if isKeys {
			p.Asked.Add(1)
		}
		if p.Away.Load() {
			http.Error(w, "away", http.StatusServiceUnavailable)
			return
		}
		if keys := p.Keys.Load(); isKeys && keys != nil {
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, *keys)
			return
		}
		provider.ServeHTTP(w, r)
	})
	ts.Start()
	return p
}

// Rotate signs with another key from now on, and publishes these.
func (p *Provider) Rotate(key *Key, shown ...*Key) {
	p.store.mu.Lock()
	defer p.store.mu.Unlock()
	p.store.key, p.store.shown = key, shown
}

// Token asks the provider for an access token, as a service does.
func (p *Provider) Token(token Token) string {
	p.t.Helper()
	p.store.mu.Lock()
	p.store.next = token
	p.store.mu.Unlock()
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {"openid"}}
	r, err := http.NewRequestWithContext(p.t.Context(), "POST", p.Issuer+"/oauth/token", strings.NewReader(form.Encode()))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth("sid1", "verysecret")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	var answer struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal(b, &answer); err != nil || answer.Token == "" {
		p.t.Fatalf("%s: %s", resp.Status, b)
	}
	return answer.Token
}

// Sign makes a token out of a header and claims, as no provider would.
func (k *Key) Sign(t *testing.T, header, claims map[string]any) string {
	t.Helper()
	var parts []string
	for _, part := range []any{header, claims} {
		b, err := json.Marshal(part)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, base64.RawURLEncoding.EncodeToString(b))
	}
	text := strings.Join(parts, ".")
	h := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(nil, k.private.(*rsa.PrivateKey), crypto.SHA256, h[:])
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// Public is the key's public half.
func (k *Key) Public() crypto.PublicKey { return k.private.Public() }

// signing and published are a key as the provider's storage has it.
type (
	signing   struct{ key *Key }
	published struct{ key *Key }
)

func (s signing) ID() string                                  { return s.key.Name }
func (s signing) SignatureAlgorithm() jose.SignatureAlgorithm { return s.key.Algorithm }
func (s signing) Key() any                                    { return s.key.private }

func (p published) ID() string                         { return p.key.Name }
func (p published) Algorithm() jose.SignatureAlgorithm { return p.key.Algorithm }
func (p published) Use() string                        { return "sig" }
func (p published) Key() any                           { return p.key.Public() }

// SigningKey implements op.Storage.
func (s *store) SigningKey(context.Context) (op.SigningKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return signing{s.key}, nil
}

// SignatureAlgorithms implements op.Storage.
func (s *store) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	return []jose.SignatureAlgorithm{jose.RS256, jose.ES256}, nil
}

// KeySet implements op.Storage.
func (s *store) KeySet(context.Context) ([]op.Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []op.Key
	for _, k := range s.shown {
		keys = append(keys, published{k})
	}
	return keys, nil
}

// client is one that gets JSON Web Tokens, whose begin tests choose.
type client struct {
	op.Client
	skew time.Duration
}

func (c client) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeJWT }
func (c client) ClockSkew() time.Duration            { return c.skew }

// ClientCredentials implements op.ClientCredentialsStorage.
func (s *store) ClientCredentials(ctx context.Context, id, secret string) (op.Client, error) {
	c, err := s.Storage.ClientCredentials(ctx, id, secret)
	s.mu.Lock()
	defer s.mu.Unlock()
	return client{c, -s.next.Begins}, err
}

// ClientCredentialsTokenRequest implements op.ClientCredentialsStorage.
func (s *store) ClientCredentialsTokenRequest(_ context.Context, _ string, scopes []string) (op.TokenRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &oidc.JWTTokenRequest{Subject: s.next.Subject, Audience: s.next.Audience, Scopes: scopes}, nil
}

// CreateAccessToken implements op.Storage.
func (s *store) CreateAccessToken(context.Context, op.TokenRequest) (string, time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return "token", time.Now().Add(s.next.Ends), nil
}

// GetPrivateClaimsFromScopes implements op.Storage.
func (s *store) GetPrivateClaimsFromScopes(context.Context, string, string, []string) (map[string]any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next.Claims, nil
}
