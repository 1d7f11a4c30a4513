package journal

import (
	"encoding/binary"
	"fmt"

	"indelible"
)

const (
	recordFixed = 4 + 16 + 16 + indelible.HashSize + 4
	minRecord   = recordFixed

	// MaxRecord is the largest encoded record in bytes: the largest payload
	// with room for the tenant descriptor beside it.
	MaxRecord = indelible.MaxPayload + 64<<10

	// maxBody is the largest group body in bytes.
	maxBody = 4 << 20
)

// Record is a sealed event on its way to the log. The journal reads none of it.
type Record struct {
	TenantRef   indelible.Ref
	EventRef    indelible.Ref
	PayloadHash indelible.Hash
	Tenant      []byte // descriptor: the tenant id, sealed
	Payload     []byte
}

func (r *Record) size() int { return recordFixed + len(r.Tenant) + len(r.Payload) }

func (r *Record) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(r.size()-4))
	b = append(b, r.TenantRef[:]...)
	b = append(b, r.EventRef[:]...)
	b = append(b, r.PayloadHash[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(r.Tenant)))
	b = append(b, r.Tenant...)
	return append(b, r.Payload...)
}

// recordLength is the length of the record b begins with, which was encoded here.
func recordLength(b []byte) int { return 4 + int(binary.BigEndian.Uint32(b)) }

// decodeRecord reads the record b begins with into r, whose slices point into
// b, and returns what follows it.
func decodeRecord(r *Record, b []byte) ([]byte, error) {
	if len(b) < recordFixed {
		return nil, badBytes("record is cut short")
	}
	n := uint64(binary.BigEndian.Uint32(b)) + 4
	tenant := uint64(binary.BigEndian.Uint32(b[68:]))
	if n < recordFixed || n > uint64(len(b)) || n > MaxRecord || tenant > n-recordFixed {
		return nil, badBytes(fmt.Sprintf("record of %d bytes with a tenant of %d does not fit", n, tenant))
	}
	copy(r.TenantRef[:], b[4:])
	copy(r.EventRef[:], b[20:])
	copy(r.PayloadHash[:], b[36:])
	split := recordFixed + tenant
	r.Tenant = b[recordFixed:split:split]
	r.Payload = b[split:n:n]
	return b[n:], nil
}

// decodeRecords reads the records of a group.
func decodeRecords(body []byte, count uint32) (records []Record, err error) {
	records = make([]Record, count)
	for i := range records {
		if body, err = decodeRecord(&records[i], body); err != nil {
			return nil, err
		}
	}
	if len(body) != 0 {
		return nil, badBytes(fmt.Sprintf("%d bytes left over after the last record", len(body)))
	}
	return records, nil
}

// decodeBody reads the records of a group, and the tree over them.
func decodeBody(body []byte, count uint32) ([]Record, *tree, error) {
	records, err := decodeRecords(body, count)
	if err != nil {
		return nil, nil, err
	}
	t := newTree(int(count))
	h, at := new(hasher), -1
	t.leaves(h, func() (indelible.Ref, indelible.Hash) {
		at++
		return records[at].EventRef, records[at].PayloadHash
	})
	t.build(h)
	return records, t, nil
}
