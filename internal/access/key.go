// Package access says who is asking, for which tenants, and what they may do; and
// it records that they asked.
package access

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"strings"
)

// KeyPrefix begins every API key: secret scanners look for it, and it tells keys
// from other bearer tokens.
const KeyPrefix = "ind_"

// An API key is ind_<id>_<secret><crc>: an id of 8 random bytes, a secret of 32
// and the CRC-32 of all before it, each in base32, lower case, without padding.
const (
	idLength     = 13
	secretLength = 52
	crcLength    = 7
	keyLength    = len(KeyPrefix) + idLength + len("_") + secretLength + crcLength
)

var base32Lower = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// ErrNoKey: what was given is not an API key: mistyped, cut short, or something else.
var ErrNoKey = errors.New("not an API key")

// newKey draws a key. The caller stores its id and the hash, and shows key once.
func newKey() (key, id string, hash [32]byte) {
	var b [8 + 32]byte
	rand.Read(b[:])
	id = base32Lower.EncodeToString(b[:8])
	key = KeyPrefix + id + "_" + base32Lower.EncodeToString(b[8:])
	key += checksum(key)
	return key, id, sha256.Sum256([]byte(key))
}

func checksum(s string) string {
	return base32Lower.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(s))))
}

// parseKey reads a key as it is presented: which it is, and the hash to compare.
func parseKey(key string) (id string, hash [32]byte, err error) {
	if len(key) != keyLength || !strings.HasPrefix(key, KeyPrefix) || key[len(KeyPrefix)+idLength] != '_' {
		return "", hash, ErrNoKey
	}
	// Every character counts: a letter that leaves bits unused would let
	// several texts stand for one key.
	body, crc := key[:keyLength-crcLength], key[keyLength-crcLength:]
	id = key[len(KeyPrefix) : len(KeyPrefix)+idLength]
	secret := body[len(body)-secretLength:]
	for _, part := range []string{id, secret} {
		b, err := base32Lower.DecodeString(part)
		if err != nil || base32Lower.EncodeToString(b) != part {
			return "", hash, ErrNoKey
		}
	}
	if checksum(body) != crc {
		return "", hash, ErrNoKey
	}
	return id, sha256.Sum256([]byte(key)), nil
}

func sameHash(a, b *[32]byte) bool { return subtle.ConstantTimeCompare(a[:], b[:]) == 1 }
