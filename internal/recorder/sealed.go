package recorder

import (
	"context"
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
		return s.payload(seal.Part{Content: content, Key: tenantKey}), tenantKey.Made(), nil
	}
	subjectKey, err := s.Keys.SubjectKey(ctx, tenant.Ref, seal.Subject{
		Name: e.UserID, Ref: func() indelible.Ref { return indelible.SubjectRef(&tenant.IDKey, e.UserID) },
	}, class)
	if err != nil {
		return nil, 0, err
	}
	skeleton, person := e.AppendSealedParts(b, s.person(e.ResourceType))
	payload := s.payload(seal.Part{Content: skeleton, Key: tenantKey}, seal.Part{Content: person, Key: subjectKey})
	return payload, max(tenantKey.Made(), subjectKey.Made()), nil
}

func (s *Sealed) payload(parts ...seal.Part) []byte {
	return seal.AppendPayload(make([]byte, 0, seal.PayloadLength(parts...)), s.Origin, parts...)
}

// Durable implements Sealer.
func (s *Sealed) Durable(ctx context.Context, made uint64) error { return s.Keys.Durable(ctx, made) }
