package indelible

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// AppendParts appends the canonical contents of the event's parts: the tenant
// part, and the subject part of the acting user. With an empty user the second
// is nil and the first holds the whole event. See docs/format.md, Payload.
func (e *Event) AppendParts(dst []byte) (tenant, subject []byte) {
	return e.appendParts(dst, false)
}

// AppendSealedParts appends the contents of the parts that are encrypted under
// keys of their own: a resource that is a person stands in the subject part.
func (e *Event) AppendSealedParts(dst []byte, personResource bool) (tenant, subject []byte) {
	return e.appendParts(dst, personResource)
}

func (e *Event) appendParts(dst []byte, personResource bool) (tenant, subject []byte) {
	alone := e.UserID == ""
	personResource = personResource && !alone
	dst = append(dst, `{"/action":`...)
	dst = appendString(dst, e.Action)
	if alone {
		dst = append(dst, `,"/details":`...)
		dst = append(dst, e.Details...)
	}
	dst = append(dst, `,"/event_type":`...)
	dst = appendString(dst, e.EventType)
	if alone {
		dst = append(dst, `,"/id":`...)
		dst = appendString(dst, e.ID)
	}
	dst = append(dst, `,"/outcome":`...)
	dst = appendString(dst, e.Outcome)
	if !personResource {
		dst = append(dst, `,"/resource_id":`...)
		dst = appendString(dst, e.ResourceID)
	}
	dst = append(dst, `,"/resource_type":`...)
	dst = appendString(dst, e.ResourceType)
	if alone {
		dst = e.appendOptional(dst, e.SourceIP, `,"/source_ip":`)
	}
	dst = append(dst, `,"/tenant_id":`...)
	dst = appendString(dst, e.TenantID)
	dst = append(dst, `,"/timestamp":"`...)
	dst = appendTimestamp(dst, e.Timestamp)
	dst = append(dst, '"')
	if alone {
		dst = e.appendOptional(dst, e.UserAgent, `,"/user_agent":`)
		dst = append(dst, `,"/user_id":""}`...)
		return dst, nil
	}
	dst = append(dst, '}')
	cut := len(dst)

	dst = append(dst, `{"/details":`...)
	dst = append(dst, e.Details...)
	dst = append(dst, `,"/id":`...)
	dst = appendString(dst, e.ID)
	if personResource {
		dst = append(dst, `,"/resource_id":`...)
		dst = appendString(dst, e.ResourceID)
	}
	dst = e.appendOptional(dst, e.SourceIP, `,"/source_ip":`)
	dst = e.appendOptional(dst, e.UserAgent, `,"/user_agent":`)
	dst = append(dst, `,"/user_id":`...)
	dst = appendString(dst, e.UserID)
	dst = append(dst, '}')
	return dst[:cut:cut], dst[cut:]
}

func (e *Event) appendOptional(dst []byte, value, name string) []byte {
	if value == "" {
		return dst
	}
	return appendString(append(dst, name...), value)
}

// EventOfParts puts an event together from the contents of all its parts.
func EventOfParts(parts ...[]byte) (*Event, error) {
	size := len("{}")
	for _, part := range parts {
		size += len(part)
	}
	text := append(make([]byte, 0, size), '{')
	for i, part := range parts {
		var err error
		if text, err = appendMembers(text, i, part); err != nil {
			return nil, err
		}
	}
	e, err := ParseStoredEvent(append(text, '}')) // refuses members that stand there twice
	if err != nil {
		return nil, err
	}
	if e.ID == "" {
		return nil, errors.New("event without id")
	}
	return e, nil
}

// appendMembers appends the members that part i holds to the text of an object,
// under their names in the event.
func appendMembers(text []byte, i int, part []byte) ([]byte, error) {
	if err := checkPart(i, part); err != nil {
		return nil, err
	}
	for at := 1; at < len(part)-1; at++ {
		end := skipString(part, at)
		pointer := part[at+1 : end-1]
		at = skipCanonical(part, end+len(":"))
		if len(pointer) < 2 || pointer[0] != '/' {
			return nil, fmt.Errorf("part %d: reserved name %q", i, pointer)
		}
		if len(text) > len("{") {
			text = append(text, ',')
		}
		text = append(append(append(text, '"'), pointer[1:]...), part[end-1:at]...)
	}
	return text, nil
}

// checkPart makes sure that a part is a canonical object: one that is not was
// not written by us, and could hold the same member twice.
func checkPart(i int, part []byte) error {
	canonical, err := AppendCanonicalJSON(make([]byte, 0, len(part)), part)
	if err != nil {
		return fmt.Errorf("part %d: %w", i, err)
	}
	if !bytes.Equal(canonical, part) || part[0] != '{' {
		return fmt.Errorf("part %d: not a canonical JSON object", i)
	}
	return nil
}

// SkeletonOfParts returns the members that the given parts hold, for showing
// an event of which a part is withheld or erased.
func SkeletonOfParts(parts ...[]byte) (map[string]json.RawMessage, error) {
	return membersOfParts(parts)
}

func membersOfParts(parts [][]byte) (map[string]json.RawMessage, error) {
	members := make(map[string]json.RawMessage, 12)
	for i, part := range parts {
		if err := checkPart(i, part); err != nil {
			return nil, err
		}
		var held map[string]json.RawMessage
		if err := json.Unmarshal(part, &held); err != nil {
			return nil, fmt.Errorf("part %d: %w", i, err)
		}
		for pointer, value := range held {
			if len(pointer) < 2 || pointer[0] != '/' {
				return nil, fmt.Errorf("part %d: reserved name %q", i, pointer)
			}
			name := pointer[1:]
			if _, twice := members[name]; twice {
				return nil, fmt.Errorf("part %d: %s stands in another part too", i, name)
			}
			members[name] = value
		}
	}
	return members, nil
}

// PartMember returns the value of one member of a part's content, as JSON,
// without reading the rest. The part must be canonical.
func PartMember(part []byte, pointer string) (value []byte, ok bool) {
	if len(part) < 2 || part[0] != '{' {
		return nil, false
	}
	for i := 1; i < len(part) && part[i] == '"'; i++ {
		end := skipString(part, i)
		if end >= len(part) || part[end] != ':' {
			return nil, false
		}
		name := part[i+1 : end-1]
		i = skipCanonical(part, end+1)
		if i > len(part) {
			return nil, false
		}
		if string(name) == pointer {
			return part[end+1 : i], true
		}
	}
	return nil, false
}
