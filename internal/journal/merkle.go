package journal

import (
	"crypto/sha256"

	"indelible"
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

func (t *tree) leaf(i int, h indelible.Hash) { t.nodes[i] = h }

// build computes the levels above the leaves.
func (t *tree) build() {
	var buf [1 + 2*indelible.HashSize]byte
	buf[0] = 1
	level := t.nodes
	for w := t.n; w > 1; {
		above := level[w:]
		for i := 0; i+1 < w; i += 2 {
			copy(buf[1:], level[i][:])
			copy(buf[1+indelible.HashSize:], level[i+1][:])
			above[i/2] = sha256.Sum256(buf[:])
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
