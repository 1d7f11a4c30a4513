package recorder

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"indelible"
	"indelible/internal/ledger"
	"indelible/internal/seal"
)

// Sealed makes and reads payloads whose parts are encrypted: the tenant part
// under a key of the tenant, the subject part under one of the acting user.
type Sealed struct {
	Keys    *seal.Keys // nil: nothing can be opened, and Closed says why
	Closed  error
	Origin  string
	IDKey   *[32]byte                  // the ledger's
	Classes Classes                    // nil: one class for all
	Persons func(resource string) bool // whether resources of a type are persons; nil: PersonResource
}

// Classes says which retention class an event belongs to.
type Classes interface {
	Class(tenantID, eventType string) string
}

// DefaultClass is the retention class where no policy names another.
const DefaultClass = "default"

func (s *Sealed) class(e *indelible.Event) string {
	if s.Classes == nil {
		return DefaultClass
	}
	return s.Classes.Class(e.TenantID, e.EventType)
}

// PersonResource reports whether resources of a type name a person: then their
// id is sealed with the acting user's part.
func PersonResource(resourceType string) bool {
	switch resourceType {
	case "user", "iam_user", "AWS::IAM::User", "AWS::IAM::AccessKey", "assumed_role", "AWS::STS::AssumedRole", "session":
		return true
	}
	return false
}

func (s *Sealed) person(resourceType string) bool {
	if s.Persons == nil {
		return PersonResource(resourceType)
	}
	return s.Persons(resourceType)
}

// contentRoom is where contents are put together before they are encrypted.
var contentRoom = sync.Pool{New: func() any { return new([]byte) }}

// room returns a buffer for the contents of an event, and what gives it back.
func room(e *indelible.Event) (b []byte, done func()) {
	p := contentRoom.Get().(*[]byte)
	*p = slices.Grow((*p)[:0], 512+len(e.Details)+len(e.UserAgent)+len(e.ResourceID)+len(e.UserID))
	return *p, func() {
		clear((*p)[:cap(*p)])
		if cap(*p) <= 64<<10 {
			contentRoom.Put(p)
		}
	}
}

// Seal implements Sealer.
func (s *Sealed) Seal(ctx context.Context, tenant *ledger.TenantKeys, e *indelible.Event) ([]byte, uint64, error) {
	class := s.class(e)
	tenantKey, err := s.Keys.TenantKey(ctx, tenant.Ref, class)
	if err != nil {
		return nil, 0, err
	}
	b, done := room(e)
	defer done()
	if e.UserID == "" {
		content, _ := e.AppendParts(b)
		payload := make([]byte, 0, seal.PayloadLength(content))
		return seal.AppendPayload(payload, s.Origin, seal.Part{Content: content, Key: tenantKey}), tenantKey.Made(), nil
	}
	subjectKey, err := s.Keys.SubjectKey(ctx, tenant.Ref, seal.Subject{
		Name: e.UserID, Ref: func() indelible.Ref { return indelible.SubjectRef(&tenant.IDKey, e.UserID) },
	}, class)
	if err != nil {
		return nil, 0, err
	}
	skeleton, person := e.AppendSealedParts(b, &subjectKey.ID, s.person(e.ResourceType))
	payload := make([]byte, 0, seal.PayloadLength(skeleton, person))
	payload = seal.AppendPayload(payload, s.Origin, seal.Part{Content: skeleton, Key: tenantKey}, seal.Part{Content: person, Key: subjectKey})
	return payload, max(tenantKey.Made(), subjectKey.Made()), nil
}

// Durable implements Sealer.
func (s *Sealed) Durable(ctx context.Context, made uint64) error { return s.Keys.Durable(ctx, made) }

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
	o.first, o.keys, err = indelible.CutSubjectKeys(content, len(p.Parts)-1)
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

// SameEvent implements ledger.Sealer: parts that were erased or have expired on
// one side count as the same. What cannot be compared because its key is lost
// does not: then both are kept, as a conflict.
func (s *Sealed) SameEvent(a, b []byte) (bool, error) {
	same, err := s.sameEvent(a, b)
	if errors.Is(err, seal.ErrNoKey) {
		return false, nil
	}
	return same, err
}

func (s *Sealed) sameEvent(a, b []byte) (bool, error) {
	pa, _, missingA, err := s.contents(a)
	if errors.Is(err, seal.ErrErased) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	pb, _, missingB, err := s.contents(b)
	if err != nil {
		return false, err
	}
	return sameParts(pa, pb, errors.Join(missingA, missingB))
}

// IsOf implements Sealer.
func (s *Sealed) IsOf(payload []byte, e *indelible.Event) (bool, error) {
	parts, _, missing, err := s.contents(payload)
	if errors.Is(err, seal.ErrErased) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	tenant, subject := e.AppendSealedParts(nil, nil, s.person(e.ResourceType))
	mine := [][]byte{tenant}
	if subject != nil {
		mine = append(mine, subject)
	}
	return sameParts(parts, mine, missing)
}

// sameParts compares what of two events could be opened. Contents are
// canonical, so equal ones are equal bytes; but a resource that was no person
// when one was recorded may be one now, so the members decide.
func sameParts(a, b [][]byte, missing error) (bool, error) {
	if missing != nil {
		if !errors.Is(missing, seal.ErrErased) {
			return false, missing
		}
		return sameMembers(a[:1], b[:1])
	}
	if len(a) == len(b) {
		same := true
		for i := range a {
			same = same && bytes.Equal(a[i], b[i])
		}
		if same {
			return true, nil
		}
	}
	return sameMembers(a, b)
}

// sameMembers reports whether no member differs that both sides have.
func sameMembers(a, b [][]byte) (bool, error) {
	ma, err := indelible.SkeletonOfParts(a...)
	if err != nil {
		return false, err
	}
	mb, err := indelible.SkeletonOfParts(b...)
	if err != nil {
		return false, err
	}
	for name, value := range ma {
		if other, both := mb[name]; both && !bytes.Equal(value, other) {
			return false, nil
		}
	}
	return true, nil
}

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
