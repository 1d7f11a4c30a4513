package oidc_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"indelible/internal/access"
	"indelible/internal/access/oidc"
)

// published is a provider with one key, whose private half nobody has.
type published struct{}

func (published) RoundTrip(r *http.Request) (*http.Response, error) {
	// The key of RFC 7515, A.2.
	body := `{"keys":[{"kty":"RSA","kid":"a","alg":"RS256","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"}]}`
	if strings.HasSuffix(r.URL.Path, "/openid-configuration") {
		body = `{"issuer":"https://login.example.com","jwks_uri":"https://login.example.com/keys"}`
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// FuzzToken: no text is a token of a provider whose key nobody has, and none of
// them looks as if the provider were away.
func FuzzToken(f *testing.F) {
	v, err := oidc.New(oidc.Config{Issuer: "https://login.example.com", Audience: "indelible", Grants: grants, Client: &http.Client{Transport: published{}}})
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{
		"", "..", "eyJhbGciOiJub25lIn0.e30.", "eyJhbGciOiJSUzI1NiIsImtpZCI6ImEifQ.e30.AA", "eyJhbGciOiJIUzI1NiIsImtpZCI6ImEifQ.e30.AA", "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIn0.AA",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		if who, err := v.Authenticate(t.Context(), token); !errors.Is(err, access.ErrRefused) {
			t.Errorf("%q is the token of %+v: %v", token, who, err)
		}
	})
}
