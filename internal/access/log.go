package access

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"indelible"
)

// Tenant is the log's own tenant that holds who looked at what.
const Tenant = "_access"

// Recorder writes events of the log's own tenants. They are durable when it returns.
type Recorder interface {
	RecordOwn(ctx context.Context, events []*indelible.Event) error
}

// Log is the access log: a look at data is recorded before it is answered, and
// what cannot be recorded is not answered.
type Log struct {
	Recorder Recorder
	Clock    func() time.Time // nil: time.Now
}

// Look is what somebody did or tried.
type Look struct {
	Request   string // tells the events of one request from others
	Who       *Principal
	Action    string // such as "search"
	Tenants   []string
	All       bool   // of all tenants
	EventID   string // of the one event that was asked for
	SourceIP  string
	UserAgent string
	Policy    string            // hash of the policies
	Reason    string            // the caller's justification
	Query     map[string]string // in clear
	Key       *Key              // that is added or revoked
}

// Result is how it ended.
type Result struct {
	Rows   int
	Places []uint64 // indexes of the events shown
	Err    string   // "" = success
}

// Outcomes of access events.
const (
	Intent  = "intent"
	Done    = "success"
	Failed  = "failure"
	Refused = "denied"
)

// Types of access events. What break-glass touches has one of its own, so that
// whoever watches the log sees it.
const (
	EventType           = "access"
	BreakGlassEventType = "access.break_glass"
)

// Begin records what somebody is about to see.
func (l *Log) Begin(ctx context.Context, look *Look) error {
	return l.record(ctx, look, Intent, nil)
}

// End records what somebody has seen.
func (l *Log) End(ctx context.Context, look *Look, r Result) error {
	outcome := Done
	if r.Err != "" {
		outcome = Failed
	}
	return l.record(ctx, look, outcome, &r)
}

// Deny records what somebody was refused.
func (l *Log) Deny(ctx context.Context, look *Look, why string) error {
	return l.record(ctx, look, Refused, &Result{Err: why})
}

// details of an access event.
type details struct {
	Request   string            `json:"request,omitempty"`
	KeyID     string            `json:"key_id,omitempty"`
	Roles     []Role            `json:"roles,omitempty"`
	Tenants   []string          `json:"tenants,omitempty"`
	All       bool              `json:"all_tenants,omitempty"`
	Policy    string            `json:"policy_sha256,omitempty"`
	Reason    string            `json:"justification,omitempty"`
	Ticket    string            `json:"break_glass_ticket,omitempty"`
	Query     map[string]string `json:"query,omitempty"`
	QueryHash string            `json:"query_sha256,omitempty"`
	Rows      *int              `json:"rows,omitempty"`
	First     *uint64           `json:"first_index,omitempty"`
	Last      *uint64           `json:"last_index,omitempty"`
	Places    []uint64          `json:"indexes,omitempty"`
	Error     string            `json:"error,omitempty"`
	Key       *changedKey       `json:"key,omitempty"`
}

// changedKey is what the log says of a key that was added or revoked; its
// tenants are those of the event.
type changedKey struct {
	Name    string     `json:"name"`
	Roles   []Role     `json:"roles"`
	Expires *time.Time `json:"expires,omitempty"`
	Ticket  string     `json:"break_glass_ticket,omitempty"`
}

// KeyChange is the look of somebody at a key that he or she changes.
func KeyChange(who *Principal, action string, key *Key) *Look {
	l := &Look{Who: who, Action: action}
	l.OfKey(key)
	return l
}

// OfKey says that the look is at a key.
func (l *Look) OfKey(key *Key) { l.Key, l.Tenants, l.All = key, key.Tenants, key.All }

// breakGlass reports whether glass is broken, or is about to be.
func (l *Look) breakGlass() bool {
	return l.Who != nil && l.Who.Has(BreakGlass) || l.Key != nil && slices.Contains(l.Key.Roles, BreakGlass)
}

// record writes one event of a look.
func (l *Log) record(ctx context.Context, look *Look, outcome string, r *Result) error {
	d := details{Request: look.Request, Policy: look.Policy, Reason: look.Reason, Query: look.Query, All: look.All}
	name := ""
	if look.Who != nil {
		name, d.KeyID, d.Roles, d.Ticket = look.Who.Name, look.Who.KeyID, look.Who.Roles, look.Who.Ticket
	}
	if look.Query != nil {
		b, err := json.Marshal(look.Query) // by rising names
		if err != nil {
			return err
		}
		h := sha256.Sum256(b)
		d.QueryHash = hex.EncodeToString(h[:])
	}
	if r != nil {
		d.Error = r.Err
		if r.Err == "" {
			if look.Key == nil {
				d.Rows = &r.Rows
			}
			d.Places = r.Places
			if len(r.Places) > 0 {
				first, last := r.Places[0], r.Places[0]
				for _, p := range r.Places {
					first, last = min(first, p), max(last, p)
				}
				d.First, d.Last = &first, &last
			}
		}
	}
	if !look.All {
		d.Tenants = look.Tenants
	}
	if k := look.Key; k != nil {
		d.Key = &changedKey{k.Name, k.Roles, k.Expires, k.Ticket}
	}
	text, err := json.Marshal(d)
	if err != nil {
		return err
	}
	if text, err = indelible.AppendCanonicalJSON(nil, text); err != nil {
		return fmt.Errorf("access event: %w", err)
	}
	e := &indelible.Event{
		Timestamp: l.now(), EventType: EventType, UserID: name, TenantID: Tenant, Action: look.Action, Outcome: outcome,
		ResourceType: SeveralTenants, Details: text, SourceIP: look.SourceIP, UserAgent: look.UserAgent,
	}
	if look.breakGlass() {
		e.EventType = BreakGlassEventType
	}
	switch {
	case look.Key != nil:
		e.ResourceType, e.ResourceID = OneKey, look.Key.ID
	case look.EventID != "":
		e.ResourceType, e.ResourceID = OneEvent, look.EventID
	case !look.All && len(look.Tenants) == 1:
		e.ResourceType, e.ResourceID = OneTenant, look.Tenants[0]
	}
	if err := l.Recorder.RecordOwn(ctx, []*indelible.Event{e}); err != nil {
		return fmt.Errorf("access log: %w", err)
	}
	return nil
}

// Resource types of access events: what was looked at.
const (
	OneTenant      = "tenant"
	OneEvent       = "event"
	SeveralTenants = "tenants" // several, all or none; details say which
	OneKey         = "api_key"
)

func (l *Log) now() time.Time {
	if l.Clock != nil {
		return l.Clock()
	}
	return time.Now()
}
