package indelible

import "fmt"

// Kind says what a leaf stands for. Kinds with the high bit set are critical:
// who does not know one cannot claim to have verified a log that holds it.
type Kind uint16

// The kinds of format version 1. The reserved one, 10, is a number only.
const (
	KindGenesis      Kind = 1 // leaf 0: origin, key, suite, log id
	KindWriterKey    Kind = 2 // another data directory may write
	KindTenant       Kind = 3 // a tenant's first leaf
	KindEvent        Kind = 4 // a recorded event
	KindConflict     Kind = 5 // an event whose id was taken by other content
	KindHeads        Kind = 6 // the table of every tenant's latest leaf
	KindClock        Kind = 7 // the clock was set back, knowingly
	KindInterference Kind = 8 // a foreign object or version somebody has looked at
	KindLogKey       Kind = 9 // rotation of the log key

	KindFence   Kind = 11     // keys that are destroyed
	KindExpired Kind = 0x800c // segments that are removed
	KindPolicy  Kind = 13     // an operator, or how long events are kept
	KindHold    Kind = 14     // what must not go, and what may again

	kindCritical Kind = 0x8000
)

// Known reports whether this package knows what the kind means.
func (k Kind) Known() bool { return kindNames[k] != "" }

// Critical reports whether a verifier that does not know the kind must give up.
func (k Kind) Critical() bool { return k&kindCritical != 0 }

// OfTenant reports whether leaves of this kind belong to a tenant.
func (k Kind) OfTenant() bool { return k == KindTenant || k == KindEvent || k == KindConflict }

// Recorded reports whether leaves of this kind are recorded events.
func (k Kind) Recorded() bool { return k == KindEvent || k == KindConflict }

var kindNames = map[Kind]string{
	KindGenesis: "genesis", KindWriterKey: "writer-key", KindTenant: "tenant", KindEvent: "event", KindConflict: "conflict",
	KindHeads: "heads", KindClock: "clock", KindInterference: "interference-acknowledged", KindLogKey: "log-key",
	KindFence: "fence", KindExpired: "expired", KindPolicy: "policy", KindHold: "hold",
}

func (k Kind) String() string {
	if name := kindNames[k]; name != "" {
		return name
	}
	return fmt.Sprintf("kind %#04x", uint16(k))
}
