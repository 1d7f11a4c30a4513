package datadir

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"indelible/internal/seal"
	"indelible/internal/seal/sealtest"
)

func envOf(values map[string]string) Env { return func(name string) string { return values[name] } }

func newDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "keys"), 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// works wraps with one handle of a root key and unwraps with the other.
func works(t *testing.T, made seal.KeyWrapper, dir string, c *KeysConfig, env Env) {
	t.Helper()
	b, err := made.Wrap(t.Context(), make([]byte, 32), nil)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := OpenRootKey(t.Context(), dir, c, env)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := opened.Unwrap(t.Context(), b, nil); err != nil {
		t.Error(err)
	}
}

func TestRootKeyFile(t *testing.T) {
	t.Parallel()
	c := &KeysConfig{Root: "file"}
	dir, env := newDir(t), envOf(nil)
	made, err := CreateRootKey(t.Context(), dir, c, env)
	if err != nil {
		t.Fatal(err)
	}
	works(t, made, dir, c, env)

	dir, env = newDir(t), envOf(map[string]string{"INDELIBLE_PASSPHRASE": "correct horse"})
	if made, err = CreateRootKey(t.Context(), dir, c, env); err != nil {
		t.Fatal(err)
	}
	works(t, made, dir, c, env)
	file := filepath.Join(dir, "passphrase")
	if err := os.WriteFile(file, []byte("correct horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	works(t, made, dir, c, envOf(map[string]string{"INDELIBLE_PASSPHRASE_FILE": file}))
	if _, err := OpenRootKey(t.Context(), dir, c, envOf(nil)); !errors.Is(err, seal.ErrDenied) {
		t.Errorf("without its passphrase: %v", err)
	}
}

func TestRootKeyVault(t *testing.T) {
	t.Parallel()
	v := sealtest.StartVault(t)
	c := &KeysConfig{Root: "vault", Vault: &Vault{Address: v.URL, Key: v.NewKey()}}
	env := envOf(map[string]string{"VAULT_TOKEN": v.Token})
	made, err := CreateRootKey(t.Context(), "", c, env)
	if err != nil {
		t.Fatal(err)
	}
	works(t, made, "", c, env)
	if _, err := OpenRootKey(t.Context(), "", c, envOf(nil)); err == nil {
		t.Error("opened without a token")
	}
	c.Vault.Key = "none"
	if _, err := CreateRootKey(t.Context(), "", c, env); !errors.Is(err, seal.ErrUnknownKey) {
		t.Errorf("a key that is not there: %v", err)
	}
}

func TestRootKeyConfig(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]*KeysConfig{
		"nothing":        {},
		"unknown":        {Root: "hsm"},
		"no key named":   {Root: "awskms"},
		"two kinds":      {Root: "vault", Vault: &Vault{}, AWSKMS: &AWSKMS{}},
		"another's":      {Root: "file", Vault: &Vault{}},
		"an empty vault": {Root: "vault", Vault: &Vault{}},
	} {
		if _, err := OpenRootKey(t.Context(), t.TempDir(), c, envOf(nil)); err == nil {
			t.Errorf("%s: opened", what)
		}
	}
}
