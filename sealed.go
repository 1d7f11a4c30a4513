package indelible

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
)

// SealedTag is the size of what stands after the ciphertext of a part.
const SealedTag = 16

// sealedNonce is the nonce of every part: its key is used once.
var sealedNonce [12]byte

// Before a part of AlgAESGCMNonce stood its nonce, and before its content, the
// first bytes encrypted, the length of it.
const (
	olderNonce  = 12
	olderLength = 4
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
	prk := KeyedHash(salt, dataKey[:])
	var roomT [256]byte
	first := KeyedHash((*[32]byte)(&prk), append(append(roomT[:0], info...), 1))
	second := KeyedHash((*[32]byte)(&prk), append(append(append(roomT[:0], first[:]...), info...), 2))
	copy(k[:], first[:])
	copy(k[32:], second[:])
	return k
}

// Commitment is what a header says of a part's content: HMAC-SHA-256. AES-GCM
// does not commit to its key; this does.
func (k *PartKeys) Commitment(content []byte) Hash { return KeyedHash((*[32]byte)(k[32:]), content) }

// Encrypt encrypts b, padded content, in place and appends the tag. These keys
// must not encrypt anything else, ever: the nonce is always the same.
func (k *PartKeys) Encrypt(b []byte, aad []byte) []byte {
	return k.aead().Seal(b[:0], sealedNonce[:], b, aad)
}

func (k *PartKeys) aead() cipher.AEAD {
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

// PaddedLength is the length content of n bytes, at least one, is padded to
// before it is encrypted: a Padmé bucket (PURBs, PETS 2019, 4.3), so that lengths
// say little. At most 12 % are added.
func PaddedLength(n int) int {
	l := uint(n)
	e := bits.Len(l) - 1
	last := uint(1)<<(e-bits.Len(uint(e))) - 1
	return int((l + last) &^ last)
}

// unpadded is the content of a padded form. Content is JSON and does not end in
// a zero.
func unpadded(b []byte) ([]byte, error) {
	content := bytes.TrimRight(b, "\x00")
	if len(content) == 0 || PaddedLength(len(content)) != len(b) {
		return nil, errPadding
	}
	return content[:len(content):len(content)], nil
}

// olderUnpadded is the same for AlgAESGCMNonce.
func olderUnpadded(b []byte) ([]byte, error) {
	if len(b) < olderLength {
		return nil, errPadding
	}
	n := int64(binary.BigEndian.Uint32(b))
	if n > int64(len(b)-olderLength) || PaddedLength(olderLength+int(n)) != len(b) {
		return nil, errPadding
	}
	content, padding := b[olderLength:olderLength+n:olderLength+n], b[olderLength+n:]
	if len(bytes.TrimRight(padding, "\x00")) != 0 {
		return nil, errPadding
	}
	return content, nil
}

var errPadding = errors.New("padding is not what it must be")

// OpenPart decrypts part number i into room and checks what its header commits
// to. binding is PartBinding of the payload. Nothing is returned unless all of
// it holds. What a tenant part says of subject parts' keys is still in it:
// CutSubjectKeys.
func (p *Payload) OpenPart(room []byte, binding *Hash, i int, keys *PartKeys) ([]byte, error) {
	part := &p.Parts[i]
	nonce, data, unpad := sealedNonce[:], part.Data, unpadded
	if part.Alg == AlgAESGCMNonce && len(data) >= olderNonce {
		nonce, data, unpad = data[:olderNonce], data[olderNonce:], olderUnpadded
	}
	if part.Alg == AlgNone || part.Compression != CompressNone {
		return nil, fmt.Errorf("payload: part %d: algorithm %d, compression %d", i, part.Alg, part.Compression)
	}
	if len(data) < SealedTag {
		return nil, fmt.Errorf("payload: part %d is cut short", i)
	}
	aad := PartAAD(binding, i)
	padded, err := keys.aead().Open(room[:0], nonce, data, aad[:])
	if err != nil {
		return nil, fmt.Errorf("payload: part %d: %w", i, ErrWrongKey)
	}
	content, err := unpad(padded)
	if err != nil {
		return nil, fmt.Errorf("payload: part %d: %w", i, err)
	}
	committed := keys.Commitment(content)
	if subtle.ConstantTimeCompare(committed[:], part.Commitment[:]) != 1 {
		return nil, fmt.Errorf("payload: part %d: it is not what its header commits to: %w", i, ErrWrongKey)
	}
	return content, nil
}

// CutSubjectKeys takes the ids of the subject parts' keys out of what OpenPart
// gave for the tenant part, in place.
func (p *Payload) CutSubjectKeys(part []byte) (content []byte, ids []ID, err error) {
	n := len(p.Parts) - 1
	if n == 0 {
		return part, nil, nil
	}
	if p.Parts[0].Alg == AlgAESGCMNonce {
		return cutKeysMember(part, n)
	}
	if len(part) < n*len(ID{}) {
		return nil, nil, errNoSubjectKeys
	}
	ids = make([]ID, n)
	for i := range ids {
		part = part[copy(ids[i][:], part):]
	}
	return part, ids, nil
}

// keysMember begins the member that named the keys of the subject parts, in hex,
// in a tenant part of AlgAESGCMNonce. It stood last: no pointer comes after it.
const keysMember = `,"keys":["`

func cutKeysMember(part []byte, n int) (content []byte, ids []ID, err error) {
	at := len(part) - len(keysMember) - n*2*len(ID{}) - (n-1)*len(`","`) - len(`"]}`)
	if at < 1 || !bytes.HasPrefix(part[at:], []byte(keysMember)) || !bytes.HasSuffix(part, []byte(`"]}`)) {
		return nil, nil, errNoSubjectKeys
	}
	ids = make([]ID, n)
	for i := range ids {
		from := at + len(keysMember) + i*(2*len(ID{})+len(`","`))
		if err := ids[i].UnmarshalText(part[from : from+2*len(ID{})]); err != nil {
			return nil, nil, fmt.Errorf("the key of subject part %d: %w", i+1, err)
		}
	}
	part[at] = '}'
	return part[:at+1], ids, nil
}

var errNoSubjectKeys = errors.New("the tenant part does not name the keys of the subject parts")

func appendOrigin(dst []byte, origin string) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(origin)))
	return append(dst, origin...)
}

// KeyedHash is HMAC-SHA-256 (RFC 2104) under a key of 32 bytes, for messages that
// are mostly short: those cost no allocation.
func KeyedHash(key *[32]byte, message []byte) Hash {
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
