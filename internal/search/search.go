// Package search finds events by what they say. An index holds where the events
// are and the columns that are searched, nothing else; it follows the log, can be
// dropped at any time and is made again from it. What it finds is a place in the
// log: the event there is read, proved and compared with the query before anybody
// sees it, so that a damaged index can hide an event but never show a false one.
package search

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"indelible"
)

// Fields are the members of an event that a query can ask for, by their names.
var Fields = []string{"tenant_id", "user_id", "event_type", "action", "outcome", "resource_type", "resource_id", "source_ip"}

// Value is what an event has in a field of Fields.
func Value(e *indelible.Event, field string) string {
	switch field {
	case "tenant_id":
		return e.TenantID
	case "user_id":
		return e.UserID
	case "event_type":
		return e.EventType
	case "action":
		return e.Action
	case "outcome":
		return e.Outcome
	case "resource_type":
		return e.ResourceType
	case "resource_id":
		return e.ResourceID
	case "source_ip":
		return e.SourceIP
	}
	panic("search: no field " + field)
}

// Limits of a query.
const (
	MaxLimit = 1000 // places an index is asked for at once
	MaxWords = 16
	maxValue = 1 << 10 // bytes
)

// Query says which events are asked for. All its conditions must hold.
type Query struct {
	Tenants []string          // only events of these; nil: of all
	Where   map[string]string // by the names in Fields
	Since   time.Time         // not before; zero: any
	Until   time.Time         // before; zero: any
	Text    string            // words that stand in the resource's type, its id or the action

	LogOrder bool   // oldest first; otherwise the newest in the log first
	From     uint64 // leaves below this index are not looked at
	End      uint64 // nor is this one, nor what comes after it
	Limit    int
}

// ErrQuery is wrapped by all errors that say a query is not one.
var ErrQuery = errors.New("query")

// Check reports what is wrong with a query: the error is an ErrQuery.
func (q *Query) Check() error {
	for field, value := range q.Where {
		if !slices.Contains(Fields, field) {
			return fmt.Errorf("%w: no field %q to search", ErrQuery, field)
		}
		if len(value) > maxValue {
			return fmt.Errorf("%w: %s is longer than %d bytes", ErrQuery, field, maxValue)
		}
	}
	if !q.Since.IsZero() && !q.Until.IsZero() && !q.Since.Before(q.Until) {
		return fmt.Errorf("%w: until is not after since", ErrQuery)
	}
	if len(q.Text) > maxValue {
		return fmt.Errorf("%w: the text is longer than %d bytes", ErrQuery, maxValue)
	}
	if n := len(Words(q.Text)); q.Text != "" && n == 0 || n > MaxWords {
		return fmt.Errorf("%w: the text has %d words, 1 to %d can be asked for", ErrQuery, n, MaxWords)
	}
	if q.Limit < 1 {
		return fmt.Errorf("%w: a limit of %d", ErrQuery, q.Limit)
	}
	return nil
}

// OfTenant reports whether events of a tenant are asked for. Those of the log's
// own tenants are only when one is named.
func (q *Query) OfTenant(id string) bool {
	if q.Tenants != nil && !slices.Contains(q.Tenants, id) {
		return false
	}
	if want, ok := q.Where["tenant_id"]; ok {
		return id == want
	}
	return !strings.HasPrefix(id, indelible.ReservedTenantPrefix)
}

// Matches reports whether an event is one that is asked for, wherever it stands
// in the log.
func (q *Query) Matches(e *indelible.Event) bool {
	if !q.OfTenant(e.TenantID) {
		return false
	}
	for field, value := range q.Where {
		if Value(e, field) != value {
			return false
		}
	}
	if !q.Since.IsZero() && e.Timestamp.Before(q.Since) || !q.Until.IsZero() && !e.Timestamp.Before(q.Until) {
		return false
	}
	if q.Text == "" {
		return true
	}
	has := Words(Text(e))
	for _, word := range Words(q.Text) {
		if !slices.Contains(has, word) {
			return false
		}
	}
	return true
}

// Row is an event at its place in the log.
type Row struct {
	Index uint64
	Event *indelible.Event
}

// Index is where events are found. Its methods may be called at the same time.
type Index interface {
	// Next is the first leaf the index has not seen.
	Next(ctx context.Context) (uint64, error)
	// Add takes in the events among leaves first to next−1, by rising index, all
	// or none. If the index has not come to first exactly it is ErrMoved.
	Add(ctx context.Context, first uint64, rows []Row, next uint64) error
	// Find returns the places of at most q.Limit events, MaxLimit at most, that a
	// checked query asks for, in the order it asks for. They may hold more than those that
	// match, never fewer: fewer than the limit means that there are no more.
	Find(ctx context.Context, q *Query) ([]uint64, error)
	// Count counts the events that a query asks for, which CheckCount has let
	// through; its order and limit do not matter.
	Count(ctx context.Context, q *Query, g Grouping) (*Counted, error)
	// Forget removes events: all of a tenant, or with a user those of that user.
	Forget(ctx context.Context, tenantID string, userID *string) error
	// Reset empties the index.
	Reset(ctx context.Context) error
}

// ErrMoved: somebody else has taken in what follows.
var ErrMoved = errors.New("the index has moved on")
