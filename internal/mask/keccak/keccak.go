// Package keccak has the hash that checksums of Ethereum addresses are made
// with (EIP-55): Keccak-256 as it was before it became SHA-3.
package keccak

import "golang.org/x/crypto/sha3"

// Sum256 is the hash of b.
func Sum256(b []byte) (sum [32]byte) {
	h := sha3.NewLegacyKeccak256()
	h.Write(b)
	h.Sum(sum[:0])
	return sum
}
