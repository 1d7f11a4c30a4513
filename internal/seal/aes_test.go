package seal

import "crypto/aes"

// aesBlock encrypts one block.
func aesBlock(key, in []byte) (out [16]byte) {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	block.Encrypt(out[:], in)
	return out
}
