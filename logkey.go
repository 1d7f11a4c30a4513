package indelible

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// ParseVerifierKey reads a C2SP signed-note verifier key of an Ed25519 log key:
// the origin of the log and its public key.
func ParseVerifierKey(vkey string) (origin string, key PublicKey, err error) {
	v, err := note.NewVerifier(vkey)
	if err != nil {
		return "", key, fmt.Errorf("verifier key: %w", err)
	}
	_, rest, _ := strings.Cut(vkey, "+")
	_, encoded, _ := strings.Cut(rest, "+")
	b, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil || len(b) != 1+len(key) {
		return "", key, errors.New("verifier key: not an Ed25519 key")
	}
	copy(key[:], b[1:])
	return v.Name(), key, nil
}

// FormatVerifierKey writes the C2SP verifier key of a log.
func FormatVerifierKey(origin string, key PublicKey) (string, error) {
	return note.NewEd25519VerifierKey(origin, key[:])
}

// Rotate signs the hand-over from an old log key to a new one with both.
func Rotate(oldKey, newKey ed25519.PrivateKey, origin string, logID ID) (LogKey, error) {
	var r LogKey
	var from, to PublicKey
	copy(from[:], oldKey.Public().(ed25519.PublicKey))
	copy(to[:], newKey.Public().(ed25519.PublicKey))
	var err error
	if r.OldKey, err = FormatVerifierKey(origin, from); err != nil {
		return r, err
	}
	if r.NewKey, err = FormatVerifierKey(origin, to); err != nil {
		return r, err
	}
	m := rotationMessage(origin, logID, from, to)
	copy(r.OldSignature[:], ed25519.Sign(oldKey, m))
	copy(r.NewSignature[:], ed25519.Sign(newKey, m))
	return r, nil
}

// Verify checks that old is the log's key so far and both keys signed, and
// returns the new one.
func (r *LogKey) Verify(old PublicKey, origin string, logID ID) (PublicKey, error) {
	oldOrigin, from, err := ParseVerifierKey(r.OldKey)
	if err != nil {
		return PublicKey{}, err
	}
	newOrigin, to, err := ParseVerifierKey(r.NewKey)
	if err != nil {
		return PublicKey{}, err
	}
	m := rotationMessage(origin, logID, from, to)
	switch {
	case oldOrigin != origin || newOrigin != origin || from != old:
		return PublicKey{}, errors.New("rotation of another key")
	case !ed25519.Verify(from[:], m, r.OldSignature[:]), !ed25519.Verify(to[:], m, r.NewSignature[:]):
		return PublicKey{}, errors.New("rotation is not signed by both keys")
	}
	return to, nil
}

func rotationMessage(origin string, logID ID, from, to PublicKey) []byte {
	m := []byte("\xffindelible/v1/log-key\x00")
	m = binary.BigEndian.AppendUint16(m, uint16(len(origin)))
	m = append(m, origin...)
	m = append(m, logID[:]...)
	m = append(m, from[:]...)
	return append(m, to[:]...)
}
