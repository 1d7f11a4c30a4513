package indelible

// The limits of an event. They are part of the format: every writer refuses
// what goes beyond them, so a reader may rely on them.
const (
	// MaxEventSize is the greatest length of an event's canonical bytes.
	MaxEventSize = 1 << 20
	// MaxDepth is how deep objects and arrays may nest. The event itself is
	// the first level, details the second.
	MaxDepth = 32
	// MaxInputSize is the greatest length of JSON text that is looked at. It
	// leaves room for escapes and white space that the canonical form drops.
	MaxInputSize = 8 << 20
)

// ReservedTenantPrefix begins the names of the tenants that belong to the log
// itself, such as "_system" and "_access".
const ReservedTenantPrefix = "_"
