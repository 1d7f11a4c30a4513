package ledger

import (
	"errors"

	"indelible"
)

// ErrKeysAway: the keys cannot be had at the moment. The committer waits for them
// as it waits for the store.
var ErrKeysAway = errors.New("the keys cannot be reached")

// A Sealer opens what the committer must see of a record and seals the
// payloads of tenant leaves. Everything else about keys is not the ledger's. What
// it is given it neither changes nor keeps, nor anything that points into it: the
// buffers that descriptors and payloads stand in are used again once the segment
// is committed.
type Sealer interface {
	// OpenDescriptor opens the tenant descriptor of a journal record.
	OpenDescriptor(descriptor []byte) (tenantID string, salt [32]byte, err error)
	// SealTenant and OpenTenant make and read the payload of a tenant leaf.
	SealTenant(indelible.Tenant) ([]byte, error)
	OpenTenant(payload []byte) (indelible.Tenant, error)
	// EventID reads the id out of an event's payload.
	EventID(payload []byte) (string, error)
	// SameEvent reports whether two payloads hold the same event.
	SameEvent(a, b []byte) (bool, error)
}
