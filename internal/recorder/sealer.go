package recorder

import (
	"context"
	"encoding/json"

	"indelible"
	"indelible/internal/ledger"
)

// A Sealer makes payloads of events and reads them: Plain leaves them readable,
// Sealed encrypts them.
type Sealer interface {
	ledger.Sealer
	ledger.Opener

	// SealDescriptor makes the tenant descriptor of a journal record.
	SealDescriptor(tenantID string, salt [32]byte) ([]byte, error)
	// Seal makes the payload of an event. What it returns besides is for
	// Durable, which has to succeed before the payload counts.
	Seal(ctx context.Context, tenant *ledger.TenantKeys, e *indelible.Event) (payload []byte, made uint64, err error)
	Durable(ctx context.Context, made uint64) error
	// IsOf reports whether a payload holds this event, as far as it can be opened.
	IsOf(payload []byte, e *indelible.Event) (bool, error)
	// Open reads an event out of its payload, as far as keys allow.
	Open(payload []byte) (*Opened, error)
}

// Opened is what could be opened of an event.
type Opened struct {
	Event   *indelible.Event           // nil unless all of it was
	Members map[string]json.RawMessage // otherwise: what could be opened
	Missing error                      // and why the rest could not
}
