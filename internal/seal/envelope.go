package seal

import (
	"crypto/rand"
	"encoding/binary"

	"indelible"
)

// Part is one part to be encrypted: its content and the data key it is sealed
// under. Of the first part the header names the key, of others it does not.
type Part struct {
	Content []byte
	Key     *DataKey
}

// maxParts is how many parts a payload can have.
const maxParts = 9

// AppendPayload appends the encoding of a payload whose parts are encrypted,
// each under keys of its own that are used this once. See docs/format.md,
// Sealed payload.
func AppendPayload(dst []byte, origin string, parts ...Part) []byte {
	var random [32 + maxParts*indelible.SealedNonce]byte
	rand.Read(random[:32+len(parts)*indelible.SealedNonce])
	return appendPayload(dst, origin, random[:], parts)
}

// appendPayload takes its randomness: the salt, then a nonce for each part.
func appendPayload(dst []byte, origin string, random []byte, parts []Part) []byte {
	salt, nonces := (*[32]byte)(random), random[32:]
	var keys [maxParts]indelible.PartKeys
	header := 40 + len(parts)*(8+indelible.HashSize) + len(indelible.ID{}) + 2
	dst = binary.BigEndian.AppendUint32(dst, uint32(header))
	begin := len(dst)
	dst = indelible.AppendPrefix(dst, indelible.PayloadMagic)
	dst = append(dst, byte(len(parts)), 0)
	dst = append(dst, salt[:]...)
	for i := range parts {
		p := &parts[i]
		keys[i] = indelible.DerivePartKeys(&p.Key.Key, salt, origin, i)
		typ, idSize := byte(indelible.PartSubject), 0
		if i == 0 {
			typ, idSize = indelible.PartTenant, len(p.Key.ID)
		}
		dst = append(dst, typ, indelible.AlgAESGCM, indelible.CompressNone, byte(idSize))
		dst = binary.BigEndian.AppendUint32(dst, uint32(sealedLength(len(p.Content))))
		commitment := keys[i].Commitment(p.Content)
		dst = append(dst, commitment[:]...)
		dst = append(dst, p.Key.ID[:idSize]...)
	}
	dst = append(dst, 0, 0)
	binding := indelible.PartBinding(origin, dst[begin:])
	for i := range parts {
		nonce := nonces[i*indelible.SealedNonce:][:indelible.SealedNonce]
		aad := indelible.PartAAD(&binding, i)
		dst = append(dst, nonce...)
		at := len(dst)
		dst = indelible.AppendPadded(dst, parts[i].Content)
		dst = keys[i].AEAD().Seal(dst[:at], nonce, dst[at:], aad[:])
	}
	return dst
}

// sealedLength is the stored length of a part with n bytes of content.
func sealedLength(n int) int {
	return indelible.SealedNonce + indelible.PaddedLength(n) + indelible.SealedTag
}

// PayloadLength is the length of a sealed payload with parts of these lengths.
func PayloadLength(contents ...[]byte) int {
	n := 4 + 40 + len(indelible.ID{}) + 2
	for _, c := range contents {
		n += 8 + indelible.HashSize + sealedLength(len(c))
	}
	return n
}
