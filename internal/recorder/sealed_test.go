package recorder

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"indelible"
	"indelible/internal/ledger"
	"indelible/internal/sample"
	"indelible/internal/seal"
	"indelible/internal/seal/keyfile"
)

const sealedOrigin = "example.com/log"

// newSealed makes a sealer with keys of its own, and what tenants have.
func newSealed(t *testing.T) (*Sealed, func(id string) *ledger.TenantKeys) {
	t.Helper()
	dir := t.TempDir()
	root, err := keyfile.Create(filepath.Join(dir, "root.key"), nil)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "keys.db")
	if err := seal.Create(t.Context(), path, sealedOrigin); err != nil {
		t.Fatal(err)
	}
	keys, err := seal.Open(t.Context(), path, seal.Options{Origin: sealedOrigin, Root: root})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keys.Close() })
	if err := keys.ApplyFences(t.Context(), 0, nil); err != nil {
		t.Fatal(err)
	}
	idKey := [32]byte{1, 2, 3}
	s := &Sealed{Keys: keys, Origin: sealedOrigin, IDKey: &idKey}
	return s, func(id string) *ledger.TenantKeys {
		salt := [32]byte{byte(len(id))}
		return &ledger.TenantKeys{Ref: indelible.TenantRef(&idKey, id), IDKey: indelible.TenantKey(&idKey, &salt)}
	}
}

func sealEvent(t *testing.T, s *Sealed, k *ledger.TenantKeys, e *indelible.Event) []byte {
	t.Helper()
	payload, made, err := s.Seal(t.Context(), k, e)
	if err == nil {
		err = s.Durable(t.Context(), made)
	}
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

// someEvent is an event with a person and details.
func someEvent(t *testing.T) *indelible.Event {
	t.Helper()
	e, err := indelible.ParseEvent([]byte(`{"id":"0192c5a0-7c1b-7e3a-9b1d-3f5e7a9c1b2d","timestamp":"2024-10-25T14:03:11Z","event_type":"data_access","user_id":"maria@acme.example",
		"tenant_id":"acme","resource_type":"dataset","resource_id":"ds-7","action":"export","outcome":"success","source_ip":"192.0.2.7","details":{"rows":1000}}`))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// What is sealed opens to the same event, whoever acted on whatever, and shows
// nothing of it, plain or encoded.
func TestSealed(t *testing.T) {
	t.Parallel()
	s, tenant := newSealed(t)
	n := 0
	for e := range sample.Events(3, 300) {
		switch n++; n % 5 {
		case 0:
			e.UserID = ""
		case 1:
			e.ResourceType, e.ResourceID = "user", "someone@else.example"
		}
		payload := sealEvent(t, s, tenant(e.TenantID), e)
		o, err := s.Open(payload)
		if err != nil || o.Event == nil || string(o.Event.AppendJSON(nil)) != string(e.AppendJSON(nil)) {
			t.Fatalf("opened %+v, error %v; sealed %s", o, err, e.AppendJSON(nil))
		}
		tenantID, id, err := s.EventIdentity(payload)
		if err != nil || string(tenantID) != e.TenantID || string(id) != e.ID {
			t.Errorf("identity %q, %q, %v", tenantID, id, err)
		}
		if same, err := s.IsOf(payload, e); !same || err != nil {
			t.Errorf("not the same event: %v", err)
		}
		if same, err := s.SameEvent(payload, sealEvent(t, s, tenant(e.TenantID), e)); !same || err != nil {
			t.Errorf("sealed twice, not the same event: %v", err)
		}
		other := *e
		other.Outcome = "otherwise"
		if same, err := s.IsOf(payload, &other); same || err != nil {
			t.Errorf("another event is the same: %v", err)
		}
		if same, err := s.SameEvent(payload, sealEvent(t, s, tenant(e.TenantID), &other)); same || err != nil {
			t.Errorf("another event is the same: %v", err)
		}
		for _, secret := range []string{e.TenantID, e.UserID, e.ID, e.ResourceID} {
			if len(secret) > 3 && (bytes.Contains(payload, []byte(secret)) || bytes.Contains(payload, []byte(hex.EncodeToString([]byte(secret))))) {
				t.Fatalf("the payload shows %q", secret)
			}
		}
	}
}

// A part is shown only to who has its keys: evidence of the skeleton holds
// nothing of the person, and a resource that is a person counts as one.
func TestDisclosure(t *testing.T) {
	t.Parallel()
	s, tenant := newSealed(t)
	e := someEvent(t)
	e.ResourceType, e.ResourceID = "user", "jan@acme.example"
	payload := sealEvent(t, s, tenant("acme"), e)
	keys, err := s.PartKeys(payload, 1)
	if err != nil || len(keys) != 1 {
		t.Fatalf("%d keys, %v", len(keys), err)
	}
	p, err := indelible.DecodePayload(payload)
	if err != nil {
		t.Fatal(err)
	}
	binding := indelible.PartBinding(sealedOrigin, p.Header())
	skeleton, err := p.OpenPart(nil, &binding, 0, &keys[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"maria", "jan", "192.0.2.7", "rows", e.ID} {
		if bytes.Contains(skeleton, []byte(secret)) {
			t.Errorf("the skeleton shows %s: %s", secret, skeleton)
		}
	}
	if _, err := p.OpenPart(nil, &binding, 1, &keys[0]); !errors.Is(err, indelible.ErrWrongKey) {
		t.Errorf("the skeleton's keys on the person's part: %v", err)
	}
	other := sealEvent(t, s, tenant("acme"), e)
	q, err := indelible.DecodePayload(other)
	if err != nil {
		t.Fatal(err)
	}
	binding = indelible.PartBinding(sealedOrigin, q.Header())
	if _, err := q.OpenPart(nil, &binding, 0, &keys[0]); !errors.Is(err, indelible.ErrWrongKey) {
		t.Errorf("one event's keys on another event: %v", err)
	}
}

// An event of one tenant under another's keys, wholly or in one part, is not
// shown, and the key is named.
func TestAnotherTenantsKey(t *testing.T) {
	t.Parallel()
	s, tenant := newSealed(t)
	e := someEvent(t)
	foreign := sealEvent(t, s, tenant("bolt"), e) // says acme, sealed for bolt
	acme := tenant("acme")
	tenantKey, err := s.Keys.TenantKey(t.Context(), acme.Ref, DefaultClass)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := s.Keys.SubjectKey(t.Context(), tenant("bolt").Ref, seal.Subject{Name: "x", Ref: func() indelible.Ref { return indelible.Ref{} }}, DefaultClass)
	if err == nil {
		err = s.Durable(t.Context(), theirs.Made())
	}
	if err != nil {
		t.Fatal(err)
	}
	first, second := e.AppendSealedParts(nil, false)
	mixed := seal.AppendPayload(nil, sealedOrigin, seal.Part{Content: first, Key: tenantKey}, seal.Part{Content: second, Key: theirs})
	for what, payload := range map[string][]byte{"wholly": foreign, "in one part": mixed} {
		var wrong *seal.WrongKeyError
		o, err := s.Open(payload)
		if !errors.As(err, &wrong) || wrong.Key == (indelible.ID{}) || !strings.Contains(err.Error(), wrong.Key.String()) {
			t.Errorf("%s: opened %+v, %v", what, o, err)
		}
	}
	names := seal.AppendPayload(nil, sealedOrigin, seal.Part{Content: []byte(`{"salt":"` + strings.Repeat("44", 32) + `","tenant_id":"bolt","tenant_no":1}`), Key: tenantKey})
	if got, err := s.OpenTenant(names); !errors.Is(err, indelible.ErrWrongKey) {
		t.Errorf("a tenant leaf under another tenant's key: %+v, %v", got, err)
	}
}

// A key store of another log's records knows none of their keys, and says which.
func TestAnotherLogsKeys(t *testing.T) {
	t.Parallel()
	s, tenant := newSealed(t)
	other, _ := newSealed(t)
	payload := sealEvent(t, s, tenant("acme"), someEvent(t))
	o, err := other.Open(payload)
	var missing *seal.KeyError
	if err != nil || o.Event != nil || len(o.Members) != 0 || !errors.As(o.Missing, &missing) || !errors.Is(missing, seal.ErrNoKey) {
		t.Fatalf("opened %+v, %v", o, err)
	}
	closed := &Sealed{Closed: errors.New("nobody has them"), Origin: sealedOrigin}
	if o, err := closed.Open(payload); err != nil || !errors.As(o.Missing, &missing) || !strings.Contains(missing.Error(), "nobody has them") {
		t.Errorf("opened %+v, %v", o, err)
	}
	if o, err := Plain.Open(payload); err != nil || !errors.Is(o.Missing, indelible.ErrSealed) {
		t.Errorf("without any keys: %+v, %v", o, err)
	}
}

// After a person was erased the skeleton is left, repeats are still repeats, and
// what comes later of that person is not kept.
func TestErased(t *testing.T) {
	t.Parallel()
	s, tenant := newSealed(t)
	acme, e := tenant("acme"), someEvent(t)
	before := sealEvent(t, s, acme, e)
	ids, err := s.Keys.ErasableSubject(t.Context(), acme.Ref, e.UserID)
	if err != nil || len(ids) != 1 {
		t.Fatalf("%v, %v", ids, err)
	}
	ref := indelible.SubjectRef(&acme.IDKey, e.UserID)
	fence := ledger.Fence{Index: 7, Time: time.Now().UnixMilli(), Fence: indelible.Fence{Keys: ids, Erased: &indelible.Erased{Erase: indelible.Erase{Tenant: acme.Ref, Subject: &ref}}}}
	if err := s.ApplyFences(context.Background(), 8, []ledger.Fence{fence}); err != nil {
		t.Fatal(err)
	}
	after := sealEvent(t, s, acme, e)
	for what, payload := range map[string][]byte{"from before": before, "from after": after} {
		o, err := s.Open(payload)
		if err != nil || o.Event != nil || !errors.Is(o.Missing, seal.ErrErased) {
			t.Fatalf("%s: %+v, %v", what, o, err)
		}
		if string(o.Members["tenant_id"]) != `"acme"` || len(o.Members) != 7 || o.Members["user_id"] != nil || o.Members["id"] != nil {
			t.Errorf("%s: what is left is %s", what, o.Members)
		}
		if same, err := s.IsOf(payload, e); !same || err != nil {
			t.Errorf("%s: a repeat is none: %v", what, err)
		}
		other := *e
		other.Action = "delete"
		if same, err := s.IsOf(payload, &other); same || err != nil {
			t.Errorf("%s: what differs in what is left is a repeat: %v", what, err)
		}
		if keys, err := s.PartKeys(payload, 9); err != nil || len(keys) != 1 {
			t.Errorf("%s: evidence can show %d parts, %v", what, len(keys), err)
		}
		if _, _, err := s.EventIdentity(payload); !errors.Is(err, indelible.ErrSealed) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if same, err := s.SameEvent(before, after); !same || err != nil {
		t.Errorf("a repeat is none: %v", err)
	}
}

// Descriptors and tenant leaves come back, for who has the key.
func TestSealedTenant(t *testing.T) {
	t.Parallel()
	s, _ := newSealed(t)
	other, _ := newSealed(t)
	want := indelible.Tenant{Salt: [32]byte{4}, TenantID: "acme", TenantNo: 3}
	payload, err := s.SealTenant(want)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.OpenTenant(payload); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	descriptor, err := s.SealDescriptor("acme", want.Salt)
	if err != nil {
		t.Fatal(err)
	}
	if id, salt, err := s.OpenDescriptor(descriptor); err != nil || id != "acme" || salt != want.Salt {
		t.Errorf("%q, %x, %v", id, salt, err)
	}
	if bytes.Contains(descriptor, []byte("acme")) || bytes.Contains(payload, []byte("acme")) {
		t.Error("the tenant's name is shown")
	}
	for i := range descriptor {
		changed := bytes.Clone(descriptor)
		changed[i] ^= 1
		if id, _, err := s.OpenDescriptor(changed); err == nil {
			t.Errorf("a descriptor with byte %d changed opens as %q", i, id)
		}
	}
	if _, err := other.OpenTenant(payload); !errors.Is(err, seal.ErrNoKey) {
		t.Errorf("without the key: %v", err)
	}
	if _, _, err := other.OpenDescriptor(descriptor); !errors.Is(err, seal.ErrNoKey) {
		t.Errorf("without the key: %v", err)
	}
}
