package indelible

import "slices"

// The contents of fence, expired, policy and hold leaves: docs/format.md,
// Governance. Nothing in them names a tenant or a person in the clear.

// Fence is the content of a fence leaf: keys that are destroyed from here on.
// Exactly one of Erased and Expired says why; or Readmitted takes back for the
// future what an earlier fence said, and destroys nothing.
type Fence struct {
	Keys       []ID         `json:"keys"` // 1 to MaxFenceKeys, ascending
	Erased     *Erased      `json:"erased,omitempty"`
	Expired    *ExpiredKeys `json:"expired,omitempty"`
	Readmitted *Readmitted  `json:"readmitted,omitempty"`
}

// MaxFenceKeys is the largest number of keys one fence names.
const MaxFenceKeys = 10_000

// Erased says that two people decided to erase.
type Erased struct {
	Erase    Erase    `json:"erase"`
	Approval Approval `json:"approval"`
}

// Readmitted says that two people decided that a person who was erased gets keys
// again for what comes. What was erased stays erased.
type Readmitted struct {
	Person   Erase    `json:"person"` // with a subject
	Approval Approval `json:"approval"`
}

// Erase is whom to erase: one subject of a tenant, or with a nil subject the tenant.
type Erase struct {
	Tenant  Ref  `json:"tenant"`
	Subject *Ref `json:"subject,omitempty"` // SubjectRef
}

// ExpiredKeys says that the time of a retention class was over: all keys of the
// class from one month.
type ExpiredKeys struct {
	Class  string `json:"class"`
	Period string `json:"period"` // the UTC month of sealing, as 2026-11
	Policy uint64 `json:"policy"` // index of the policy leaf in force
}

// Expired is the content of an expired leaf: the segments in slots First to Last
// are removed from the store from here on. Each names the one before it by its
// hash, so the last one's hash stands for all.
type Expired struct {
	First  uint64 `json:"first"`
	Last   uint64 `json:"last"`
	Hash   Hash   `json:"hash"`   // of the segment in slot Last
	Time   int64  `json:"time"`   // its commit time
	Policy uint64 `json:"policy"` // index of the policy leaf in force
	Reason string `json:"reason"` // "retention"
}

// Policy is the content of a policy leaf: one more operator, or how long events
// are kept. A decision of two people carries their approval.
type Policy struct {
	Operator  *Operator  `json:"operator,omitempty"`
	Retention *Retention `json:"retention,omitempty"`
	Approval  *Approval  `json:"approval,omitempty"`
}

// Operator is a person who can propose and approve, as a public key. The first
// one needs nobody, the second the first one's signature, more need two people.
type Operator struct {
	Key       PublicKey  `json:"key"`
	By        *PublicKey `json:"by,omitempty"`
	Signature *Signature `json:"signature,omitempty"`
}

// Retention says how long events are kept, in days from the end of the UTC month
// they were sealed in. The first rule that fits an event gives its class.
type Retention struct {
	Default uint32          `json:"default"` // days, of the class "default"
	Rules   []RetentionRule `json:"rules,omitempty"`
}

// RetentionRule is one class. Tenant and event type are keyed references, so
// that the bucket does not show them; absent means any.
type RetentionRule struct {
	Class  string `json:"class"`
	Days   uint32 `json:"days"`
	Tenant *Ref   `json:"tenant,omitempty"`
	Events *Ref   `json:"events,omitempty"` // EventTypeRef of the pattern
}

// Hold is the content of a hold leaf: nothing in its scope expires or is erased
// until it is lifted. Exactly one of Add and Lift is set.
type Hold struct {
	Add      *HoldScope `json:"add,omitempty"`
	Lift     *ID        `json:"lift,omitempty"`
	Approval *Approval  `json:"approval,omitempty"` // of Lift
}

// HoldScope is what a hold keeps: all that fits every member that is set.
type HoldScope struct {
	ID      ID     `json:"id"`
	Tenant  *Ref   `json:"tenant,omitempty"`
	Subject *Ref   `json:"subject,omitempty"` // SubjectRef; with Tenant only
	From    *int64 `json:"from,omitempty"`    // commit time in ms
	Until   *int64 `json:"until,omitempty"`   // exclusive
	Reason  Hash   `json:"reason"`            // ReasonHash
}

// SubjectRef is the keyed reference of a person within a tenant.
func SubjectRef(tenantKey *[32]byte, subject string) Ref {
	return ref(tenantKey, "subject\x00"+subject)
}

// EventTypeRef is the keyed reference of an event type pattern in a policy.
func EventTypeRef(idKey *[32]byte, pattern string) Ref {
	return ref(idKey, "indelible/v1 event type\x00"+pattern)
}

// ReasonHash is the keyed hash of a hold's reason.
func ReasonHash(idKey *[32]byte, hold ID, reason string) Hash {
	return KeyedHash(idKey, slices.Concat([]byte("indelible/v1 hold\x00"), hold[:], []byte(reason)))
}
