// Package sha256lanes computes SHA-256 of many messages at once, which takes a
// third of the time it takes one after the other where the processor has
// AVX-512. Elsewhere, with the build tag purego, and in FIPS 140 mode
// (GODEBUG=fips140=on), it is crypto/sha256 in a loop.
package sha256lanes

import (
	"crypto/sha256"
	"slices"
)

// Size is the size of a hash in bytes.
const Size = sha256.Size

const (
	lanes = 16

	// Sixteen messages at once take as long as this many one by one, of the
	// same length. Measured: 6 to 8.
	worth = 7

	// Messages of as many blocks of 64 bytes, and more, are hashed by themselves.
	long = 256
)

// Batch is messages to be hashed together.
type Batch struct {
	messages [][]byte
	sums     [][Size]byte
	order    []uint32 // of messages: the longest first
}

// Reset empties the batch and keeps its room.
func (b *Batch) Reset() {
	clear(b.messages)
	b.messages = b.messages[:0]
}

// Add adds a message. It must not change until Sums.
func (b *Batch) Add(message []byte) { b.messages = append(b.messages, message) }

// Sums returns the hashes of the messages, in the order they were added, until
// the next Sums.
func (b *Batch) Sums() [][Size]byte {
	n := len(b.messages)
	b.sums = slices.Grow(b.sums[:0], n)[:n]
	if !haveLanes || n < worth {
		for i, m := range b.messages {
			b.sums[i] = sha256.Sum256(m)
		}
		return b.sums
	}
	b.sort()
	for order := b.order; len(order) > 0; {
		group := order[:min(lanes, len(order))]
		longest, total := blocks(b.messages[group[0]]), 0
		for _, i := range group {
			total += blocks(b.messages[i])
		}
		if longest >= long || total < worth*longest {
			b.sums[order[0]] = sha256.Sum256(b.messages[order[0]])
			order = order[1:]
			continue
		}
		b.together(group)
		order = order[len(group):]
	}
	return b.sums
}

// blocks is the number of blocks of a message with its padding.
func blocks(m []byte) int { return (len(m) + 9 + 63) / 64 }

// sort orders the messages by their blocks, so that those hashed together end
// together.
func (b *Batch) sort() {
	var begin [long + 1]uint32
	for _, m := range b.messages {
		begin[long-min(blocks(m), long)]++
	}
	at := uint32(0)
	for i, n := range begin {
		begin[i] = at
		at += n
	}
	b.order = slices.Grow(b.order[:0], len(b.messages))[:len(b.messages)]
	for i, m := range b.messages {
		k := long - min(blocks(m), long)
		b.order[begin[k]] = uint32(i)
		begin[k]++
	}
}

// together hashes sixteen messages or less, the longest first.
func (b *Batch) together(group []uint32) {
	var sums [lanes][Size]byte
	var messages [lanes]*byte
	var sizes [lanes]uint32
	shortest := len(b.messages[group[0]])
	for i := range lanes {
		m := b.messages[group[min(i, len(group)-1)]] // lanes left over hash the last one again
		messages[i], sizes[i] = pointer(m), uint32(len(m))
		shortest = min(shortest, len(m))
	}
	sixteen(&sums, &messages, &sizes, shortest/64, blocks(b.messages[group[0]]))
	for i, at := range group {
		b.sums[at] = sums[i]
	}
}

var nothing byte // what an empty message points to

func pointer(m []byte) *byte {
	if len(m) == 0 {
		return &nothing
	}
	return &m[0]
}
