package recorder

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"

	"indelible"
	"indelible/internal/ledger"
)

// plain makes and reads payloads whose parts are not encrypted. Salts are
// random all the same: no leaf can be guessed from its plaintext.
type plain struct{}

// Plain seals nothing: what `init` says plainly until keys are in use.
var Plain plain

// Seal makes the payload of an event.
func (p plain) Seal(_ context.Context, _ *ledger.TenantKeys, e *indelible.Event) ([]byte, uint64, error) {
	return p.Payload(e), 0, nil
}

// Durable has nothing to wait for.
func (plain) Durable(context.Context, uint64) error { return nil }

// PartKeys has none.
func (plain) PartKeys([]byte, int) ([]indelible.PartKeys, error) { return nil, nil }

// Payload makes the payload of an event.
func (plain) Payload(e *indelible.Event) []byte {
	var salt [32]byte
	rand.Read(salt[:])
	tenant, subject := e.AppendParts(make([]byte, 0, 1024))
	if subject == nil {
		return indelible.AppendPayload(make([]byte, 0, len(tenant)+64), &salt, tenant)
	}
	return indelible.AppendPayload(make([]byte, 0, len(tenant)+len(subject)+72), &salt, tenant, subject)
}

// Open puts an event together from its payload. One that is encrypted stays closed.
func (plain) Open(payload []byte) (*Opened, error) {
	parts, err := contents(payload)
	if errors.Is(err, indelible.ErrSealed) {
		return &Opened{Missing: err}, nil
	}
	if err != nil {
		return nil, err
	}
	e, err := indelible.EventOfParts(parts...)
	return &Opened{Event: e}, err
}

// contents returns the contents of all parts.
func contents(payload []byte) ([][]byte, error) {
	return indelible.PlainParts(payload, make([][]byte, 0, 2))
}

// SealDescriptor makes the tenant descriptor of a journal record.
func (plain) SealDescriptor(id string, salt [32]byte) ([]byte, error) {
	return append(salt[:], id...), nil
}

// OpenDescriptor reads what SealDescriptor made.
func (plain) OpenDescriptor(b []byte) (id string, salt [32]byte, err error) {
	if len(b) <= len(salt) {
		return "", salt, errors.New("tenant descriptor is cut short")
	}
	copy(salt[:], b)
	return string(b[len(salt):]), salt, nil
}

// SealTenant makes the payload of a tenant leaf.
func (plain) SealTenant(t indelible.Tenant) ([]byte, error) {
	content, err := tenantContent(t)
	if err != nil {
		return nil, err
	}
	var salt [32]byte
	rand.Read(salt[:])
	return indelible.AppendPayload(nil, &salt, content), nil
}

// OpenTenant reads the payload of a tenant leaf.
func (plain) OpenTenant(payload []byte) (t indelible.Tenant, err error) {
	parts, err := contents(payload)
	if err != nil {
		return t, err
	}
	return parseTenant(parts[0], len(parts))
}

// EventIdentity reads an event's tenant and id out of its payload, as slices of it.
func (plain) EventIdentity(payload []byte) (tenantID, eventID []byte, err error) {
	var room [2][]byte
	parts, err := indelible.PlainParts(payload, room[:0])
	if err != nil {
		return nil, nil, err
	}
	if tenantID, err = stringMember(parts[0], "/tenant_id"); err != nil {
		return nil, nil, err
	}
	eventID, err = stringMember(parts[len(parts)-1], "/id")
	return tenantID, eventID, err
}

// EventTenant reads an event's tenant out of its payload, as a slice of it.
func (plain) EventTenant(payload []byte) ([]byte, error) {
	var room [2][]byte
	parts, err := indelible.PlainParts(payload, room[:0])
	if err != nil {
		return nil, err
	}
	return stringMember(parts[0], "/tenant_id")
}

// EventID reads an event's id out of its payload.
func (p plain) EventID(payload []byte) (string, error) {
	_, id, err := p.EventIdentity(payload)
	return string(id), err
}

// stringMember returns the value of a member that is a string. The members
// asked for stand near the end of a part with only strings after them, so it
// walks backwards; where it meets anything but plain strings it reads forwards.
func stringMember(part []byte, name string) ([]byte, error) {
	for end := len(part) - len(`"}`); end > 0 && part[end] == '"'; {
		begin := bytes.LastIndexByte(part[:end], '"')
		colon := begin - len(`":`)
		if colon < 0 || part[colon] != '"' || part[colon+1] != ':' {
			break
		}
		open := bytes.LastIndexByte(part[:colon], '"')
		if open < 2 || part[open-1] != ',' || part[open+1] != '/' || part[end-1] == '\\' {
			break
		}
		value := part[begin+1 : end]
		if string(part[open+1:colon]) == name && bytes.IndexByte(value, '\\') < 0 {
			return value, nil
		}
		end = open - len(`",`)
	}
	value, ok := indelible.PartMember(part, name)
	if !ok {
		return nil, fmt.Errorf("payload holds no %s", name)
	}
	var s string
	err := json.Unmarshal(value, &s)
	return []byte(s), err
}

// IsOf reports whether a payload holds this event.
func (p plain) IsOf(payload []byte, e *indelible.Event) (bool, error) {
	return p.SameEvent(payload, p.Payload(e))
}

// SameEvent reports whether two payloads hold the same event: their parts'
// contents are canonical, so equal events are equal bytes.
func (plain) SameEvent(a, b []byte) (bool, error) {
	pa, err := contents(a)
	if err != nil {
		return false, err
	}
	pb, err := contents(b)
	if err != nil || len(pa) != len(pb) {
		return false, err
	}
	for i := range pa {
		if !bytes.Equal(pa[i], pb[i]) {
			return false, nil
		}
	}
	return true, nil
}
