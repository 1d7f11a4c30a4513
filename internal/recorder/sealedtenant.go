package recorder

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"indelible"
	"indelible/internal/seal"
)

// SealDescriptor implements Sealer.
func (s *Sealed) SealDescriptor(id string, salt [32]byte) ([]byte, error) {
	key, err := s.Keys.NamesKey(context.Background(), indelible.TenantRef(s.IDKey, id))
	if err != nil {
		return nil, err
	}
	// A tenant's first record is not acknowledged before its names key is safe.
	if err := s.Keys.Durable(context.Background(), key.Made()); err != nil {
		return nil, err
	}
	return seal.AppendDescriptor(nil, s.Origin, key, append(salt[:], id...)), nil
}

// OpenDescriptor implements ledger.Sealer.
func (s *Sealed) OpenDescriptor(b []byte) (id string, salt [32]byte, err error) {
	keyID, err := seal.DescriptorKey(b)
	if err != nil {
		return "", salt, err
	}
	key, ref, err := s.key(keyID)
	if err != nil {
		return "", salt, err
	}
	content, err := seal.OpenDescriptor(b, s.Origin, key)
	if err != nil {
		return "", salt, err
	}
	if len(content) <= len(salt) {
		return "", salt, errors.New("tenant descriptor is cut short")
	}
	copy(salt[:], content)
	id = string(content[len(salt):])
	return id, salt, s.checkOwner(keyID, id, ref)
}

// SealTenant implements ledger.Sealer.
func (s *Sealed) SealTenant(t indelible.Tenant) ([]byte, error) {
	content, err := tenantContent(t)
	if err != nil {
		return nil, err
	}
	key, err := s.Keys.NamesKey(context.Background(), indelible.TenantRef(s.IDKey, t.TenantID))
	if err != nil {
		return nil, away(err)
	}
	if err := s.Keys.Durable(context.Background(), key.Made()); err != nil {
		return nil, err
	}
	return seal.AppendPayload(nil, s.Origin, seal.Part{Content: content, Key: key}), nil
}

// OpenTenant implements ledger.Sealer.
func (s *Sealed) OpenTenant(payload []byte) (t indelible.Tenant, err error) {
	o, err := s.begin(payload)
	if err != nil {
		return t, err
	}
	if t, err = parseTenant(o.first, len(o.payload.Parts)); err != nil {
		return t, err
	}
	if o.payload.Parts[0].Alg == indelible.AlgNone {
		return t, nil
	}
	return t, s.checkOwner(indelible.ID(o.payload.Parts[0].KeyID), t.TenantID, o.tenant)
}

// tenantContent is the content of a tenant leaf's payload.
func tenantContent(t indelible.Tenant) ([]byte, error) {
	text, err := json.Marshal(t)
	if err != nil {
		return nil, err
	}
	return indelible.AppendCanonicalJSON(nil, text)
}

func parseTenant(content []byte, parts int) (t indelible.Tenant, err error) {
	if parts != 1 {
		return t, fmt.Errorf("tenant payload of %d parts", parts)
	}
	d := json.NewDecoder(bytes.NewReader(content))
	d.DisallowUnknownFields()
	return t, d.Decode(&t)
}
