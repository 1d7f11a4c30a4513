package indelible

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
)

// Sizes of what stands around the content of an encrypted part.
const (
	SealedNonce = 12 // before the ciphertext
	SealedTag   = 16 // after it
	sealedSize  = 4  // length of the content, the first bytes encrypted
)

// ErrWrongKey: a part does not open under the key that was tried, or what
// opened is not what its header commits to.
var ErrWrongKey = errors.New("does not open under this key")

// PartKeys are the keys of one encrypted part and of no other: the key it is
// encrypted with (32 bytes) and the key of its commitment (32 bytes). Evidence
// discloses them; nothing about other parts follows from them.
type PartKeys [64]byte

// DerivePartKeys derives the keys of part number i of a payload from its data
// key and the payload's salt: HKDF-SHA-256 (RFC 5869).
func DerivePartKeys(dataKey, salt *[32]byte, origin string, i int) (k PartKeys) {
	var room [192]byte
	info := append(room[:0], "indelible/v1 part\x00"...)
	info = appendOrigin(info, origin)
	info = append(info, byte(i))
	prk := keyedHash(salt, dataKey[:])
	var roomT [256]byte
	first := keyedHash((*[32]byte)(&prk), append(append(roomT[:0], info...), 1))
	second := keyedHash((*[32]byte)(&prk), append(append(append(roomT[:0], first[:]...), info...), 2))
	copy(k[:], first[:])
	copy(k[32:], second[:])
	return k
}

// Commitment is what a header says of a part's content: HMAC-SHA-256. AES-GCM
// does not commit to its key; this does.
func (k *PartKeys) Commitment(content []byte) Hash { return keyedHash((*[32]byte)(k[32:]), content) }

// AEAD is the cipher of the part.
func (k *PartKeys) AEAD() cipher.AEAD {
	block, err := aes.NewCipher(k[:32])
	if err != nil {
		panic(err) // only for other lengths
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return aead
}

// PartBinding is what all parts of a payload are bound to: the log and the
// whole header. Each part's additional data is this and the part's number.
func PartBinding(origin string, header []byte) Hash {
	var room [512]byte
	b := appendOrigin(room[:0], origin)
	return sha256.Sum256(append(b, header...))
}

// PartAAD is the additional data of part number i.
func PartAAD(binding *Hash, i int) (aad [HashSize + 1]byte) {
	copy(aad[:], binding[:])
	aad[HashSize] = byte(i)
	return aad
}

// PaddedLength is the length content of n bytes has before it is encrypted:
// four bytes for n, and padding to a Padmé bucket (PURBs, PETS 2019, 4.3), so
// that lengths say little: at most 12 % are added.
func PaddedLength(n int) int {
	l := uint(n + sealedSize)
	e := bits.Len(l) - 1
	last := uint(1)<<(e-bits.Len(uint(e))) - 1
	return int((l + last) &^ last)
}

// AppendPadded appends the padded form of content.
func AppendPadded(dst, content []byte) []byte {
	end := len(dst) + PaddedLength(len(content))
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(content)))
	dst = append(dst, content...)
	return append(dst, make([]byte, end-len(dst))...)
}

// unpadded is the content of a padded form.
func unpadded(b []byte) ([]byte, error) {
	if len(b) < sealedSize {
		return nil, errPadding
	}
	n := binary.BigEndian.Uint32(b)
	if uint64(n) > uint64(len(b)-sealedSize) || PaddedLength(int(n)) != len(b) {
		return nil, errPadding
	}
	content := b[sealedSize : sealedSize+int(n) : sealedSize+int(n)]
	for _, x := range b[sealedSize+int(n):] {
		if x != 0 {
			return nil, errPadding
		}
	}
	return content, nil
}

var errPadding = errors.New("padding is not what it must be")

// OpenPart decrypts part number i into room and checks what its header commits
// to. binding is PartBinding of the payload. Nothing is returned unless all of
// it holds.
func (p *Payload) OpenPart(room []byte, binding *Hash, i int, keys *PartKeys) ([]byte, error) {
	part := &p.Parts[i]
	if part.Alg != AlgAESGCM || part.Compression != CompressNone {
		return nil, fmt.Errorf("payload: part %d: algorithm %d, compression %d", i, part.Alg, part.Compression)
	}
	if len(part.Data) < SealedNonce+SealedTag {
		return nil, fmt.Errorf("payload: part %d is cut short", i)
	}
	aad := PartAAD(binding, i)
	padded, err := keys.AEAD().Open(room[:0], part.Data[:SealedNonce], part.Data[SealedNonce:], aad[:])
	if err != nil {
		return nil, fmt.Errorf("payload: part %d: %w", i, ErrWrongKey)
	}
	content, err := unpadded(padded)
	if err != nil {
		return nil, fmt.Errorf("payload: part %d: %w", i, err)
	}
	committed := keys.Commitment(content)
	if subtle.ConstantTimeCompare(committed[:], part.Commitment[:]) != 1 {
		return nil, fmt.Errorf("payload: part %d: it is not what its header commits to: %w", i, ErrWrongKey)
	}
	return content, nil
}

func appendOrigin(dst []byte, origin string) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(origin)))
	return append(dst, origin...)
}

// keyedHash is HMAC-SHA-256 (RFC 2104) under a key of 32 bytes. Short messages
// cost no allocation.
func keyedHash(key *[32]byte, message []byte) Hash {
	var room [sha256.BlockSize + 448]byte
	var outer [sha256.BlockSize + HashSize]byte
	for i := range sha256.BlockSize {
		var b byte
		if i < len(key) {
			b = key[i]
		}
		room[i], outer[i] = b^0x36, b^0x5c
	}
	var inner Hash
	if len(message) <= len(room)-sha256.BlockSize {
		inner = sha256.Sum256(room[:sha256.BlockSize+copy(room[sha256.BlockSize:], message)])
	} else {
		h := sha256.New()
		h.Write(room[:sha256.BlockSize])
		h.Write(message)
		h.Sum(inner[:0])
	}
	copy(outer[sha256.BlockSize:], inner[:])
	return sha256.Sum256(outer[:])
}
