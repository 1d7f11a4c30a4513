package datadir

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"indelible/internal/disk"
	"indelible/internal/seal"
	"indelible/internal/seal/awskms"
	"indelible/internal/seal/keyfile"
	"indelible/internal/seal/vault"
)

// KeysConfig says where the root key is. Its secrets come from elsewhere: the
// passphrase of a key file from INDELIBLE_PASSPHRASE or a file named by
// INDELIBLE_PASSPHRASE_FILE, AWS credentials from the usual chain, Vault's token
// from VAULT_TOKEN or a file named by VAULT_TOKEN_FILE.
type KeysConfig struct {
	Root   string  `yaml:"root"` // file, awskms or vault
	AWSKMS *AWSKMS `yaml:"awskms,omitempty"`
	Vault  *Vault  `yaml:"vault,omitempty"`
}

// AWSKMS names a key in AWS KMS.
type AWSKMS struct {
	Key      string `yaml:"key"` // ARN or id
	Region   string `yaml:"region,omitempty"`
	Endpoint string `yaml:"endpoint,omitempty"`
	Insecure bool   `yaml:"insecure,omitempty"` // allow http:// off loopback
}

// Vault names a key in Vault's transit engine.
type Vault struct {
	Address   string `yaml:"address"`
	Mount     string `yaml:"mount,omitempty"`
	Key       string `yaml:"key"`
	Namespace string `yaml:"namespace,omitempty"`
	Insecure  bool   `yaml:"insecure,omitempty"` // allow http:// off loopback
}

const rootKeyName = "root.key"

// check reports what is wrong with a choice of root key.
func (c *KeysConfig) check() error {
	ok := false
	switch c.Root {
	case "file":
		ok = c.AWSKMS == nil && c.Vault == nil
	case "awskms":
		ok = c.AWSKMS != nil && c.Vault == nil
	case "vault":
		ok = c.AWSKMS == nil && c.Vault != nil
	default:
		return fmt.Errorf("keys.root %q is not file, awskms or vault", c.Root)
	}
	if !ok {
		return fmt.Errorf("keys.root is %s: keys.awskms and keys.vault say where exactly that key is, and nothing of another", c.Root)
	}
	return nil
}

// CreateRootKey draws the root key file of a new data directory; where a service
// holds the key, it makes sure that the key is there and answers.
func CreateRootKey(ctx context.Context, dir string, c *KeysConfig, env Env) (seal.KeyWrapper, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if c.Root == "file" {
		passphrase, err := passphraseFrom(env)
		if err != nil {
			return nil, err
		}
		return keyfile.Create(keyPath(dir, rootKeyName), passphrase)
	}
	w, err := OpenRootKey(ctx, dir, c, env)
	if err != nil {
		return nil, err
	}
	d, err := w.Describe(ctx)
	if err == nil && d.Destroyed {
		err = fmt.Errorf("%w: %s", seal.ErrDestroyed, d.Key)
	}
	return w, err
}

// OpenRootKey opens the root key of a data directory. Services are not asked yet.
func OpenRootKey(ctx context.Context, dir string, c *KeysConfig, env Env) (seal.KeyWrapper, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	switch c.Root {
	case "awskms":
		k := c.AWSKMS
		return awskms.Open(ctx, awskms.Config{Key: k.Key, Region: k.Region, Endpoint: k.Endpoint, Insecure: k.Insecure})
	case "vault":
		k := c.Vault
		cfg := vault.Config{Address: k.Address, Mount: k.Mount, Key: k.Key, Namespace: k.Namespace, Insecure: k.Insecure}
		if file := env("VAULT_TOKEN_FILE"); file != "" {
			cfg.Token = vault.TokenFromFile(file)
		} else if token := env("VAULT_TOKEN"); token != "" {
			cfg.Token = func() (string, error) { return token, nil }
		}
		return vault.Open(cfg)
	}
	return keyfile.Open(keyPath(dir, rootKeyName), func() ([]byte, error) {
		passphrase, err := passphraseFrom(env)
		if err == nil && passphrase == nil {
			err = fmt.Errorf("%w: the key file is encrypted; set INDELIBLE_PASSPHRASE, or INDELIBLE_PASSPHRASE_FILE to a file that holds its passphrase", seal.ErrDenied)
		}
		return passphrase, err
	})
}

// passphraseFrom finds the passphrase of the key file, nil if there is none.
func passphraseFrom(env Env) ([]byte, error) {
	if file := env("INDELIBLE_PASSPHRASE_FILE"); file != "" {
		b, err := disk.ReadFile(disk.OS, file, 4<<10)
		if err != nil {
			return nil, fmt.Errorf("read the passphrase: %w", err)
		}
		line, _, _ := strings.Cut(string(b), "\n")
		if line = strings.TrimSuffix(line, "\r"); line == "" {
			return nil, errors.New("the passphrase file has no first line")
		}
		return []byte(line), nil
	}
	if p := env("INDELIBLE_PASSPHRASE"); p != "" {
		return []byte(p), nil
	}
	return nil, nil
}
