package sealtest

import (
	"crypto/aes"
	"crypto/cipher"
)

func aead(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	a, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	return a
}

func sealWith(key, plain, bound []byte) []byte { return aead(key).Seal(nil, nil, plain, bound) }

func openWith(key, sealed, bound []byte) ([]byte, error) {
	return aead(key).Open(nil, nil, sealed, bound)
}
