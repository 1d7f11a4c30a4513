package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"indelible"
)

// A descriptor names the tenant of a journal record to who has its names key:
// prefix, key id, nonce, ciphertext. See docs/format.md, Journal.
const (
	descriptorMagic = "INTD"
	descriptorFixed = 6 + 16 + 12
)

// AppendDescriptor appends a sealed descriptor.
func AppendDescriptor(dst []byte, origin string, key *DataKey, content []byte) []byte {
	var nonce [12]byte
	rand.Read(nonce[:])
	return appendDescriptor(dst, origin, key, nonce, content)
}

func appendDescriptor(dst []byte, origin string, key *DataKey, nonce [12]byte, content []byte) []byte {
	begin := len(dst)
	dst = indelible.AppendPrefix(dst, descriptorMagic)
	dst = append(dst, key.ID[:]...)
	aad := descriptorAAD(origin, dst[begin:])
	dst = append(dst, nonce[:]...)
	return descriptorAEAD(key).Seal(dst, nonce[:], content, aad)
}

// DescriptorKey says which key a descriptor is sealed under.
func DescriptorKey(b []byte) (id indelible.ID, err error) {
	if err := indelible.CheckPrefix("tenant descriptor", descriptorMagic, b); err != nil {
		return id, err
	}
	if len(b) < descriptorFixed {
		return id, errors.New("tenant descriptor is cut short")
	}
	return indelible.ID(b[6:22]), nil
}

// OpenDescriptor opens a descriptor under the key DescriptorKey named.
func OpenDescriptor(b []byte, origin string, key *DataKey) ([]byte, error) {
	if len(b) < descriptorFixed {
		return nil, errors.New("tenant descriptor is cut short")
	}
	content, err := descriptorAEAD(key).Open(nil, b[22:34], b[34:], descriptorAAD(origin, b[:22]))
	if err != nil {
		return nil, fmt.Errorf("tenant descriptor: %w", &WrongKeyError{Key: key.ID, Err: indelible.ErrWrongKey})
	}
	return content, nil
}

func descriptorAEAD(key *DataKey) cipher.AEAD {
	k, err := hkdf.Key(sha256.New, key.Key[:], nil, "indelible/v1 tenant descriptor", 32)
	if err != nil {
		panic(err) // only for lengths HKDF cannot give
	}
	block, err := aes.NewCipher(k)
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return aead
}

func descriptorAAD(origin string, head []byte) []byte {
	aad := binary.BigEndian.AppendUint16(nil, uint16(len(origin)))
	return append(append(aad, origin...), head...)
}
