package indelible

import (
	"encoding/hex"
	"strconv"
	"strings"
)

// ParseEvent reads one event: a JSON object with nothing after it. It is
// strict: a member that is unknown, missing, of the wrong type or beyond a
// limit is refused with a *FieldError, and so are the tenants that belong to
// the log itself. An audit hash in details must match.
func ParseEvent(data []byte) (*Event, error) {
	return parseEvent(data, false)
}

// ParseStoredEvent is ParseEvent for events that were recorded before: they
// have an ID, and may belong to the log itself.
func ParseStoredEvent(data []byte) (*Event, error) {
	e, err := parseEvent(data, true)
	if err != nil {
		return nil, err
	}
	if e.ID == "" {
		return nil, &FieldError{"id", "missing", ""}
	}
	return e, nil
}

// parseEvent lets the log's own tenants in if reserved is true.
func parseEvent(data []byte, reserved bool) (*Event, error) {
	c := newCanonicalizer(data)
	defer c.release()
	rule := callersTenant
	if reserved {
		rule = anyTenant
	}
	e, err := c.parse(rule)
	if err != nil { // not "return e, err": the nil *FieldError would be an error
		return nil, err
	}
	return e, nil
}

// The string members of an event, and details. Each is a bit in a set.
const (
	fieldTimestamp = iota
	fieldTenantID
	fieldEventType
	fieldResourceType
	fieldAction
	fieldOutcome
	fieldUserID
	fieldResourceID
	fieldID
	fieldSourceIP
	fieldUserAgent
	fieldDetails
	fieldCount
)

var fieldNames = [fieldCount]string{
	"timestamp", "tenant_id", "event_type", "resource_type", "action", "outcome",
	"user_id", "resource_id", "id", "source_ip", "user_agent", "details",
}

func fieldOf(name []byte) int {
	switch string(name) {
	case "timestamp":
		return fieldTimestamp
	case "tenant_id":
		return fieldTenantID
	case "event_type":
		return fieldEventType
	case "resource_type":
		return fieldResourceType
	case "action":
		return fieldAction
	case "outcome":
		return fieldOutcome
	case "user_id":
		return fieldUserID
	case "resource_id":
		return fieldResourceID
	case "id":
		return fieldID
	case "source_ip":
		return fieldSourceIP
	case "user_agent":
		return fieldUserAgent
	case "details":
		return fieldDetails
	}
	return -1
}

// A parsedObject is what the event's object was seen to hold.
type parsedObject struct {
	seen    uint
	text    [fieldCount]struct{ start, end int32 } // in canonicalizer.strings
	unknown []string
}

func (c *canonicalizer) parse(rule tenantRule) (*Event, *FieldError) {
	var o parsedObject
	if err := c.event(&o); err != nil {
		return nil, err
	}
	if o.unknown != nil {
		return nil, unknownMembers(o.unknown)
	}

	text := string(c.strings)
	field := func(f int) string { return text[o.text[f].start:o.text[f].end] }
	e := &Event{
		ID:           field(fieldID),
		EventType:    field(fieldEventType),
		UserID:       field(fieldUserID),
		TenantID:     field(fieldTenantID),
		ResourceType: field(fieldResourceType),
		ResourceID:   field(fieldResourceID),
		Action:       field(fieldAction),
		Outcome:      field(fieldOutcome),
		SourceIP:     field(fieldSourceIP),
		UserAgent:    field(fieldUserAgent),
	}
	if len(c.out) == 0 {
		c.out = append(c.out, "{}"...)
	}
	e.Details = append(make([]byte, 0, len(c.out)), c.out...)

	timestamp := field(fieldTimestamp)
	if timestamp == "" {
		return nil, required(fieldTimestamp)
	}
	var err *FieldError
	if e.Timestamp, err = parseTimestamp(timestamp); err != nil {
		return nil, err
	}
	if err := e.checkMembers(rule); err != nil {
		return nil, err
	}
	if err := e.checkSize(); err != nil {
		return nil, err
	}
	if c.hasClaim {
		if err := e.checkClaim(c.claim); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// event reads the event's object: strings go to c.strings, details to c.out.
func (c *canonicalizer) event(o *parsedObject) *FieldError {
	if err := c.checkInputSize(); err != nil {
		return err
	}
	if c.next() != '{' {
		return c.syntax(c.pos, "an event, which is a JSON object,")
	}
	c.pos++
	for first := true; ; first = false {
		b := c.next()
		if b == '}' && first {
			c.pos++
			break
		}
		var m member
		name, err := c.name(&m)
		if err != nil {
			return err
		}
		if err := c.eventMember(o, name); err != nil {
			return err.within(keyStep(name))
		}
		c.names = c.names[:0]
		if b = c.next(); b != ',' && b != '}' {
			return c.syntax(c.pos, "a comma or the end of the event")
		}
		c.pos++
		if b == '}' {
			break
		}
	}
	if c.next(); c.pos < len(c.src) {
		return c.syntax(c.pos, "the end of the input")
	}
	return nil
}

func (c *canonicalizer) eventMember(o *parsedObject, name []byte) *FieldError {
	f := fieldOf(name)
	if f < 0 {
		if len(o.unknown) < 8 {
			o.unknown = append(o.unknown, keyStep(name))
		}
		start := len(c.out)
		err := c.value(2)
		c.out = c.out[:start]
		return err
	}
	if o.seen&(1<<f) != 0 {
		return &FieldError{"", "appears more than once", ""}
	}
	o.seen |= 1 << f
	b := c.next()
	if b == 'n' && hasWord(c.src[c.pos:], "null") {
		c.pos += len("null")
		return nil
	}
	if f == fieldDetails {
		if b != '{' {
			return c.wrongType(b, "an object", "")
		}
		return c.object(2, true)
	}
	if b != '"' {
		return c.wrongType(b, "a string", "put it in quotes")
	}
	raw, escaped, err := c.text()
	if err != nil {
		return err
	}
	o.text[f].start = int32(len(c.strings))
	if escaped {
		c.strings, err = appendUnescaped(c.strings, raw)
	} else {
		c.strings = append(c.strings, raw...)
	}
	o.text[f].end = int32(len(c.strings))
	if f == fieldID { // here, where it can still be changed in place
		lowerHex(c.strings[o.text[f].start:])
	}
	return err
}

// lowerHex turns the hex digits A to F in b to lower case.
func lowerHex(b []byte) {
	for i, x := range b {
		if 'A' <= x && x <= 'F' {
			b[i] = x | 0x20
		}
	}
}

func (c *canonicalizer) wrongType(b byte, wanted, hint string) *FieldError {
	switch {
	case b == '{':
		return &FieldError{"", "must be " + wanted + ", not an object", ""}
	case b == '[':
		return &FieldError{"", "must be " + wanted + ", not an array", ""}
	case b == '"':
		return &FieldError{"", "must be " + wanted + ", not a string", ""}
	case b == '-' || b-'0' <= 9:
		return &FieldError{"", "must be " + wanted + ", not a number", hint}
	case b == 't' || b == 'f':
		return &FieldError{"", "must be " + wanted + ", not a boolean", hint}
	}
	return c.syntax(c.pos, "a value")
}

func unknownMembers(names []string) *FieldError {
	hint := "what else there is to say goes into details"
	for _, known := range fieldNames {
		if fold(names[0]) == fold(known) {
			hint = "did you mean " + strconv.Quote(known) + "?"
		}
	}
	return &FieldError{strings.Join(names, ", "), "not a member of an event", hint}
}

func fold(name string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(name))
}

// takeClaim reads the value of details.audit_hash.
func (c *canonicalizer) takeClaim() *FieldError {
	if c.hasClaim {
		return &FieldError{"", "appears more than once in the same object", ""}
	}
	c.hasClaim = true
	if b := c.next(); b != '"' {
		start := len(c.out)
		if err := c.value(3); err != nil {
			return err
		}
		c.out = c.out[:start]
		return nil // the claim stays empty, and so never matches
	}
	raw, escaped, err := c.text()
	if err != nil {
		return err
	}
	if escaped {
		c.claim, err = appendUnescaped(c.claim[:0], raw)
		return err
	}
	c.claim = append(c.claim[:0], raw...)
	return nil
}

// checkClaim compares the caller's audit hash with ours.
func (e *Event) checkClaim(claim []byte) *FieldError {
	const field, hint = "details." + auditHashName, "leave it out, we compute it"
	if len(claim) != 64 || strings.Trim(string(claim), "0123456789abcdef") != "" {
		return &FieldError{field, "not a SHA-256 of 64 lower-case hex digits", hint}
	}
	if e.ID == "" {
		return &FieldError{field, "cannot match: the hash covers the event's id, and none is given", hint}
	}
	sum := e.AuditHash()
	if want := hex.EncodeToString(sum[:]); want != string(claim) {
		return &FieldError{field, "does not match the event; its hash is " + want, hint}
	}
	return nil
}
