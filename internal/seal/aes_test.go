package seal

import (
	"crypto/aes"
	"crypto/cipher"

	"indelible"
)

// aesBlock encrypts one block.
func aesBlock(key, in []byte) (out [16]byte) {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	block.Encrypt(out[:], in)
	return out
}

// gcm is the cipher of a part without its commitment.
func gcm(keys *indelible.PartKeys) cipher.AEAD {
	block, err := aes.NewCipher(keys[:32])
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return aead
}
