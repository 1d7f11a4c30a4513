package ledger

import (
	"bytes"
	"encoding/binary"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/tlog"

	"indelible"
)

// growTree takes the leaves that are not in the tree yet into it, whole tiles
// at once.
func (t *txn) growTree() {
	const hash = indelible.HashSize
	first := t.base.edge.size
	for t.edge.size < t.size {
		n, at := int64(t.edge.size/torchwood.TileWidth), int(t.edge.size%torchwood.TileWidth)
		from := int(t.edge.size - first)
		to := from + min(torchwood.TileWidth-at, int(t.size-t.edge.size))
		leaves, hashes := t.leaves[from*indelible.LeafSize:to*indelible.LeafSize], t.hashes[from*hash:to*hash]
		if to-from == torchwood.TileWidth {
			t.tiles = append(t.tiles, object{name: bundleName(n, torchwood.TileWidth), leaves: leaves},
				object{name: tileName(0, n, torchwood.TileWidth), data: hashes})
			t.edge.appendTile(t.rootOf(n, hashes), t.completed)
			continue
		}
		t.bundle = appendEntries(t.bundle, leaves)
		if at+to-from == torchwood.TileWidth {
			t.tiles = append(t.tiles, object{name: bundleName(n, torchwood.TileWidth), data: bytes.Clone(t.bundle)})
			t.bundle = t.bundle[:0]
		}
		for ; len(hashes) > 0; hashes = hashes[hash:] {
			t.edge.append(tlog.Hash(hashes[:hash]), t.completed)
		}
	}
}

// completed notes a tile for publishing.
func (t *txn) completed(level int, n int64, tile []tlog.Hash) {
	t.tiles = append(t.tiles, object{name: tileName(level, n, torchwood.TileWidth), data: tileBytes(tile)})
}

// rootOf is the root of tile n of the leaf hashes, which may be known.
func (t *txn) rootOf(n int64, hashes []byte) tlog.Hash {
	if i := n - firstTile(t.base.edge.size); i < int64(len(t.roots)) {
		return t.roots[i]
	}
	return flatRoot(hashes)
}

// firstTile is the first tile that begins at a size of the tree or later.
func firstTile(size uint64) int64 {
	return int64((size + torchwood.TileWidth - 1) / torchwood.TileWidth)
}

// appendEntries appends leaves as a bundle holds them.
func appendEntries(bundle, leaves []byte) []byte {
	for ; len(leaves) > 0; leaves = leaves[indelible.LeafSize:] {
		bundle = binary.BigEndian.AppendUint16(bundle, indelible.LeafSize)
		bundle = append(bundle, leaves[:indelible.LeafSize]...)
	}
	return bundle
}

// object is something to be written to the store under a name of its own, or
// to be compared with what stands there.
type object struct {
	name   string
	data   []byte
	leaves []byte // of a bundle, whose data is made of them when it is needed
}

func (o *object) size() int {
	if o.leaves == nil {
		return len(o.data)
	}
	return len(o.leaves) / indelible.LeafSize * leafEntry
}

// content is what is to be written.
func (o *object) content() []byte {
	if o.leaves == nil {
		return o.data
	}
	return appendEntries(make([]byte, 0, o.size()), o.leaves)
}

// first is the object cut to its first n bytes, where an entry ends, under
// another name.
func (o *object) first(n int, name string) object {
	if o.leaves == nil {
		return object{name: name, data: o.data[:n]}
	}
	return object{name: name, leaves: o.leaves[:n/leafEntry*indelible.LeafSize]}
}

// is reports whether b is the object's content.
func (o *object) is(b []byte) bool {
	if o.leaves == nil {
		return bytes.Equal(b, o.data)
	}
	if len(b) != o.size() {
		return false
	}
	for leaves := o.leaves; len(leaves) > 0; leaves, b = leaves[indelible.LeafSize:], b[leafEntry:] {
		if binary.BigEndian.Uint16(b) != indelible.LeafSize || !bytes.Equal(b[2:leafEntry], leaves[:indelible.LeafSize]) {
			return false
		}
	}
	return true
}
