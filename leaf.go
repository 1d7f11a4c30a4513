package indelible

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// LeafSize is the size of an encoded leaf in bytes.
const LeafSize = 152

const leafMagic = "INLF"

// Leaf is what the Merkle tree commits to. It holds nothing a caller chose in
// the clear and never goes away.
type Leaf struct {
	Kind      Kind
	Time      int64 // commit time of its segment, ms
	Segment   uint64
	EventRef  Ref
	TenantNo  uint64
	TenantSeq uint64
	Previous  Hash // leaf hash of the tenant's previous leaf
	Payload   Hash
}

// AppendTo appends the 152 bytes of the leaf.
func (l *Leaf) AppendTo(dst []byte) []byte {
	dst = append(dst, leafMagic...)
	dst = append(dst, formatVersion, suite1)
	dst = binary.BigEndian.AppendUint16(dst, uint16(l.Kind))
	dst = binary.BigEndian.AppendUint64(dst, uint64(l.Time))
	dst = binary.BigEndian.AppendUint64(dst, l.Segment)
	dst = append(dst, l.EventRef[:]...)
	dst = binary.BigEndian.AppendUint64(dst, l.TenantNo)
	dst = binary.BigEndian.AppendUint64(dst, l.TenantSeq)
	dst = append(dst, l.Previous[:]...)
	dst = append(dst, l.Payload[:]...)
	var reserved [32]byte
	return append(dst, reserved[:]...)
}

var zero32 [32]byte

// Decode reads a leaf from exactly LeafSize bytes.
func (l *Leaf) Decode(b []byte) error {
	if len(b) != LeafSize {
		return fmt.Errorf("leaf: %d bytes, want %d", len(b), LeafSize)
	}
	if err := checkPrefix("leaf", leafMagic, b); err != nil {
		return err
	}
	l.Kind = Kind(binary.BigEndian.Uint16(b[6:]))
	l.Time = int64(binary.BigEndian.Uint64(b[8:]))
	l.Segment = binary.BigEndian.Uint64(b[16:])
	copy(l.EventRef[:], b[24:])
	l.TenantNo = binary.BigEndian.Uint64(b[40:])
	l.TenantSeq = binary.BigEndian.Uint64(b[48:])
	copy(l.Previous[:], b[56:])
	copy(l.Payload[:], b[88:])
	if !bytes.Equal(b[120:], zero32[:]) {
		return fmt.Errorf("leaf: reserved bytes are not zero")
	}
	if l.Time < 0 {
		return fmt.Errorf("leaf: time out of range")
	}
	return nil
}

// LeafPayload is the payload hash in an encoded leaf, which need not be sound
// otherwise.
func LeafPayload(leaf []byte) Hash { return Hash(leaf[88:120]) }

// LeafHash is the RFC 6962 hash of an encoded leaf: SHA-256(0x00 ‖ leaf).
func LeafHash(leaf []byte) Hash {
	var buf [1 + LeafSize]byte
	n := copy(buf[1:], leaf)
	if n != len(leaf) {
		return sha256.Sum256(append([]byte{0}, leaf...))
	}
	return sha256.Sum256(buf[:1+n])
}
