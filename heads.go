package indelible

import (
	"crypto/sha256"
	"encoding/binary"
)

// RowSize is the size of an encoded row in bytes.
const RowSize = 80

// Row is a tenant's line in the heads table: where its latest leaf is.
type Row struct {
	TenantNo  uint64 `json:"tenant_no"`
	TenantSeq uint64 `json:"tenant_seq"`
	Leaf      Hash   `json:"leaf_hash"`        // of the tenant's latest leaf
	Tenant    Hash   `json:"tenant_leaf_hash"` // of its tenant leaf
}

// AppendTo appends the 80 bytes of the row.
func (r *Row) AppendTo(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, r.TenantNo)
	dst = binary.BigEndian.AppendUint64(dst, r.TenantSeq)
	dst = append(dst, r.Leaf[:]...)
	return append(dst, r.Tenant[:]...)
}

// DecodeRow reads a row from exactly RowSize bytes.
func DecodeRow(b []byte) (r Row) {
	r.TenantNo = binary.BigEndian.Uint64(b)
	r.TenantSeq = binary.BigEndian.Uint64(b[8:])
	copy(r.Leaf[:], b[16:])
	copy(r.Tenant[:], b[48:])
	return r
}

// Hash is the row's hash as a leaf of the heads tree: SHA-256(0x02 ‖ row).
func (r *Row) Hash() Hash {
	var buf [1 + RowSize]byte
	buf[0] = 2
	r.AppendTo(buf[:1])
	return sha256.Sum256(buf[:])
}

// RowNodeHash is an inner node of the heads tree: SHA-256(0x03 ‖ left ‖ right).
func RowNodeHash(left, right Hash) Hash {
	var buf [1 + 2*HashSize]byte
	buf[0] = 3
	copy(buf[1:], left[:])
	copy(buf[1+HashSize:], right[:])
	return sha256.Sum256(buf[:])
}
