package journal

import (
	"indelible"
	"indelible/internal/sha256lanes"
)

// tree is the RFC 6962 Merkle tree over a group's records, level by level from
// the leaves up. A node without a sibling moves up unchanged, which gives the
// same root as the RFC's split at the largest power of two. All nodes are kept:
// every record of the group will want its path.
type tree struct {
	nodes []indelible.Hash
	n     int
}

func newTree(n int) *tree {
	total := n
	for w := n; w > 1; {
		w = (w + 1) / 2
		total += w
	}
	return &tree{nodes: make([]indelible.Hash, total), n: n}
}

// hasher hashes records and nodes, many at once. Its room is used again.
type hasher struct {
	batch    sha256lanes.Batch
	messages []byte
}

// together is how many are hashed at once, for the room it takes.
const together = 1024

// sums returns the hashes of the messages, which have one size, and begins anew.
func (h *hasher) sums(size int) [][sha256lanes.Size]byte {
	h.batch.Reset()
	for at := 0; at < len(h.messages); at += size {
		h.batch.Add(h.messages[at : at+size])
	}
	h.messages = h.messages[:0]
	return h.batch.Sums()
}

// leaves sets the leaves; record gives them in order.
func (t *tree) leaves(h *hasher, record func() (indelible.Ref, indelible.Hash)) {
	for from := 0; from < t.n; from += together {
		for i := from; i < min(from+together, t.n); i++ {
			ref, payload := record()
			h.messages = indelible.AppendRecordMessage(h.messages, ref, payload, uint32(i))
		}
		for i, sum := range h.sums(indelible.RecordMessageSize) {
			t.nodes[from+i] = sum
		}
	}
}

// build computes the levels above the leaves.
func (t *tree) build(h *hasher) {
	level := t.nodes
	for w := t.n; w > 1; {
		above := level[w:]
		for from := 0; from < w/2; from += together {
			for i := from; i < min(from+together, w/2); i++ {
				h.messages = append(append(append(h.messages, 1), level[2*i][:]...), level[2*i+1][:]...)
			}
			for i, sum := range h.sums(1 + 2*indelible.HashSize) {
				above[from+i] = sum
			}
		}
		if w&1 == 1 {
			above[w/2] = level[w-1]
		}
		level, w = above, (w+1)/2
	}
}

func (t *tree) root() indelible.Hash { return t.nodes[len(t.nodes)-1] }

// path is the audit path of leaf i, from the leaf up.
func (t *tree) path(i int) []indelible.Hash {
	path := []indelible.Hash{}
	level := t.nodes
	for w := t.n; w > 1; {
		if s := i ^ 1; s < w {
			path = append(path, level[s])
		}
		level, i, w = level[w:], i/2, (w+1)/2
	}
	return path
}
