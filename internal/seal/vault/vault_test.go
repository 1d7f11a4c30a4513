package vault

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"indelible/internal/seal"
	"indelible/internal/seal/sealtest"
)

func config(v *sealtest.Vault, key string) Config {
	return Config{Address: v.URL, Key: key, Namespace: v.Namespace, Token: func() (string, error) { return v.Token, nil }}
}

func open(t *testing.T, v *sealtest.Vault, key string) *Key {
	t.Helper()
	w, err := Open(config(v, key))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestSuite(t *testing.T) {
	t.Parallel()
	v := sealtest.StartVault(t)
	v.Namespace = "audit/eu"
	sealtest.Test(t, sealtest.Driver{New: func(t *testing.T) (seal.KeyWrapper, func() (seal.KeyWrapper, error)) {
		key := v.NewKey()
		return open(t, v, key), func() (seal.KeyWrapper, error) { return open(t, v, key), nil }
	}})
}

func TestErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status int
		words  string
		want   error
	}{
		{403, "permission denied", seal.ErrDenied},
		{400, "cipher: message authentication failed", seal.ErrDenied},
		{307, "", seal.ErrDenied},
		{404, "", seal.ErrUnknownKey},
		{400, "encryption key not found", seal.ErrUnknownKey},
		{429, "", seal.ErrUnavailable},
		{500, "internal error", seal.ErrUnavailable},
		{503, "Vault is sealed", seal.ErrUnavailable},
	} {
		t.Run(c.words, func(t *testing.T) {
			t.Parallel()
			v := sealtest.StartVault(t)
			w := open(t, v, v.NewKey())
			b, err := w.Wrap(t.Context(), make([]byte, 32), nil)
			if err != nil {
				t.Fatal(err)
			}
			v.Fail(c.status, c.words)
			if _, err := w.Unwrap(t.Context(), b, nil); !errors.Is(err, c.want) || strings.Contains(err.Error(), v.Token) {
				t.Errorf("unwrap: %v; want %v", err, c.want)
			}
		})
	}
}

// TestNoKeyIsMade: Vault makes a key when asked to encrypt with one it does not
// know. The driver must not let it.
func TestNoKeyIsMade(t *testing.T) {
	t.Parallel()
	v := sealtest.StartVault(t)
	if _, err := open(t, v, "mistyped").Wrap(t.Context(), make([]byte, 32), nil); !errors.Is(err, seal.ErrUnknownKey) {
		t.Errorf("wrap: %v", err)
	}
	if v.Known("mistyped") {
		t.Error("a key was made")
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	v := sealtest.StartVault(t)
	key := v.NewKey()
	file := filepath.Join(t.TempDir(), "token")
	write := func(token string, mode os.FileMode) {
		os.Remove(file)
		if err := os.WriteFile(file, []byte(token), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
	}
	cfg := config(v, key)
	cfg.Token = TokenFromFile(file)
	w, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Describe(t.Context()); err == nil {
		t.Error("no token file, and an answer")
	}
	write(v.Token+"\n", 0o644)
	if _, err := w.Describe(t.Context()); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a token others can read: %v", err)
	}
	write(v.Token+"\n", 0o600)
	if _, err := w.Describe(t.Context()); err != nil {
		t.Errorf("a good token: %v", err)
	}
	for _, token := range []string{"", "hvs.expired", "a\nb"} {
		write(token, 0o600)
		if _, err := w.Describe(t.Context()); !errors.Is(err, seal.ErrDenied) || token != "" && strings.Contains(err.Error(), token) {
			t.Errorf("token %q: %v", token, err)
		}
	}
}

func TestAway(t *testing.T) {
	t.Parallel()
	v := sealtest.StartVault(t)
	cfg := config(v, "k")
	cfg.Address = "http://127.0.0.1:1"
	w, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Describe(t.Context()); !errors.Is(err, seal.ErrUnavailable) {
		t.Errorf("nobody answers: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := open(t, v, v.NewKey()).Describe(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	token := func() (string, error) { return "t", nil }
	for what, cfg := range map[string]Config{
		"no key":            {Address: "https://vault.example.com", Token: token},
		"a path as key":     {Address: "https://vault.example.com", Token: token, Key: "../sys/seal"},
		"a path as mount":   {Address: "https://vault.example.com", Token: token, Key: "k", Mount: "a/../b"},
		"no token":          {Address: "https://vault.example.com", Key: "k"},
		"http elsewhere":    {Address: "http://vault.example.com", Key: "k", Token: token},
		"secret in address": {Address: "https://user:hunter2@vault.example.com", Key: "k", Token: token},
		"no address":        {Key: "k", Token: token},
	} {
		if _, err := Open(cfg); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", what, err)
		}
	}
}
