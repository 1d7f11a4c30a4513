// Package oidc knows people by the tokens an OpenID provider gives them: JSON Web
// Tokens (RFC 7519), signed by a key the provider publishes.
package oidc

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"indelible/internal/access"
)

// Config says whose tokens are taken, and what they give.
type Config struct {
	Issuer     string   // as it stands in tokens; https, or http on loopback
	Audience   string   // one of the token's
	Algorithms []string // of signatures; RS256 and ES256 if empty
	NameClaim  string   // who it is; "sub" if empty
	Grants     []Grant  // the first that fits counts

	Client *http.Client     // nil: one with short timeouts
	Clock  func() time.Time // nil: time.Now
}

// algorithms are those that can be chosen: with a public key, all of them.
var algorithms = []string{oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.EdDSA}

const (
	maxToken = 16 << 10
	skew     = time.Minute // how far the provider's clock may be off

	refreshEvery = 5 * time.Minute  // how old published keys get
	maxStale     = time.Hour        // how old while the provider is away
	retryEvery   = 10 * time.Second // how often the provider is asked at most
	askTimeout   = 10 * time.Second
	maxDocument  = 1 << 20
)

// ErrUnavailable: the provider does not answer, and nobody can be known without it.
var ErrUnavailable = errors.New("the OpenID provider does not answer")

// Verifier checks tokens.
type Verifier struct {
	cfg    Config
	client *http.Client // that asks no more often than retryEvery

	mu      sync.Mutex
	keys    *keys         // the last that were read
	reading chan struct{} // closed when reading them has ended; nil: nobody reads
	err     error         // of the last reading
}

// keys are what the provider published at a time.
type keys struct {
	verifier *oidc.IDTokenVerifier
	read     time.Time
}

// New checks a configuration. The provider is not asked before there is a token.
func New(cfg Config) (*Verifier, error) {
	if err := secure(cfg.Issuer); err != nil {
		return nil, fmt.Errorf("issuer: %w", err)
	}
	if cfg.Audience == "" {
		return nil, errors.New("audience is missing: tokens for others would be taken")
	}
	if len(cfg.Algorithms) == 0 {
		cfg.Algorithms = []string{oidc.RS256, oidc.ES256}
	}
	for _, name := range cfg.Algorithms {
		if !slices.Contains(algorithms, name) {
			return nil, fmt.Errorf("no algorithm %q: there are %s", name, strings.Join(algorithms, ", "))
		}
	}
	if len(cfg.Grants) == 0 {
		return nil, errors.New("grants are missing: no token would give anything")
	}
	for i := range cfg.Grants {
		if err := cfg.Grants[i].check(); err != nil {
			return nil, fmt.Errorf("grant %d: %w", i+1, err)
		}
	}
	cfg.NameClaim = cmp.Or(cfg.NameClaim, "sub")
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Client == nil {
		cfg.Client = &http.Client{}
	}
	ask := cfg.Client.Transport
	if ask == nil {
		ask = http.DefaultTransport
	}
	client := &http.Client{
		Transport: &patient{next: ask, clock: cfg.Clock, answers: make(map[string]*remembered)}, Timeout: askTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return errors.New("the provider redirects") },
	}
	return &Verifier{cfg: cfg, client: client}, nil
}

// secure makes sure that nobody between here and an address can answer for it.
func secure(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("%q is not the address of a provider", address)
	}
	ip := net.ParseIP(u.Hostname())
	if u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()) {
		return nil
	}
	return fmt.Errorf("%q is not https://", address)
}

// Authenticate tells whose token this is: access.ErrRefused if nobody's, and
// ErrUnavailable while the provider would have to say.
func (v *Verifier) Authenticate(ctx context.Context, token string) (*access.Principal, error) {
	// A compact token, and neither an encrypted one nor JSON.
	if len(token) > maxToken || strings.Count(token, ".") != 2 || strings.ContainsAny(token, "{} \t\r\n") {
		return nil, access.ErrRefused
	}
	k, err := v.current(ctx)
	if err != nil {
		return nil, err
	}
	var asked attempt
	t, err := k.verifier.Verify(context.WithValue(ctx, attemptKey{}, &asked), token)
	switch {
	case asked.err != nil:
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, asked.err)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", access.ErrRefused, err)
	}
	var claims map[string]any
	if err := t.Claims(&claims); err != nil {
		return nil, fmt.Errorf("%w: %w", access.ErrRefused, err)
	}
	if why := v.untimely(t, claims); why != "" {
		return nil, fmt.Errorf("%w: %s", access.ErrRefused, why)
	}
	return v.principal(t.Subject, claims)
}

// untimely says why a token does not hold now, or nothing. The package's own check
// allows five minutes before a token begins, and none after its end.
func (v *Verifier) untimely(t *oidc.IDToken, claims map[string]any) string {
	now := v.cfg.Clock()
	begins, given := claims["nbf"].(float64)
	switch {
	case t.Expiry.IsZero() || claims["exp"] == nil:
		return "it has no end"
	case !now.Before(t.Expiry.Add(skew)):
		return "it has expired"
	case claims["nbf"] != nil && !given, given && begins > float64(now.Add(skew).Unix()), t.IssuedAt.After(now.Add(skew)):
		return "it is not valid yet"
	}
	return ""
}

// principal is who a token is of.
func (v *Verifier) principal(subject string, claims map[string]any) (*access.Principal, error) {
	name, _ := claims[v.cfg.NameClaim].(string)
	full := access.TokenNames + name
	if subject == "" || name == "" || !access.ValidName(full) {
		return nil, fmt.Errorf("%w: sub or %s is missing, too long, or not text", access.ErrRefused, v.cfg.NameClaim)
	}
	h := sha256.Sum256([]byte(subject))
	p := &access.Principal{Name: full, KeyID: access.TokenNames + hex.EncodeToString(h[:8])}
	for i := range v.cfg.Grants {
		if v.cfg.Grants[i].give(p, claims) {
			break
		}
	}
	return p, nil // known, if with nothing
}
