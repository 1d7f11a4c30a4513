package indelible

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// A tenantRule says which tenants' events are let in.
type tenantRule uint8

const (
	callersTenant tenantRule = iota // none that begins with ReservedTenantPrefix
	systemTenant                    // only those
	anyTenant
)

// Validate makes an event built in Go ready to be recorded, or says what is
// wrong with it (*FieldError). It writes the ID in lower case, the timestamp
// in UTC, details in canonical form and without audit_hash, which must match.
func (e *Event) Validate() error {
	if err := e.validate(callersTenant); err != nil {
		return err
	}
	return nil
}

// ValidateSystem is Validate for the log's own events: their tenant's name
// begins with ReservedTenantPrefix.
func (e *Event) ValidateSystem() error {
	if err := e.validate(systemTenant); err != nil {
		return err
	}
	return nil
}

func (e *Event) validate(rule tenantRule) *FieldError {
	if e.Timestamp.IsZero() { // never set, rather than the first second of year 1
		return required(fieldTimestamp)
	}
	e.Timestamp = e.Timestamp.Round(0).UTC()
	if err := checkYear(e.Timestamp); err != nil {
		return err
	}
	for f, s := range e.stringMembers() {
		if !utf8.ValidString(s) {
			return &FieldError{fieldNames[f], "not valid UTF-8", ""}
		}
	}
	e.ID = lowerID(e.ID)
	if err := e.checkMembers(rule); err != nil {
		return err
	}

	c := newCanonicalizer(e.Details)
	defer c.release()
	if err := c.details(); err != nil {
		return err
	}
	if !bytes.Equal(c.out, e.Details) {
		e.Details = bytes.Clone(c.out)
	}
	if err := e.checkSize(); err != nil {
		return err
	}
	if c.hasClaim {
		return e.checkClaim(c.claim)
	}
	return nil
}

// details reads src as the value of details; nothing at all is {}.
func (c *canonicalizer) details() *FieldError {
	if err := c.checkInputSize(); err != nil {
		return err.within("details")
	}
	switch b := c.next(); {
	case b == 0 && c.pos == len(c.src), hasWord(c.src[c.pos:], "null"):
		c.out = append(c.out, "{}"...)
		c.pos = min(c.pos+len("null"), len(c.src))
	case b != '{':
		return c.wrongType(b, "an object", "").within("details")
	default:
		if err := c.object(2, true); err != nil {
			return err.within("details")
		}
	}
	if c.next(); c.pos < len(c.src) {
		return c.syntax(c.pos, "the end of details").within("details")
	}
	return nil
}

// stringMembers are the members that are plain strings, by their number.
func (e *Event) stringMembers() [fieldDetails]string {
	return [fieldDetails]string{
		fieldTenantID: e.TenantID, fieldEventType: e.EventType, fieldResourceType: e.ResourceType,
		fieldAction: e.Action, fieldOutcome: e.Outcome, fieldUserID: e.UserID, fieldResourceID: e.ResourceID,
		fieldID: e.ID, fieldSourceIP: e.SourceIP, fieldUserAgent: e.UserAgent,
	}
}

func required(field int) *FieldError {
	return &FieldError{fieldNames[field], "required, and must not be empty", ""}
}

// checkMembers checks what the types of an event's members leave open.
func (e *Event) checkMembers(rule tenantRule) *FieldError {
	switch "" {
	case e.TenantID:
		return required(fieldTenantID)
	case e.EventType:
		return required(fieldEventType)
	case e.ResourceType:
		return required(fieldResourceType)
	case e.Action:
		return required(fieldAction)
	case e.Outcome:
		return required(fieldOutcome)
	}
	reserved := e.TenantID[:1] == ReservedTenantPrefix
	switch {
	case reserved && rule == callersTenant:
		return &FieldError{"tenant_id", strconv.Quote(shorten(e.TenantID)) + " is reserved for the log itself", "use a name that does not begin with " + strconv.Quote(ReservedTenantPrefix)}
	case !reserved && rule == systemTenant:
		return &FieldError{"tenant_id", strconv.Quote(shorten(e.TenantID)) + " is not a tenant of the log itself", ""}
	}
	if e.ID != "" && !isUUID(e.ID) {
		return &FieldError{"id", strconv.Quote(shorten(e.ID)) + " is not a UUID", "write it as 8-4-4-4-12 hex digits, or leave it out and one is given"}
	}
	return nil
}

// isUUID reports whether s is the text form of a UUID, in lower case.
func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch b := s[i]; {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if b != '-' {
				return false
			}
		case (b < '0' || b > '9') && (b < 'a' || b > 'f'):
			return false
		}
	}
	return true
}

func lowerID(id string) string {
	for i := range len(id) {
		if 'A' <= id[i] && id[i] <= 'F' {
			b := []byte(id)
			lowerHex(b)
			return string(b)
		}
	}
	return id
}

// checkSize holds the event against MaxEventSize. When it is too large the
// member that takes the most room is named.
func (e *Event) checkSize() *FieldError {
	field, largest, sum := "details", len(e.Details), len(e.Details)
	for f, s := range e.stringMembers() {
		sum += len(s)
		if len(s) > largest {
			field, largest = fieldNames[f], len(s)
		}
	}
	// An escape takes six bytes for one at most; names and quotes are short.
	if sum*6+1024 <= MaxEventSize {
		return nil
	}
	if size := len(e.AppendCanonical(nil)); size > MaxEventSize {
		return tooLarge(field, ": "+strconv.Itoa(size))
	}
	return nil
}
