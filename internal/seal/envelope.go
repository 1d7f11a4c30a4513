package seal

import (
	"crypto/rand"
	"encoding/binary"

	"indelible"
)

// Part is one part to be encrypted: its content, a JSON object, and the data key
// it is sealed under. The header names the key of the first part, the tenant
// part; that one names those of the others.
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
	var salt [32]byte
	rand.Read(salt[:])
	return appendPayload(dst, origin, &salt, parts)
}

// A description is what the header says of a part, without the key id.
const description = 8 + indelible.HashSize

func appendPayload(dst []byte, origin string, salt *[32]byte, parts []Part) []byte {
	var keys [maxParts]indelible.PartKeys
	header := 40 + len(parts)*description + len(indelible.ID{}) + 2
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
		dst = binary.BigEndian.AppendUint32(dst, uint32(sealedLength(parts, i)))
		dst = append(dst, make([]byte, indelible.HashSize)...) // the commitment, below
		dst = append(dst, p.Key.ID[:idSize]...)
	}
	dst = append(dst, 0, 0)

	// Contents are written where they are to be encrypted, each with room for its
	// tag, and committed to there.
	end := len(dst)
	at := begin + 40 + 8
	for i := range parts {
		from := len(dst)
		if i == 0 {
			for _, p := range parts[1:] {
				dst = append(dst, p.Key.ID[:]...)
			}
		}
		dst = append(dst, parts[i].Content...)
		commitment := keys[i].Commitment(dst[from:])
		copy(dst[at:], commitment[:])
		at += description
		if i == 0 {
			at += len(indelible.ID{})
		}
		dst = append(dst, make([]byte, from+sealedLength(parts, i)-len(dst))...)
	}
	binding := indelible.PartBinding(origin, dst[begin:end])
	from := end
	for i := range parts {
		aad := indelible.PartAAD(&binding, i)
		to := from + sealedLength(parts, i)
		keys[i].Encrypt(dst[from:to-indelible.SealedTag], aad[:])
		from = to
	}
	return dst
}

// sealedLength is the stored length of part i.
func sealedLength(parts []Part, i int) int {
	n := len(parts[i].Content)
	if i == 0 {
		n += (len(parts) - 1) * len(indelible.ID{})
	}
	return indelible.PaddedLength(n) + indelible.SealedTag
}

// PayloadLength is the length of the sealed payload of these parts.
func PayloadLength(parts ...Part) int {
	n := 4 + 40 + len(indelible.ID{}) + 2
	for i := range parts {
		n += description + sealedLength(parts, i)
	}
	return n
}
