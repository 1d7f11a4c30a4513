package ledger

import (
	"slices"

	"indelible"
)

// rows is the heads table: every tenant's row, and the Merkle tree over them,
// of which only what changed is hashed again.
type rows struct {
	rows  []indelible.Row // rows[i] has tenant_no i+1
	nodes [][]indelible.Hash
	dirty map[int]struct{}
}

// set writes the row of its tenant_no, which is at most one more than the last.
func (t *rows) set(row indelible.Row) {
	i := int(row.TenantNo) - 1
	if i == len(t.rows) {
		t.rows = append(t.rows, row)
	} else {
		t.rows[i] = row
	}
	if t.dirty == nil {
		t.dirty = make(map[int]struct{})
	}
	t.dirty[i] = struct{}{}
}

// root is the heads root: docs/format.md, Heads.
func (t *rows) root() indelible.Hash {
	if len(t.rows) == 0 {
		return emptyRoot
	}
	changed := make([]int, 0, len(t.dirty))
	for i := range t.dirty {
		changed = append(changed, i)
	}
	slices.Sort(changed)
	clear(t.dirty)
	width := len(t.rows)
	for level := 0; ; level++ {
		if level == len(t.nodes) {
			t.nodes = append(t.nodes, nil)
		}
		nodes := t.nodes[level]
		for len(nodes) < width {
			nodes = append(nodes, indelible.Hash{})
		}
		t.nodes[level] = nodes
		for _, i := range changed {
			switch {
			case level == 0:
				nodes[i] = t.rows[i].Hash()
			case 2*i+1 < len(t.nodes[level-1]):
				nodes[i] = indelible.RowNodeHash(t.nodes[level-1][2*i], t.nodes[level-1][2*i+1])
			default: // without a right neighbour a node is promoted as it is
				nodes[i] = t.nodes[level-1][2*i]
			}
		}
		if width == 1 {
			return nodes[0]
		}
		parents := changed[:0]
		for _, i := range changed {
			if p := i / 2; len(parents) == 0 || parents[len(parents)-1] != p {
				parents = append(parents, p)
			}
		}
		changed, width = parents, (width+1)/2
	}
}

// path is the audit path of row i under the root, smallest subtree first.
func (t *rows) path(i int) []indelible.Hash {
	t.root()
	var path []indelible.Hash
	for level, width := 0, len(t.rows); width > 1; level, width = level+1, (width+1)/2 {
		if sibling := i ^ 1; sibling < width {
			path = append(path, t.nodes[level][sibling])
		}
		i /= 2
	}
	return path
}

// truncate forgets the rows after the first n.
func (t *rows) truncate(n int) {
	t.rows = t.rows[:n]
	for level := range t.nodes {
		if len(t.nodes[level]) > n {
			t.nodes[level] = t.nodes[level][:n]
		}
		n = (n + 1) / 2
	}
	for i := range t.dirty {
		if i >= len(t.rows) {
			delete(t.dirty, i)
		}
	}
	if len(t.rows) > 0 {
		t.set(t.rows[len(t.rows)-1]) // its ancestors may have lost a right child
	}
}
