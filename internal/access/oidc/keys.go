package oidc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// current are the provider's keys. Old ones are read again behind those who come
// meanwhile; where there are none that are young enough everybody waits.
func (v *Verifier) current(ctx context.Context) (*keys, error) {
	v.mu.Lock()
	k, now := v.keys, v.cfg.Clock()
	if (k == nil || now.Sub(k.read) >= refreshEvery) && v.reading == nil {
		v.reading = make(chan struct{})
		go v.read()
	}
	reading := v.reading
	v.mu.Unlock()
	if k != nil && now.Sub(k.read) < maxStale {
		return k, nil
	}
	select {
	case <-reading:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if k := v.keys; k != nil && now.Sub(k.read) < maxStale {
		return k, nil
	}
	return nil, fmt.Errorf("%w: %w", ErrUnavailable, v.err)
}

// read reads what the provider publishes.
func (v *Verifier) read() {
	ctx, cancel := context.WithTimeout(oidc.ClientContext(context.Background(), v.client), 2*askTimeout)
	defer cancel()
	begun := v.cfg.Clock()
	verifier, err := v.discover(ctx)
	v.mu.Lock()
	defer v.mu.Unlock()
	if err == nil {
		v.keys = &keys{verifier, begun}
	} else {
		v.err = brief(err)
	}
	close(v.reading)
	v.reading = nil
}

// unsigned is a token no key fits: whoever checks it has read the keys.
const unsigned = "eyJhbGciOiJSUzI1NiJ9.e30.AA"

func (v *Verifier) discover(ctx context.Context) (*oidc.IDTokenVerifier, error) {
	p, err := oidc.NewProvider(ctx, v.cfg.Issuer)
	if err != nil {
		return nil, err
	}
	var document struct {
		Keys string `json:"jwks_uri"`
	}
	if err := p.Claims(&document); err != nil {
		return nil, err
	}
	if err := secure(document.Keys); err != nil {
		return nil, fmt.Errorf("jwks_uri: %w", err)
	}
	set := watched{oidc.NewRemoteKeySet(ctx, document.Keys)}
	var asked attempt
	set.VerifySignature(context.WithValue(ctx, attemptKey{}, &asked), unsigned)
	if asked.err != nil {
		return nil, asked.err
	}
	return oidc.NewVerifier(v.cfg.Issuer, set, &oidc.Config{
		ClientID: v.cfg.Audience, SupportedSigningAlgs: v.cfg.Algorithms, SkipExpiryCheck: true, // untimely does
	}), nil
}

// watched tells a signature that is wrong from keys that could not be read.
type watched struct{ oidc.KeySet }

// brief cuts an error, which may quote a whole answer.
func brief(err error) error { return fmt.Errorf("%.300s", err.Error()) }

type attemptKey struct{}

// attempt is the place for an error of asking the provider.
type attempt struct{ err error }

// VerifySignature implements oidc.KeySet. A remote set wraps the error of asking,
// and no other.
func (w watched) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	payload, err := w.KeySet.VerifySignature(ctx, token)
	if cause := errors.Unwrap(err); cause != nil {
		if a, ok := ctx.Value(attemptKey{}).(*attempt); ok {
			a.err = brief(cause)
		}
	}
	return payload, err
}

// patient asks each address no more often than retryEvery and gives the last answer
// meanwhile: tokens with made-up keys do not become requests to the provider.
type patient struct {
	next  http.RoundTripper
	clock func() time.Time

	mu      sync.Mutex
	answers map[string]*remembered // by address
}

// maxAddresses: a provider has two, and may have others another day.
const maxAddresses = 4

type remembered struct {
	at     time.Time
	header http.Header
	body   []byte
	err    error
}

// RoundTrip implements http.RoundTripper. What is not 200 is an error.
func (p *patient) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	address, now := r.URL.String(), p.clock()
	a := p.answers[address]
	if a == nil || now.Sub(a.at) >= retryEvery {
		a = p.ask(r, now)
		if len(p.answers) >= maxAddresses {
			clear(p.answers)
		}
		p.answers[address] = a
	}
	if a.err != nil {
		return nil, a.err
	}
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: a.header.Clone(),
		Body: io.NopCloser(bytes.NewReader(a.body)), ContentLength: int64(len(a.body)), Request: r,
	}, nil
}

func (p *patient) ask(r *http.Request, now time.Time) *remembered {
	a := &remembered{at: now}
	resp, err := p.next.RoundTrip(r)
	if err != nil {
		a.err = err
		return a
	}
	defer resp.Body.Close()
	a.header = resp.Header
	a.body, a.err = io.ReadAll(io.LimitReader(resp.Body, maxDocument+1))
	switch {
	case a.err != nil:
	case resp.StatusCode != http.StatusOK:
		a.err = fmt.Errorf("%s answers %d", r.URL.Host, resp.StatusCode)
	case len(a.body) > maxDocument:
		a.err = fmt.Errorf("%s answers more than %d bytes", r.URL.Host, maxDocument)
	}
	return a
}
