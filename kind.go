package indelible

import "fmt"

// Kind says what a leaf stands for. Kinds with the high bit set are critical:
// who does not know one cannot claim to have verified a log that holds it.
type Kind uint16

// The kinds of format version 1. The reserved ones carry a number only.
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

	kindCritical Kind = 0x8000
)

// Known reports whether this package knows what the kind means.
func (k Kind) Known() bool { return k >= KindGenesis && k <= KindLogKey }

// Critical reports whether a verifier that does not know the kind must give up.
func (k Kind) Critical() bool { return k&kindCritical != 0 }

// OfTenant reports whether leaves of this kind belong to a tenant.
func (k Kind) OfTenant() bool { return k == KindTenant || k == KindEvent || k == KindConflict }

// Recorded reports whether leaves of this kind are recorded events.
func (k Kind) Recorded() bool { return k == KindEvent || k == KindConflict }

func (k Kind) String() string {
	names := [...]string{"", "genesis", "writer-key", "tenant", "event", "conflict", "heads",
		"clock", "interference-acknowledged", "log-key"}
	if k.Known() {
		return names[k]
	}
	return fmt.Sprintf("kind %#04x", uint16(k))
}
