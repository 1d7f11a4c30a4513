package recorder

import (
	"context"
	"errors"
	"fmt"

	"indelible"
	"indelible/internal/ledger"
	"indelible/internal/seal"
)

// opening is a payload being opened.
type opening struct {
	sealed  *Sealed
	payload *indelible.Payload
	binding indelible.Hash
	tenant  indelible.Ref  // whose the tenant part's key is
	keys    []indelible.ID // of the subject parts
	first   []byte         // content of the tenant part
}

// begin opens the tenant part, from which everything else follows.
func (s *Sealed) begin(b []byte) (*opening, error) {
	p, err := indelible.DecodePayload(b)
	if err != nil {
		return nil, err
	}
	o := &opening{sealed: s, payload: p}
	if p.Parts[0].Alg == indelible.AlgNone {
		o.first = p.Parts[0].Data
		return o, nil
	}
	o.binding = indelible.PartBinding(s.Origin, p.Header())
	id := indelible.ID(p.Parts[0].KeyID)
	content, ref, err := o.part(0, id)
	if err != nil {
		return nil, err
	}
	o.tenant = ref
	o.first, o.keys, err = p.CutSubjectKeys(content)
	return o, err
}

// part opens an encrypted part under a key of the key store.
func (o *opening) part(i int, id indelible.ID) ([]byte, indelible.Ref, error) {
	keys, ref, err := o.partKeys(i, id)
	if err != nil {
		return nil, ref, err
	}
	content, err := o.payload.OpenPart(nil, &o.binding, i, keys)
	if err != nil {
		return nil, ref, &seal.WrongKeyError{Key: id, Err: err}
	}
	return content, ref, nil
}

func (o *opening) partKeys(i int, id indelible.ID) (*indelible.PartKeys, indelible.Ref, error) {
	key, ref, err := o.sealed.key(id)
	if err != nil {
		return nil, ref, err
	}
	keys := indelible.DerivePartKeys(&key.Key, &o.payload.Salt, o.sealed.Origin, i)
	return &keys, ref, nil
}

func (s *Sealed) key(id indelible.ID) (*seal.DataKey, indelible.Ref, error) {
	if s.Keys == nil {
		return nil, indelible.Ref{}, &seal.KeyError{Key: id, Err: s.Closed}
	}
	key, ref, err := s.Keys.Key(context.Background(), id)
	return key, ref, away(err)
}

// away marks an error that goes by itself, for the committer to wait.
func away(err error) error {
	if errors.Is(err, seal.ErrUnavailable) {
		return fmt.Errorf("%w: %w", ledger.ErrKeysAway, err)
	}
	return err
}

// subject opens subject part i, whose key must be of the same tenant.
func (o *opening) subject(i int) ([]byte, error) {
	p := o.payload
	if p.Parts[i].Alg == indelible.AlgNone {
		return p.Parts[i].Data, nil
	}
	if len(o.keys) < i {
		return nil, fmt.Errorf("payload: part %d is encrypted and its key is not named", i)
	}
	content, ref, err := o.part(i, o.keys[i-1])
	if err == nil && ref != o.tenant {
		err = &seal.WrongKeyError{Key: o.keys[i-1], Err: errors.New("it is another tenant's")}
	}
	return content, err
}

// contents opens all parts. missing says why some of them could not be.
func (s *Sealed) contents(b []byte) (parts [][]byte, o *opening, missing, err error) {
	if o, err = s.begin(b); err != nil {
		return nil, nil, nil, err
	}
	parts = append(make([][]byte, 0, 2), o.first)
	for i := 1; i < len(o.payload.Parts); i++ {
		content, err := o.subject(i)
		switch {
		case errors.Is(err, indelible.ErrSealed):
			missing = err
		case err != nil:
			return nil, nil, nil, err
		default:
			parts = append(parts, content)
		}
	}
	return parts, o, missing, nil
}

// Open implements Sealer.
func (s *Sealed) Open(b []byte) (*Opened, error) {
	parts, o, missing, err := s.contents(b)
	if errors.Is(err, indelible.ErrSealed) {
		return &Opened{Missing: err}, nil
	}
	if err != nil {
		return nil, err
	}
	if err := s.checkTenant(o); err != nil {
		return nil, err
	}
	if missing != nil {
		members, err := indelible.SkeletonOfParts(parts...)
		return &Opened{Members: members, Missing: missing}, err
	}
	e, err := indelible.EventOfParts(parts...)
	return &Opened{Event: e}, err
}

// checkTenant makes sure that what the tenant part says is of the tenant whose
// key sealed it.
func (s *Sealed) checkTenant(o *opening) error {
	if o.payload.Parts[0].Alg == indelible.AlgNone {
		return nil
	}
	id, err := stringMember(o.first, "/tenant_id")
	if err != nil {
		return err
	}
	return s.checkOwner(indelible.ID(o.payload.Parts[0].KeyID), string(id), o.tenant)
}

// checkOwner makes sure that a key is the tenant's. Without the ledger's id-key
// that cannot be told.
func (s *Sealed) checkOwner(key indelible.ID, tenantID string, owner indelible.Ref) error {
	if s.IDKey != nil && indelible.TenantRef(s.IDKey, tenantID) != owner {
		return &seal.WrongKeyError{Key: key, Err: errors.New("it is another tenant's")}
	}
	return nil
}

// EventIdentity implements ledger.Opener.
func (s *Sealed) EventIdentity(payload []byte) (tenantID, eventID []byte, err error) {
	o, err := s.begin(payload)
	if err != nil {
		return nil, nil, err
	}
	if tenantID, err = stringMember(o.first, "/tenant_id"); err != nil {
		return nil, nil, err
	}
	last := o.first
	if n := len(o.payload.Parts); n > 1 {
		if last, err = o.subject(n - 1); err != nil {
			return nil, nil, err
		}
	}
	eventID, err = stringMember(last, "/id")
	return tenantID, eventID, err
}

// EventTenant implements ledger.Opener.
func (s *Sealed) EventTenant(payload []byte) ([]byte, error) {
	o, err := s.begin(payload)
	if err != nil {
		return nil, err
	}
	return stringMember(o.first, "/tenant_id")
}

// EventID implements ledger.Sealer.
func (s *Sealed) EventID(payload []byte) (string, error) {
	_, id, err := s.EventIdentity(payload)
	return string(id), err
}

// PartKeys implements ledger.Opener.
func (s *Sealed) PartKeys(payload []byte, n int) ([]indelible.PartKeys, error) {
	p, err := indelible.DecodePayload(payload)
	if err != nil || p.Parts[0].Alg == indelible.AlgNone {
		return nil, err
	}
	o, err := s.begin(payload)
	if err != nil {
		if errors.Is(err, indelible.ErrSealed) {
			return nil, nil
		}
		return nil, err
	}
	var keys []indelible.PartKeys
	for i := range min(n, len(p.Parts)) {
		id := indelible.ID(p.Parts[0].KeyID)
		if i > 0 {
			id = o.keys[i-1]
		}
		k, _, err := o.partKeys(i, id)
		if errors.Is(err, indelible.ErrSealed) {
			break
		}
		if err != nil {
			return nil, err
		}
		keys = append(keys, *k)
	}
	return keys, nil
}
