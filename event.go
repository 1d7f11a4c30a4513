package indelible

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"sync"
	"time"
)

// An Event says who did what to which resource, when, and how it ended.
//
// An event from ParseEvent is valid. One built in Go becomes so by Validate;
// the other methods expect a valid event. The strings of a parsed event share
// one allocation: clone one that is to be kept for long without its event.
type Event struct {
	ID           string          // UUID in lower case; "" = not given yet. Unique within its tenant.
	Timestamp    time.Time       // UTC, to the nanosecond
	EventType    string          // what kind of thing happened, such as "data_access"
	UserID       string          // who did it; "" for actors that are no person
	TenantID     string          // whose log this belongs to
	ResourceType string          //
	ResourceID   string          // may be ""
	Action       string          //
	Outcome      string          // such as "success" or "failure"
	Details      json.RawMessage // a canonical JSON object without the top-level member audit_hash; {} when empty
	SourceIP     string          // "" = absent; not interpreted
	UserAgent    string          // "" = absent
}

const auditHashName = "audit_hash"

// AppendCanonical appends the event's canonical bytes, which are what
// AuditHash hashes: RFC 8785 of the event without details.audit_hash, the
// timestamp in UTC, absent members left out.
func (e *Event) AppendCanonical(dst []byte) []byte {
	return e.append(dst, e.Details)
}

// append writes the members in the order of their names.
func (e *Event) append(dst []byte, details json.RawMessage) []byte {
	dst = append(dst, `{"action":`...)
	dst = appendString(dst, e.Action)
	dst = append(dst, `,"details":`...)
	if len(details) == 0 {
		details = json.RawMessage("{}")
	}
	dst = append(dst, details...)
	dst = append(dst, `,"event_type":`...)
	dst = appendString(dst, e.EventType)
	if e.ID != "" {
		dst = append(dst, `,"id":`...)
		dst = appendString(dst, e.ID)
	}
	dst = append(dst, `,"outcome":`...)
	dst = appendString(dst, e.Outcome)
	dst = append(dst, `,"resource_id":`...)
	dst = appendString(dst, e.ResourceID)
	dst = append(dst, `,"resource_type":`...)
	dst = appendString(dst, e.ResourceType)
	if e.SourceIP != "" {
		dst = append(dst, `,"source_ip":`...)
		dst = appendString(dst, e.SourceIP)
	}
	dst = append(dst, `,"tenant_id":`...)
	dst = appendString(dst, e.TenantID)
	dst = append(dst, `,"timestamp":"`...)
	dst = appendTimestamp(dst, e.Timestamp)
	dst = append(dst, '"')
	if e.UserAgent != "" {
		dst = append(dst, `,"user_agent":`...)
		dst = appendString(dst, e.UserAgent)
	}
	dst = append(dst, `,"user_id":`...)
	dst = appendString(dst, e.UserID)
	return append(dst, '}')
}

// AuditHash returns the SHA-256 of the canonical bytes. It is final once the
// event has an ID, which is part of them.
func (e *Event) AuditHash() [32]byte {
	buf := hashBuffers.Get().(*[]byte)
	b := e.AppendCanonical((*buf)[:0])
	sum := sha256.Sum256(b)
	if cap(b) <= 64<<10 {
		*buf = b
		hashBuffers.Put(buf)
	}
	return sum
}

var hashBuffers = sync.Pool{New: func() any { return new([]byte) }}

// AppendJSON appends the event as users see it: the canonical bytes with
// details.audit_hash in its place. Without an ID the hash is not final and
// stays out.
func (e *Event) AppendJSON(dst []byte) []byte {
	if e.ID == "" {
		return e.AppendCanonical(dst)
	}
	sum := e.AuditHash()
	details := make(json.RawMessage, 0, len(e.Details)+len(`,"audit_hash":""`)+2*len(sum))
	at := auditHashPosition(e.Details)
	details = append(details, '{')
	details = append(details, e.Details[min(1, len(e.Details)):at]...)
	if at > 1 && details[len(details)-1] != ',' {
		details = append(details, ',')
	}
	details = append(details, `"audit_hash":"`...)
	details = hex.AppendEncode(details, sum[:])
	details = append(details, '"')
	if at < len(e.Details)-1 {
		details = append(details, ',')
		details = append(details, e.Details[at:]...)
	} else {
		details = append(details, '}')
	}
	return e.append(dst, details)
}

// auditHashPosition returns where in details, a canonical object, the member
// audit_hash belongs: the index of the first member after it, or of the
// closing brace.
func auditHashPosition(details []byte) int {
	if len(details) <= len("{}") {
		return min(1, len(details))
	}
	i := 1
	for {
		// Names can be compared as they are written: what is written with a
		// backslash (a quote, a backslash, control characters) comes before
		// every character of "audit_hash", as the backslash itself does.
		end := skipString(details, i)
		if bytes.Compare(details[i+1:end-1], []byte(auditHashName)) > 0 {
			return i
		}
		i = skipCanonical(details, end+len(":"))
		if i >= len(details)-1 {
			return len(details) - 1
		}
		i += len(",")
	}
}

// skipString returns the end of the canonical string at b[i].
func skipString(b []byte, i int) int {
	for begin := i + 1; ; {
		n := bytes.IndexByte(b[i+1:], '"')
		if n < 0 {
			return len(b)
		}
		i += 1 + n
		// A quote after an odd number of backslashes is part of the string.
		k := i
		for k > begin && b[k-1] == '\\' {
			k--
		}
		if (i-k)%2 == 0 {
			return i + 1
		}
	}
}

// skipCanonical returns the end of the canonical value at b[i].
func skipCanonical(b []byte, i int) int {
	for depth := 0; i < len(b); {
		switch b[i] {
		case '"':
			i = skipString(b, i)
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i
			}
			depth--
		case ',':
			if depth == 0 {
				return i
			}
		}
		i++
	}
	return len(b)
}

// MarshalJSON returns the bytes of AppendJSON. Note that json.Marshal escapes
// some of them again (< > &), so its result is equal as JSON, not as bytes.
func (e Event) MarshalJSON() ([]byte, error) {
	if err := e.validate(anyTenant); err != nil {
		return nil, err
	}
	return e.AppendJSON(nil), nil
}

// UnmarshalJSON reads an event as MarshalJSON writes it, with an audit hash
// that must match. It takes reserved tenants too, so that what the log itself
// recorded can be read; use ParseEvent, or Validate, for events to be recorded.
func (e *Event) UnmarshalJSON(data []byte) error {
	parsed, err := parseEvent(data, true)
	if err != nil {
		return err
	}
	*e = *parsed
	return nil
}
