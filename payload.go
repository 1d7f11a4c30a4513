package indelible

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

const (
	// PayloadMagic is what a payload header begins with.
	PayloadMagic = "INPH"

	maxParts         = 9
	maxPayloadHeader = 4 << 10

	// MaxPayload is the largest encoded payload in bytes.
	MaxPayload = 2 << 20
)

// Part types, algorithms and compressions (docs/format.md, Payload).
const (
	PartTenant  = 0
	PartSubject = 1

	AlgNone        = 0
	AlgAESGCMNonce = 1 // with a nonce of its own; read, and written no more
	AlgAESGCM      = 2

	CompressNone = 0
	CompressZstd = 1
)

// ErrCriticalField: a structure carries a critical extension field we do not know.
var ErrCriticalField = errors.New("critical extension field unknown to this version")

// Part is one part of a payload.
type Part struct {
	Type, Alg, Compression byte
	KeyID                  []byte // 0 or 16 bytes
	Commitment             Hash   // when Alg is not AlgNone
	Length                 int    // stored bytes
	Data                   []byte // nil when withheld
	Withheld               Hash   // what stands in for Data then
}

// Hash is the hash of the part as it enters the payload hash.
func (p *Part) Hash() Hash {
	if p.Data == nil {
		return p.Withheld
	}
	return sha256.Sum256(p.Data)
}

// Payload is the decoded form of what lies beside a leaf.
type Payload struct {
	Salt   [32]byte
	Parts  []Part
	header []byte
}

// AppendPayload appends the encoding of a payload whose parts are not
// encrypted: the first is the tenant (or system) part, others subject parts.
func AppendPayload(dst []byte, salt *[32]byte, parts ...[]byte) []byte {
	header := 40 + 8*len(parts) + 2
	dst = binary.BigEndian.AppendUint32(dst, uint32(header))
	dst = AppendPrefix(dst, PayloadMagic)
	dst = append(dst, byte(len(parts)), 0)
	dst = append(dst, salt[:]...)
	for i, p := range parts {
		typ := byte(PartSubject)
		if i == 0 {
			typ = PartTenant
		}
		dst = append(dst, typ, AlgNone, CompressNone, 0)
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(p)))
	}
	dst = append(dst, 0, 0)
	for _, p := range parts {
		dst = append(dst, p...)
	}
	return dst
}

// DecodePayload reads an encoded payload. The parts are slices of b.
func DecodePayload(b []byte) (*Payload, error) {
	if len(b) > MaxPayload {
		return nil, fmt.Errorf("payload: %d bytes, limit %d", len(b), MaxPayload)
	}
	if len(b) < 4 {
		return nil, errors.New("payload: shorter than its header length")
	}
	n := binary.BigEndian.Uint32(b)
	if n > maxPayloadHeader || int(n) > len(b)-4 {
		return nil, fmt.Errorf("payload: header of %d bytes does not fit", n)
	}
	p, err := DecodePayloadHeader(b[4 : 4+n])
	if err != nil {
		return nil, err
	}
	rest := b[4+n:]
	for i := range p.Parts {
		part := &p.Parts[i]
		if part.Length > len(rest) {
			return nil, fmt.Errorf("payload: part %d is cut short", i)
		}
		part.Data, rest = rest[:part.Length:part.Length], rest[part.Length:]
	}
	if len(rest) != 0 {
		return nil, fmt.Errorf("payload: %d bytes left over", len(rest))
	}
	return p, nil
}

// DecodePayloadHeader reads a payload's header; the parts' data and hashes are
// for the caller to fill in.
func DecodePayloadHeader(h []byte) (*Payload, error) {
	if err := checkPrefix("payload", PayloadMagic, h); err != nil {
		return nil, err
	}
	if len(h) > maxPayloadHeader || len(h) < 42 {
		return nil, fmt.Errorf("payload: header of %d bytes", len(h))
	}
	count := int(h[6])
	if count < 1 || count > maxParts || h[7] != 0 {
		return nil, fmt.Errorf("payload: %d parts, reserved byte %d", count, h[7])
	}
	p := &Payload{Parts: make([]Part, count), header: h}
	copy(p.Salt[:], h[8:])
	b := h[40:]
	for i := range p.Parts {
		part := &p.Parts[i]
		if len(b) < 8 {
			return nil, errors.New("payload: header is cut short")
		}
		part.Type, part.Alg, part.Compression = b[0], b[1], b[2]
		keyLen := int(b[3])
		part.Length = int(binary.BigEndian.Uint32(b[4:]))
		b = b[8:]
		if (part.Type == PartTenant) != (i == 0) || part.Type > PartSubject {
			return nil, fmt.Errorf("payload: part %d has type %d", i, part.Type)
		}
		if part.Alg > AlgAESGCM || part.Compression > CompressZstd || (keyLen != 0 && keyLen != 16) || part.Length > MaxPayload {
			return nil, fmt.Errorf("payload: part %d: unknown algorithm %d, compression %d, key id of %d or length %d", i, part.Alg, part.Compression, keyLen, part.Length)
		}
		if (keyLen != 0) != (part.Alg != AlgNone && i == 0) || part.Alg == AlgNone && part.Compression != CompressNone {
			return nil, fmt.Errorf("payload: part %d: key id of %d bytes, algorithm %d, compression %d", i, keyLen, part.Alg, part.Compression)
		}
		if part.Alg != AlgNone {
			if len(b) < HashSize {
				return nil, errors.New("payload: header is cut short")
			}
			copy(part.Commitment[:], b)
			b = b[HashSize:]
		}
		if len(b) < keyLen {
			return nil, errors.New("payload: header is cut short")
		}
		part.KeyID, b = b[:keyLen], b[keyLen:]
	}
	if err := CheckExtensions("payload", b); err != nil {
		return nil, err
	}
	return p, nil
}

// Header returns the encoded header.
func (p *Payload) Header() []byte { return p.header }

// Hash is the payload hash a leaf commits to, from the header and the parts' hashes.
func (p *Payload) Hash() Hash {
	buf := append(make([]byte, 0, 5+len(p.header)+len(p.Parts)*HashSize), formatVersion)
	buf = binary.BigEndian.AppendUint32(buf, uint32(len(p.header)))
	buf = append(buf, p.header...)
	for i := range p.Parts {
		h := p.Parts[i].Hash()
		buf = append(buf, h[:]...)
	}
	return sha256.Sum256(buf)
}

// HashPayload computes the payload hash from the encoding. It checks no more
// than it needs; DecodePayload says whether the payload is well formed.
func HashPayload(b []byte) (Hash, error) {
	var room [256]byte
	var few [2][]byte
	message, parts, err := PayloadMessage(b, room[:0], few[:0])
	if err != nil {
		return Hash{}, err
	}
	for _, part := range parts {
		sum := sha256.Sum256(part)
		message = append(message, sum[:]...)
	}
	return sha256.Sum256(message), nil
}

// PayloadMessage is for hashing payloads in numbers. It appends what a payload
// hash is of to message, but for the hashes of the parts, which come behind it;
// and it appends the parts to parts. It checks what HashPayload does.
func PayloadMessage(b, message []byte, parts [][]byte) ([]byte, [][]byte, error) {
	if len(b) < 4+42 {
		return message, parts, errPayloadLengths
	}
	n := int(binary.BigEndian.Uint32(b))
	if n > maxPayloadHeader || n < 42 || n > len(b)-4 {
		return message, parts, errPayloadLengths
	}
	header, rest := b[4:4+n], b[4+n:]
	at := header[40:]
	for range header[6] {
		if len(at) < 8 {
			return message, parts, errPayloadLengths
		}
		size := int(binary.BigEndian.Uint32(at[4:]))
		skip := 8 + int(at[3])
		if at[1] != AlgNone {
			skip += HashSize
		}
		if skip > len(at) || size > len(rest) {
			return message, parts, errPayloadLengths
		}
		parts = append(parts, rest[:size])
		at, rest = at[skip:], rest[size:]
	}
	if len(rest) != 0 {
		return message, parts, errPayloadLengths
	}
	return append(append(message, formatVersion), b[:4+n]...), parts, nil
}

// PlainParts appends the contents of a payload's parts to parts, without
// copying or hashing them. A part that is encrypted or compressed is an error.
func PlainParts(b []byte, parts [][]byte) ([][]byte, error) {
	if len(b) < 4+42 {
		return nil, errPayloadLengths
	}
	n := int(binary.BigEndian.Uint32(b))
	if n > maxPayloadHeader || n < 42 || n > len(b)-4 {
		return nil, errPayloadLengths
	}
	if err := checkPrefix("payload", PayloadMagic, b[4:4+n]); err != nil {
		return nil, err
	}
	at, rest := b[44:4+n], b[4+n:]
	for i := range int(b[10]) {
		if len(at) < 8 {
			return nil, errPayloadLengths
		}
		if at[1] != AlgNone || at[2] != CompressNone || at[3] != 0 {
			return nil, fmt.Errorf("payload: part %d: %w", i, ErrSealed)
		}
		size := int(binary.BigEndian.Uint32(at[4:]))
		if size > len(rest) {
			return nil, errPayloadLengths
		}
		parts = append(parts, rest[:size:size])
		at, rest = at[8:], rest[size:]
	}
	if len(rest) != 0 {
		return nil, errPayloadLengths
	}
	return parts, nil
}

var errPayloadLengths = errors.New("payload: lengths do not add up")

// ErrSealed: a part is encrypted and no key for it is here.
var ErrSealed = errors.New("encrypted, and no key for it is here")

// ErrErased: the key a part was sealed under is destroyed, for good.
var ErrErased = errors.New("erased")

// CheckExtensions reads the extension fields at the end of a header: u16 total
// length, then u16 type, u16 length, value, by rising type. Version 1 knows
// none; unknown ones are skipped unless they are critical.
func CheckExtensions(what string, b []byte) error {
	if len(b) < 2 || int(binary.BigEndian.Uint16(b)) != len(b)-2 {
		return fmt.Errorf("%s: extension fields do not end the header", what)
	}
	last := -1
	for b = b[2:]; len(b) > 0; {
		if len(b) < 4 || int(binary.BigEndian.Uint16(b[2:])) > len(b)-4 {
			return fmt.Errorf("%s: extension field is cut short", what)
		}
		typ := int(binary.BigEndian.Uint16(b))
		if typ <= last {
			return fmt.Errorf("%s: extension fields out of order", what)
		}
		if typ&0x8000 != 0 {
			return fmt.Errorf("%s: field %#04x: %w", what, typ, ErrCriticalField)
		}
		last = typ
		b = b[4+int(binary.BigEndian.Uint16(b[2:])):]
	}
	return nil
}
