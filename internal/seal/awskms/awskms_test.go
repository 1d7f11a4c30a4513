package awskms

import (
	"context"
	"errors"
	"strings"
	"testing"

	"indelible/internal/seal"
	"indelible/internal/seal/sealtest"
)

func open(t *testing.T, k *sealtest.KMS, arn string) *Key {
	t.Helper()
	w, err := Open(t.Context(), Config{Key: arn, Endpoint: k.URL, AccessKey: k.AccessKey, SecretKey: k.SecretKey})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestSuite(t *testing.T) {
	t.Parallel()
	k := sealtest.StartKMS(t)
	sealtest.Test(t, sealtest.Driver{New: func(t *testing.T) (seal.KeyWrapper, func() (seal.KeyWrapper, error)) {
		arn := k.NewKey()
		return open(t, k, arn), func() (seal.KeyWrapper, error) { return open(t, k, arn), nil }
	}})
}

func TestErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status int
		code   string
		want   error
	}{
		{400, "AccessDeniedException", seal.ErrDenied},
		{400, "DisabledException", seal.ErrDenied},
		{403, "ExpiredTokenException", seal.ErrDenied},
		{400, "NotFoundException", seal.ErrUnknownKey},
		{400, "IncorrectKeyException", seal.ErrUnknownKey},
		{500, "KMSInternalException", seal.ErrUnavailable},
		{400, "ThrottlingException", seal.ErrUnavailable},
		{500, "KeyUnavailableException", seal.ErrUnavailable},
		{503, "ServiceUnavailable", seal.ErrUnavailable},
		{400, "KMSInvalidStateException", seal.ErrUnavailable},
	} {
		t.Run(c.code, func(t *testing.T) {
			t.Parallel()
			k := sealtest.StartKMS(t)
			w := open(t, k, k.NewKey())
			k.Fail(c.status, c.code)
			_, err := w.Wrap(t.Context(), make([]byte, 32), nil)
			if !errors.Is(err, c.want) || strings.Contains(err.Error(), k.AccessKey) || strings.Contains(err.Error(), k.SecretKey) {
				t.Errorf("wrap: %v; want %v", err, c.want)
			}
		})
	}
}

func TestUnknownAndAway(t *testing.T) {
	t.Parallel()
	k := sealtest.StartKMS(t)
	if _, err := open(t, k, k.NewKey()+"0").Describe(t.Context()); !errors.Is(err, seal.ErrUnknownKey) {
		t.Errorf("no such key: %v", err)
	}
	away, err := Open(t.Context(), Config{Key: k.NewKey(), Endpoint: "http://127.0.0.1:1", AccessKey: "a", SecretKey: "b"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := away.Describe(t.Context()); !errors.Is(err, seal.ErrUnavailable) {
		t.Errorf("nobody answers: %v", err)
	}
	other, err := Open(t.Context(), Config{Key: k.NewKey(), Endpoint: k.URL, AccessKey: k.AccessKey, SecretKey: "another secret"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Describe(t.Context()); !errors.Is(err, seal.ErrDenied) || strings.Contains(err.Error(), "another secret") {
		t.Errorf("a wrong signature: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := open(t, k, k.NewKey()).Describe(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for what, cfg := range map[string]Config{
		"no key":          {Region: "eu-test-1"},
		"an alias":        {Key: "alias/audit", Region: "eu-test-1"},
		"an alias' ARN":   {Key: "arn:aws:kms:eu-test-1:111122223333:alias/audit"},
		"no region":       {Key: "1234", AccessKey: "a", SecretKey: "b"},
		"half the keys":   {Key: "1234", Region: "eu-test-1", AccessKey: "a"},
		"http elsewhere":  {Key: "1234", Region: "eu-test-1", Endpoint: "http://kms.example.com"},
		"keys in address": {Key: "1234", Region: "eu-test-1", Endpoint: "https://user:hunter2@kms.example.com"},
		"a path":          {Key: "1234", Region: "eu-test-1", Endpoint: "https://kms.example.com/x"},
	} {
		if _, err := Open(t.Context(), cfg); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", what, err)
		}
	}
}
