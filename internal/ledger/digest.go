package ledger

import (
	"slices"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/tlog"

	"indelible"
	"indelible/internal/sha256lanes"
)

// digest is what a replay needs of a segment that takes hashing and no order,
// so that it can be computed for many segments, and many leaves, at once.
type digest struct {
	leaves []byte      // hashes of the leaves, one behind the other
	intact []bool      // whether each payload is the one its leaf names
	roots  []tlog.Hash // of the whole tiles among the leaves
}

func (s *Segment) digest() (d digest) {
	var h hasher
	d.take(&h, s, s.Count())
	d.finish(&h, s)
	return d
}

// hasher is where digests are computed; it is used again.
type hasher struct {
	batch    sha256lanes.Batch
	parts    [][]byte // of a payload
	messages []byte   // what payload hashes are of, one behind the other
	payloads []payloadMessage
	nodes    []byte // of the tree, as they are hashed
	above    []byte
	refs     refs
	closed   []int // leaves whose payloads there is no key for
}

// payloadMessage is what one payload hash is of.
type payloadMessage struct {
	end   int // in messages
	parts int // whose hashes stand at the end; −1: the payload's lengths do not add up
}

// reset empties the digest and keeps its room.
func (d *digest) reset() { *d = digest{d.leaves[:0], d.intact[:0], d.roots[:0]} }

// take goes on up to leaf number end.
func (d *digest) take(h *hasher, s *Segment, end int) {
	const size = indelible.HashSize
	first := len(d.intact)
	h.batch.Reset()
	h.messages, h.payloads = h.messages[:0], h.payloads[:0]
	for i := first; i < end; i++ {
		h.batch.Add(s.leafMessage(i))
		var err error
		h.messages, h.parts, err = indelible.PayloadMessage(s.Payloads[i], h.messages, h.parts[:0])
		if err != nil {
			h.payloads = append(h.payloads, payloadMessage{len(h.messages), -1})
			continue
		}
		for _, part := range h.parts {
			h.batch.Add(part)
		}
		h.messages = slices.Grow(h.messages, len(h.parts)*size)[:len(h.messages)+len(h.parts)*size]
		h.payloads = append(h.payloads, payloadMessage{len(h.messages), len(h.parts)})
	}
	d.leaves = slices.Grow(d.leaves, s.Count()*size-len(d.leaves))
	sums := h.batch.Sums()
	for _, p := range h.payloads {
		d.leaves = append(d.leaves, sums[0][:]...)
		sums = sums[1:]
		for i := range max(p.parts, 0) {
			copy(h.messages[p.end-(p.parts-i)*size:], sums[i][:])
		}
		sums = sums[max(p.parts, 0):]
	}
	h.batch.Reset()
	begin := 0
	for _, p := range h.payloads {
		h.batch.Add(h.messages[begin:p.end])
		begin = p.end
	}
	for i, sum := range h.batch.Sums() {
		d.intact = append(d.intact, h.payloads[i].parts >= 0 && sum == indelible.LeafPayload(s.Leaf(first+i)))
	}
}

// leafMessage is what the hash of leaf i is of: a zero byte and the leaf. The
// leaf before it ends with one: there it needs no copy.
func (s *Segment) leafMessage(i int) []byte {
	at := i * indelible.LeafSize
	if at == 0 || s.Leaves[at-1] != 0 {
		return append([]byte{0}, s.Leaf(i)...)
	}
	return s.Leaves[at-1 : at+indelible.LeafSize]
}

// finish computes the roots of the whole tiles.
func (d *digest) finish(h *hasher, s *Segment) {
	d.roots = h.tileRoots(d.roots, d.leaves, s.OldSize)
}

// tileRoots appends the roots of the whole tiles among leaf hashes that follow a
// tree of a size, some of them at once.
func (h *hasher) tileRoots(roots []tlog.Hash, leaves []byte, size uint64) []tlog.Hash {
	const tile, some = torchwood.TileWidth * indelible.HashSize, 16
	at := int(uint64(firstTile(size))*torchwood.TileWidth-size) * indelible.HashSize
	for len(leaves)-at >= tile {
		n := min(some, (len(leaves)-at)/tile)
		for _, root := range h.roots(leaves[at:at+n*tile], n) {
			roots = append(roots, root)
		}
		at += n * tile
	}
	return roots
}

// roots returns the roots of n trees whose leaf hashes lie one behind the other,
// a power of two in each.
func (h *hasher) roots(hashes []byte, n int) [][sha256lanes.Size]byte {
	const size, node = indelible.HashSize, 1 + 2*indelible.HashSize
	for {
		h.batch.Reset()
		h.nodes = h.nodes[:0]
		for at := 0; at < len(hashes); at += 2 * size {
			h.nodes = append(append(h.nodes, 1), hashes[at:at+2*size]...) // RFC 6962: SHA-256(0x01 ‖ left ‖ right)
		}
		for at := 0; at < len(h.nodes); at += node {
			h.batch.Add(h.nodes[at : at+node])
		}
		sums := h.batch.Sums()
		if len(sums) <= n {
			return sums
		}
		h.above = h.above[:0]
		for i := range sums {
			h.above = append(h.above, sums[i][:]...)
		}
		hashes = h.above
	}
}

// leaf is the hash of leaf i.
func (d *digest) leaf(i int) indelible.Hash {
	return indelible.Hash(d.leaves[i*indelible.HashSize : (i+1)*indelible.HashSize])
}
