//go:build !purego

package sha256lanes

import (
	"crypto/fips140"

	"golang.org/x/sys/cpu"
)

// What sixteen is written with: F for the rounds, BW for masks of bytes. Who
// asks for FIPS 140 gets the module that is validated, and not this.
var haveLanes = cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW && cpu.X86.HasBMI2 && !fips140.Enabled()

// sixteen hashes messages of less than 2^29 bytes. The first full blocks of 64
// bytes are in all of them; the longest has that many blocks with its padding.
//
//go:noescape
func sixteen(sums *[lanes][Size]byte, messages *[lanes]*byte, sizes *[lanes]uint32, full, blocks int)
