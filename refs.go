package indelible

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
)

// TenantRef is the keyed reference of a tenant: the event_ref of its tenant leaf.
func TenantRef(idKey *[32]byte, tenantID string) Ref {
	return ref(idKey[:], "indelible/v1 tenant\x00"+tenantID)
}

// TenantKey derives a tenant's id-key from the ledger's and the salt in the tenant's payload.
func TenantKey(idKey, salt *[32]byte) (key [32]byte) {
	b, err := hkdf.Key(sha256.New, idKey[:], salt[:], "indelible/v1 tenant id-key", len(key))
	if err != nil {
		panic(err) // only for lengths HKDF cannot give
	}
	copy(key[:], b)
	return key
}

// EventRef is the keyed reference of an event id within its tenant.
func EventRef(tenantKey *[32]byte, eventID string) Ref { return ref(tenantKey[:], eventID) }

func ref(key []byte, message string) (r Ref) {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(message))
	var sum [sha256.Size]byte
	copy(r[:], h.Sum(sum[:0]))
	return r
}
