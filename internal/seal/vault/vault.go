// Package vault has the transit engine of HashiCorp Vault or OpenBao hold the
// root key, over plain HTTP requests.
package vault

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"indelible/internal/seal"
)

// Config says which key, and how to reach Vault.
type Config struct {
	Address   string // https://host[:port], VAULT_ADDR
	Mount     string // of the transit engine; "transit" if empty
	Key       string // its name there, of type aes256-gcm96
	Namespace string // empty: none
	Insecure  bool   // allow http:// to other machines

	// Token is asked for at every call, so that it can be renewed by others.
	Token func() (string, error)

	// Timeout bounds one call; 10 s if zero.
	Timeout time.Duration

	// HTTPClient replaces http.Client with the system's roots.
	HTTPClient *http.Client
}

// Key is a root key in Vault. It implements seal.KeyWrapper. The context of a
// wrapping is the associated data.
type Key struct {
	cfg Config
}

var _ seal.KeyWrapper = (*Key)(nil)

// Open checks the configuration. It does not talk to Vault; Describe does.
func Open(cfg Config) (*Key, error) {
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("open Vault: %w", err)
	}
	return &Key{cfg}, nil
}

// Wrap implements seal.KeyWrapper.
func (k *Key) Wrap(ctx context.Context, key []byte, kc seal.Context) ([]byte, error) {
	if len(key) == 0 || len(key) > seal.MaxKey {
		return nil, fmt.Errorf("wrap a key of %d bytes: want 1 to %d", len(key), seal.MaxKey)
	}
	// Vault makes a key it does not know when asked to encrypt with it: what
	// was wrapped after a mistake or a deletion would be wrapped by another.
	if _, err := k.Describe(ctx); err != nil {
		return nil, err
	}
	var out struct{ Ciphertext string }
	err := k.call(ctx, http.MethodPost, "encrypt/"+k.cfg.Key, map[string]any{
		"plaintext": encode64(key), "associated_data": encode64(kc.Encoded()),
	}, &out)
	if err != nil {
		return nil, fmt.Errorf("wrap a key: %w", err)
	}
	if !strings.HasPrefix(out.Ciphertext, "vault:v") || len(out.Ciphertext) > seal.MaxWrapped {
		return nil, errors.New("wrap a key: Vault answered with something else than a ciphertext")
	}
	return []byte(out.Ciphertext), nil
}

// Unwrap implements seal.KeyWrapper.
func (k *Key) Unwrap(ctx context.Context, wrapped []byte, kc seal.Context) ([]byte, error) {
	if !strings.HasPrefix(string(wrapped), "vault:v") || len(wrapped) > seal.MaxWrapped {
		return nil, fmt.Errorf("%w: not a key wrapped by Vault", seal.ErrDenied)
	}
	var out struct{ Plaintext string }
	err := k.call(ctx, http.MethodPost, "decrypt/"+k.cfg.Key, map[string]any{
		"ciphertext": string(wrapped), "associated_data": encode64(kc.Encoded()),
	}, &out)
	if err != nil {
		return nil, fmt.Errorf("unwrap a key: %w", err)
	}
	key, err := base64.StdEncoding.DecodeString(out.Plaintext)
	if err != nil || len(key) == 0 {
		return nil, errors.New("unwrap a key: Vault answered with something else than a key")
	}
	return key, nil
}

// Rotate implements seal.KeyWrapper.
func (k *Key) Rotate(ctx context.Context) error {
	if err := k.call(ctx, http.MethodPost, "keys/"+k.cfg.Key+"/rotate", nil, nil); err != nil {
		return fmt.Errorf("rotate: %w", err)
	}
	return nil
}

// Destroy implements seal.KeyWrapper: Vault deletes the key at once and forgets it.
func (k *Key) Destroy(ctx context.Context) error {
	err := k.call(ctx, http.MethodPost, "keys/"+k.cfg.Key+"/config", map[string]any{"deletion_allowed": true}, nil)
	if err == nil {
		err = k.call(ctx, http.MethodDelete, "keys/"+k.cfg.Key, nil, nil)
	}
	if errors.Is(err, seal.ErrUnknownKey) {
		return nil // destroyed before
	}
	if err != nil {
		return fmt.Errorf("destroy: %w", err)
	}
	return nil
}

// Describe implements seal.KeyWrapper.
func (k *Key) Describe(ctx context.Context) (seal.Description, error) {
	d := seal.Description{Driver: "vault", Key: k.cfg.Mount + "/" + k.cfg.Key}
	var out struct {
		Type          string
		LatestVersion int `json:"latest_version"`
		// When a version was made, in seconds; other types of keys tell more.
		Keys map[string]json.RawMessage
	}
	if err := k.call(ctx, http.MethodGet, "keys/"+k.cfg.Key, nil, &out); err != nil {
		return d, fmt.Errorf("describe: %w", err)
	}
	if !types[out.Type] {
		return d, fmt.Errorf("%w: key %s is of type %q; make one of type aes256-gcm96", seal.ErrDenied, d.Key, out.Type)
	}
	d.Version = out.LatestVersion
	var seconds int64
	if json.Unmarshal(out.Keys[strconv.Itoa(d.Version)], &seconds) == nil && seconds > 0 {
		d.Created = time.Unix(seconds, 0).UTC()
	}
	return d, nil
}

// types are the kinds of keys whose encryption binds associated data.
var types = map[string]bool{"aes128-gcm96": true, "aes256-gcm96": true, "chacha20-poly1305": true, "xchacha20-poly1305": true}

func encode64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
