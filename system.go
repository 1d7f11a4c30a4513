package indelible

// The contents of system payloads: JSON, canonical. See docs/format.md, Kinds.

// Genesis is the content of leaf 0. Writer is the first writer, endorsed.
type Genesis struct {
	Format      int    `json:"format"`
	Origin      string `json:"origin"`
	VerifierKey string `json:"verifier_key"` // C2SP signed-note verifier key
	Suite       int    `json:"suite"`
	LogID       ID     `json:"log_id"`
	// Operator is the first who can propose and approve; absent in logs that
	// began without one.
	Operator *PublicKey `json:"operator,omitempty"`
	Writer
}

// WriterKey is the content of a writer-key leaf.
type WriterKey struct {
	Origin string `json:"origin"`
	LogID  ID     `json:"log_id"`
	Writer
}

// Tenant is the content of a tenant leaf.
type Tenant struct {
	Salt     Hash   `json:"salt"` // 32 random bytes
	TenantID string `json:"tenant_id"`
	TenantNo uint64 `json:"tenant_no"`
}

// Heads is the content of a heads leaf.
type Heads struct {
	Keys          Hash   `json:"keys"` // over the leaf hashes of all key leaves
	PreviousHeads uint64 `json:"previous_heads"`
	Root          Hash   `json:"root"`
	Rows          uint64 `json:"rows"`
	Segment       uint64 `json:"segment"`
	SegmentHash   Hash   `json:"segment_hash"`
}

// Clock is the content of a clock leaf: commit times may step back to Time.
type Clock struct {
	PreviousTime int64 `json:"previous_time"`
	Time         int64 `json:"time"`
}

// Interference is the content of an interference-acknowledged leaf.
type Interference struct {
	Object  string `json:"object"`
	Version string `json:"version"`
	SHA256  Hash   `json:"sha256"`
}

// LogKey is the content of a log-key leaf: the log key was rotated.
type LogKey struct {
	OldKey       string    `json:"old_key"` // C2SP verifier keys
	NewKey       string    `json:"new_key"`
	OldSignature Signature `json:"old_signature"`
	NewSignature Signature `json:"new_signature"`
}
