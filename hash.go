package indelible

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// HashSize is the size of a SHA-256 hash in bytes.
const HashSize = sha256.Size

// Hash is a SHA-256 hash. As text, in JSON too, it is lower-case hex.
type Hash [HashSize]byte

func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText gives lower-case hex.
func (h Hash) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h[:]), nil }

// UnmarshalText takes 64 hex digits.
func (h *Hash) UnmarshalText(text []byte) error { return unhex(h[:], text, "hash") }

// Ref is a keyed reference to a tenant or an event: 16 bytes of HMAC-SHA-256.
type Ref [16]byte

func (r Ref) String() string { return hex.EncodeToString(r[:]) }

// MarshalText gives lower-case hex.
func (r Ref) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, r[:]), nil }

// UnmarshalText takes 32 hex digits.
func (r *Ref) UnmarshalText(text []byte) error { return unhex(r[:], text, "reference") }

// ID is a random 16-byte identity: of a log, a data directory or a journal.
type ID [16]byte

func (id ID) String() string { return hex.EncodeToString(id[:]) }

// MarshalText gives lower-case hex.
func (id ID) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, id[:]), nil }

// UnmarshalText takes 32 hex digits.
func (id *ID) UnmarshalText(text []byte) error { return unhex(id[:], text, "id") }

// PublicKey is an Ed25519 public key.
type PublicKey [32]byte

func (k PublicKey) String() string { return hex.EncodeToString(k[:]) }

// MarshalText gives lower-case hex.
func (k PublicKey) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, k[:]), nil }

// UnmarshalText takes 64 hex digits.
func (k *PublicKey) UnmarshalText(text []byte) error { return unhex(k[:], text, "public key") }

// Signature is an Ed25519 signature.
type Signature [64]byte

// MarshalText gives lower-case hex.
func (s Signature) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, s[:]), nil }

// UnmarshalText takes 128 hex digits.
func (s *Signature) UnmarshalText(text []byte) error { return unhex(s[:], text, "signature") }

func unhex(dst, text []byte, what string) error {
	if len(text) != 2*len(dst) {
		return fmt.Errorf("a %s is %d hex digits, not %d bytes", what, 2*len(dst), len(text))
	}
	if _, err := hex.Decode(dst, text); err != nil {
		return fmt.Errorf("a %s is hex digits: %w", what, err)
	}
	return nil
}
