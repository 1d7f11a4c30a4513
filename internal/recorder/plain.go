package recorder

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"

	"indelible"
)

// plain makes and reads payloads whose parts are not encrypted. Salts are
// random all the same: no leaf can be guessed from its plaintext.
type plain struct{}

// Plain seals nothing: what `init` says plainly until keys are in use.
var Plain plain

// Seal makes the payload of an event.
func (plain) Seal(e *indelible.Event) []byte {
	var salt [32]byte
	rand.Read(salt[:])
	tenant, subject := e.AppendParts(make([]byte, 0, 1024))
	if subject == nil {
		return indelible.AppendPayload(make([]byte, 0, len(tenant)+64), &salt, tenant)
	}
	return indelible.AppendPayload(make([]byte, 0, len(tenant)+len(subject)+72), &salt, tenant, subject)
}

// Open puts an event together from its payload.
func (plain) Open(payload []byte) (*indelible.Event, error) {
	parts, err := contents(payload)
	if err != nil {
		return nil, err
	}
	return indelible.EventOfParts(parts...)
}

var errSealed = errors.New("part is encrypted and no key for it is here")

// contents returns the contents of all parts.
func contents(payload []byte) ([][]byte, error) {
	p, err := indelible.DecodePayload(payload)
	if err != nil {
		return nil, err
	}
	parts := make([][]byte, len(p.Parts))
	for i := range p.Parts {
		if p.Parts[i].Alg != indelible.AlgNone || p.Parts[i].Compression != indelible.CompressNone {
			return nil, errSealed
		}
		parts[i] = p.Parts[i].Data
	}
	return parts, nil
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
	text, err := json.Marshal(t)
	if err != nil {
		return nil, err
	}
	content, err := indelible.AppendCanonicalJSON(nil, text)
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
	if len(parts) != 1 {
		return t, fmt.Errorf("tenant payload of %d parts", len(parts))
	}
	d := json.NewDecoder(bytes.NewReader(parts[0]))
	d.DisallowUnknownFields()
	return t, d.Decode(&t)
}

// EventIdentity reads an event's tenant and id out of its payload.
func (plain) EventIdentity(payload []byte) (tenantID, eventID string, err error) {
	parts, err := contents(payload)
	if err != nil {
		return "", "", err
	}
	if tenantID, err = stringMember(parts[:1], "/tenant_id"); err != nil {
		return "", "", err
	}
	eventID, err = stringMember(parts, "/id")
	return tenantID, eventID, err
}

// EventID reads an event's id out of its payload.
func (p plain) EventID(payload []byte) (string, error) {
	_, id, err := p.EventIdentity(payload)
	return id, err
}

func stringMember(parts [][]byte, pointer string) (string, error) {
	for _, part := range parts {
		value, ok := indelible.PartMember(part, pointer)
		if !ok {
			continue
		}
		if n := len(value); n >= 2 && value[0] == '"' && bytes.IndexByte(value, '\\') < 0 {
			return string(value[1 : n-1]), nil
		}
		var s string
		err := json.Unmarshal(value, &s)
		return s, err
	}
	return "", fmt.Errorf("payload holds no %s", pointer)
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
