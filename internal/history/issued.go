package history

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"indelible"
)

// SystemTenant holds the events the log records of itself.
const SystemTenant = "_system"

// eventIssued is the type of the events that say that evidence left the log.
const eventIssued = "evidence.issued"

// What a piece of evidence shows.
const (
	ShowsEvent    = "event"        // all of an event, or a leaf of the log's own
	ShowsSkeleton = "skeleton"     // an event without its person
	ShowsTenant   = "completeness" // that a tenant's leaves are all there; no event
)

// Issued says which evidence was handed out. It names no tenant and no person,
// and the hash is one of bytes nobody can guess: evidence of what is sealed
// holds keys.
type Issued struct {
	Shows  string         `json:"shows"`
	Index  *uint64        `json:"index,omitempty"`      // the leaf; not of completeness
	Tenant *indelible.Ref `json:"tenant_ref,omitempty"` // not of a leaf of the log's own
	SHA256 indelible.Hash `json:"sha256"`               // of the file
}

// IssuedEvent is the event to record before a file of evidence, an
// *indelible.Evidence or *indelible.Completeness, is handed out. tenants are the
// references of the log's tenants in the order of their rows.
func IssuedEvent(evidence any, file []byte, tenants []indelible.Ref, to string, at time.Time) (*indelible.Event, error) {
	i := Issued{Shows: ShowsTenant, SHA256: sha256.Sum256(file)}
	var no uint64
	switch e := evidence.(type) {
	case *indelible.Evidence:
		var leaf indelible.Leaf
		if err := leaf.Decode(e.Leaf); err != nil {
			return nil, err
		}
		i.Shows, i.Index, no = ShowsEvent, &e.Index, leaf.TenantNo
		for _, part := range e.Payload.Parts {
			if part.SHA256 != nil {
				i.Shows = ShowsSkeleton
			}
		}
	case *indelible.Completeness:
		no = e.Row.TenantNo
	default:
		return nil, fmt.Errorf("%T is no evidence", evidence)
	}
	if no > uint64(len(tenants)) {
		return nil, fmt.Errorf("the log knows no tenant %d", no)
	}
	if no > 0 {
		i.Tenant = &tenants[no-1]
	}
	text, err := json.Marshal(i)
	if err == nil {
		text, err = indelible.AppendCanonicalJSON(nil, text)
	}
	return &indelible.Event{
		Timestamp: at.UTC(), EventType: eventIssued, TenantID: SystemTenant, UserID: to,
		ResourceType: "evidence", ResourceID: i.SHA256.String(), Action: "issue", Outcome: "success", Details: text,
	}, err
}

// IssuedBy reads an event of _system, if that is what it says.
func IssuedBy(e *indelible.Event) (i Issued, ok bool) {
	return i, e.EventType == eventIssued && json.Unmarshal(e.Details, &i) == nil
}
