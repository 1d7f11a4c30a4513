package keyfile

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"

	"indelible/internal/seal"
)

// A wrapping is
//
//	1 ‖ u32 version of the root key ‖ salt (32) ‖ commitment (32) ‖ AES-256-GCM(key)
//
// HKDF-SHA-256(root key, salt, label ‖ id ‖ context) gives a one-use key and
// the commitment: AES-GCM alone would let one text open under two keys.
const (
	wrapVersion = 1
	saltAt      = 5
	commitAt    = saltAt + 32
	sealedAt    = commitAt + 32
	tag         = 16
	wrapLabel   = "indelible/v1 key file\x00"
)

func wrap(v *version, id string, key []byte, kc seal.Context) []byte {
	b := make([]byte, sealedAt, sealedAt+len(key)+tag)
	b[0] = wrapVersion
	binary.BigEndian.PutUint32(b[1:], v.Version)
	rand.Read(b[saltAt:commitAt])
	aead, commitment := derive(v, id, b[saltAt:commitAt], kc)
	copy(b[commitAt:], commitment)
	return aead.Seal(b, make([]byte, aead.NonceSize()), key, nil)
}

func unwrap(v *version, id string, b []byte, kc seal.Context) ([]byte, error) {
	aead, commitment := derive(v, id, b[saltAt:commitAt], kc)
	if subtle.ConstantTimeCompare(commitment, b[commitAt:sealedAt]) == 0 {
		return nil, fmt.Errorf("%w: wrapped by another key or for another purpose", seal.ErrDenied)
	}
	key, err := aead.Open(nil, make([]byte, aead.NonceSize()), b[sealedAt:], nil)
	if err != nil {
		return nil, fmt.Errorf("%w: the wrapped key was changed", seal.ErrDenied)
	}
	return key, nil
}

func versionOf(b []byte) (uint32, error) {
	if len(b) <= sealedAt+tag || len(b) > sealedAt+seal.MaxKey+tag || b[0] != wrapVersion {
		return 0, fmt.Errorf("%w: not a key wrapped by a key file", seal.ErrDenied)
	}
	return binary.BigEndian.Uint32(b[1:]), nil
}

// derive makes the one-use key, whose nonce is therefore zero, and the commitment.
func derive(v *version, id string, salt []byte, kc seal.Context) (cipher.AEAD, []byte) {
	out, err := hkdf.Key(sha256.New, v.Key, salt, wrapLabel+id+string(kc.Encoded()), 64)
	if err != nil {
		panic(errors.Join(errors.New("HKDF of 64 bytes"), err))
	}
	block, err := aes.NewCipher(out[:32])
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return aead, out[32:]
}
