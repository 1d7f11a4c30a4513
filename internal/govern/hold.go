package govern

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"indelible"
)

// HoldWords is what the log says of a hold in keyed references alone: whose
// records it keeps, and why. It lies in the data directory until the hold is
// lifted, and in an event of the log.
type HoldWords struct {
	ID     indelible.ID `json:"id"`
	Tenant string       `json:"tenant,omitempty"`
	Reason string       `json:"reason"`
	Added  time.Time    `json:"added"`
	// Applied is the size of the tree whose segments are held in the store.
	Applied uint64 `json:"applied,omitempty"`
}

// HoldInfo is a hold as it is shown: JSON of the server and of `hold list --json`.
type HoldInfo struct {
	ID      indelible.ID   `json:"id"`
	Since   string         `json:"since"`
	Index   uint64         `json:"index"`
	Tenant  string         `json:"tenant,omitempty"`
	Ref     *indelible.Ref `json:"tenant_ref,omitempty"`
	Subject *indelible.Ref `json:"subject_ref,omitempty"`
	From    string         `json:"from,omitempty"`
	Until   string         `json:"until,omitempty"`
	Reason  string         `json:"reason,omitempty"`
}

func holdsPath(dir string) string { return filepath.Join(dir, "keys", "holds.json") }

// ReadHoldWords reads the words of a data directory's holds; none is no error.
func ReadHoldWords(dir string) ([]HoldWords, error) {
	return readList[HoldWords](holdsPath(dir), 16<<20)
}

// AddHoldWords keeps the words of a hold.
func AddHoldWords(dir string, w HoldWords) error {
	words, err := ReadHoldWords(dir)
	if err != nil {
		return err
	}
	return writeHoldWords(dir, append(words, w))
}

// dropHoldWords forgets the words of a hold that was lifted.
func dropHoldWords(dir string, id indelible.ID) error {
	words, err := ReadHoldWords(dir)
	if err != nil || !slices.ContainsFunc(words, func(w HoldWords) bool { return w.ID == id }) {
		return err
	}
	return writeHoldWords(dir, slices.DeleteFunc(words, func(w HoldWords) bool { return w.ID == id }))
}

func writeHoldWords(dir string, words []HoldWords) error { return writeList(holdsPath(dir), words) }

// HoldEvent is the event that says why a hold began.
func HoldEvent(s *indelible.HoldScope, tenant, reason string, at time.Time) []byte {
	details := map[string]any{"hold": s.ID, "reason": reason}
	if tenant != "" {
		details["tenant"] = tenant
	}
	for name, v := range map[string]*int64{"from": s.From, "until": s.Until} {
		if v != nil {
			details[name] = time.UnixMilli(*v).UTC().Format(time.RFC3339Nano)
		}
	}
	if s.Subject != nil {
		details["subject_ref"] = s.Subject
	}
	return systemEvent(s.ID, "hold.added", "hold", "add", at, details).AppendJSON(nil)
}

// SystemTenant holds the events the log records of itself.
const SystemTenant = "_system"

// systemEvent is an event of the log's own tenant. The same id gives the same
// event id, so that recording it again adds nothing.
func systemEvent(id indelible.ID, eventType, resource, action string, at time.Time, details map[string]any) *indelible.Event {
	text, err := json.Marshal(details)
	if err != nil {
		panic(err) // only of what cannot be JSON
	}
	u := id
	u[6], u[8] = u[6]&0x0f|0x80, u[8]&0x3f|0x80 // UUID version 8: our own
	return &indelible.Event{
		ID:        fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:]),
		Timestamp: at.UTC(), EventType: eventType, TenantID: SystemTenant,
		ResourceType: resource, ResourceID: id.String(), Action: action, Outcome: "success", Details: text,
	}
}
