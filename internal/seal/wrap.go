// Package seal keeps the keys that records are sealed with, and destroys them.
package seal

import (
	"context"
	"encoding/binary"
	"errors"
	"time"
)

// MaxKey is the longest key a root key wraps, in bytes, and MaxWrapped the
// longest wrapping of one that is kept.
const (
	MaxKey     = 64
	MaxWrapped = 4 << 10
)

// A KeyWrapper holds the root key, which wraps all other keys and never leaves
// it. It is a file, AWS KMS or Vault; seal/sealtest judges every driver alike.
//
// All methods can be called at once. Errors carry one of the errors below where
// one of them is the cause; any other is a failure nothing is known about. No
// error and no description holds key material, a token or a passphrase.
type KeyWrapper interface {
	// Wrap encrypts a key of 1 to MaxKey bytes under the newest version of the
	// root key. Wrapping the same key twice gives different bytes.
	Wrap(ctx context.Context, key []byte, kc Context) ([]byte, error)

	// Unwrap decrypts what Wrap returned, under any version of the root key.
	// Bytes that were changed, another root key or another context: ErrDenied
	// or ErrUnknownKey, never a key.
	Unwrap(ctx context.Context, wrapped []byte, kc Context) ([]byte, error)

	// Rotate makes a new version of the root key, which Wrap uses from then on.
	// What older versions wrapped can still be unwrapped.
	Rotate(ctx context.Context) error

	// Destroy makes everything the root key ever wrapped unreadable: at once, or
	// where the service insists on a delay, at the end of one, during which
	// nothing can be unwrapped either (ErrDestroyed, or ErrUnknownKey where the
	// service forgets it). Destroying it again is not an error.
	Destroy(ctx context.Context) error

	// Describe says which key this is and how it is. It fails where the key
	// cannot be asked about. A destroyed key is described, not an error, except
	// where the service forgets it: ErrUnknownKey then.
	Describe(ctx context.Context) (Description, error)
}

// The causes a driver tells apart.
var (
	// ErrDenied: the service or the file refuses; trying again does not help.
	ErrDenied = errors.New("the root key refuses")
	// ErrUnavailable: the service is away or too slow; trying again may help.
	ErrUnavailable = errors.New("the root key cannot be reached")
	// ErrUnknownKey: there is no such root key, or something else wrapped these bytes.
	ErrUnknownKey = errors.New("unknown root key")
	// ErrDestroyed: the root key was destroyed, or is disabled and waits for it.
	ErrDestroyed = errors.New("the root key is destroyed")
)

// Context is what a wrapping is bound to, in order: the log, the tenant, the
// purpose. Unwrapping needs the same. It is authenticated and not secret: a
// service may write it into its own log, so it never holds a name of a tenant
// or a person. Names are not empty and not repeated.
type Context []ContextValue

// ContextValue is one name and its value.
type ContextValue struct{ Name, Value string }

// Encoded is the context as unambiguous bytes, for drivers that bind bytes:
// per value, length and name, length and value, lengths as u32.
func (c Context) Encoded() []byte {
	var b []byte
	for _, v := range c {
		for _, s := range []string{v.Name, v.Value} {
			b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
			b = append(b, s...)
		}
	}
	return b
}

// Description is what may be shown of a root key: never material.
type Description struct {
	Driver    string    // file, awskms or vault
	Key       string    // the key's name: an id, an ARN, a path
	Version   int       // the version Wrap uses, from 1; 0 where the service does not say
	Created   time.Time // of the key, or of its version; zero where the service does not say
	Destroyed bool      // nothing can be unwrapped, now or ever
}
