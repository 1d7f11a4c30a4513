package indelible_test

import (
	"encoding/json"
	"testing"

	"indelible"
	"indelible/internal/vectortest"
)

// TestGovernanceVectors: what two operators sign, and the contents they end up in.
func TestGovernanceVectors(t *testing.T) {
	b := vectortest.NewBlock("governance")
	logID, proposal, keyID := indelible.ID(bytes16(0x11)), indelible.ID(bytes16(0x77)), indelible.ID(bytes16(0x99))
	idKey, salt := bytes32(0x33), bytes32(0x44)
	first, second := seeded(0x05), seeded(0x06)
	tenantKey := indelible.TenantKey(&idKey, &salt)
	subject := indelible.SubjectRef(&tenantKey, "maria@acme.example")
	events := indelible.EventTypeRef(&idKey, "auth.*")
	reason := indelible.ReasonHash(&idKey, proposal, "case 2026-17")
	b.Bytes("subject_ref of maria@acme.example", subject[:])
	b.Bytes("event_type_ref of auth.*", events[:])
	b.Bytes("reason of hold 7777… case 2026-17", reason[:])

	introduced := indelible.Introduce(first, public(second), vectorOrigin, logID)
	action := indelible.Action{Erase: &indelible.Erase{Tenant: indelible.TenantRef(&idKey, "acme"), Subject: &subject}}
	hash, err := action.Hash()
	if err != nil {
		t.Fatal(err)
	}
	a, err := indelible.Propose(first, &action, vectorOrigin, logID, proposal, vectorTime)
	if err == nil {
		err = a.Approve(second, &action, vectorOrigin, logID, vectorTime+1000)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Verify(&action, vectorOrigin, logID, []indelible.PublicKey{public(first), public(second)}); err != nil {
		t.Fatal(err)
	}
	b.Gap()
	for _, c := range []struct {
		name string
		v    any
	}{
		{"policy leaf, second operator", indelible.Policy{Operator: &introduced}},
		{"action", action},
		{"fence leaf", indelible.Fence{Keys: []indelible.ID{keyID}, Erased: &indelible.Erased{Erase: *action.Erase, Approval: a}}},
		{"expired leaf", indelible.Expired{First: 3, Last: 9, Hash: bytes32(0xaa), Time: vectorTime, Policy: 2, Reason: "retention"}},
		{"policy leaf, retention", indelible.Policy{Retention: &indelible.Retention{Default: 400, Rules: []indelible.RetentionRule{{Class: "logins", Days: 90, Events: &events}}}}},
		{"hold leaf", indelible.Hold{Add: &indelible.HoldScope{ID: proposal, Subject: &subject, Tenant: &action.Erase.Tenant, Reason: reason}}},
	} {
		plain, err := json.Marshal(c.v)
		if err != nil {
			t.Fatal(err)
		}
		canonical, err := indelible.AppendCanonicalJSON(nil, plain)
		if err != nil {
			t.Fatal(err)
		}
		b.Text(c.name, string(canonical))
		if c.name == "action" {
			b.Bytes("action hash", hash[:])
		}
	}
	b.Check(t, "docs/format.md")
}
