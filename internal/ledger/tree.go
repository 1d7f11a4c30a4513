package ledger

import (
	"crypto/sha256"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/tlog"

	"indelible"
)

// emptyRoot is the root of the empty tree (RFC 6962): SHA-256 of nothing.
var emptyRoot = indelible.Hash(sha256.Sum256(nil))

// edge is the right edge of a growing tree, kept as the unfinished tile of
// each level: enough to append, to compute the root and to write tiles.
type edge struct {
	size   uint64
	levels [][]tlog.Hash
}

// append adds a leaf hash and calls full, if not nil, for every tile it
// completes; the tile is valid during the call only.
func (e *edge) append(h tlog.Hash, full func(level int, n int64, tile []tlog.Hash)) {
	e.size++
	e.push(0, h, full)
}

// appendTile adds the leaf hashes of a whole tile by their root, where a tile
// begins. It does not call full for that tile, only for those above.
func (e *edge) appendTile(root tlog.Hash, full func(level int, n int64, tile []tlog.Hash)) {
	e.size += torchwood.TileWidth
	if len(e.levels) == 0 {
		e.levels = append(e.levels, make([]tlog.Hash, 0, torchwood.TileWidth))
	}
	e.push(1, root, full)
}

// push adds a hash to a level and what it completes to those above.
func (e *edge) push(level int, h tlog.Hash, full func(level int, n int64, tile []tlog.Hash)) {
	width := int64(1)
	for range level {
		width *= torchwood.TileWidth
	}
	for ; ; level++ {
		if level == len(e.levels) {
			e.levels = append(e.levels, make([]tlog.Hash, 0, torchwood.TileWidth))
		}
		tile := append(e.levels[level], h)
		e.levels[level] = tile
		if len(tile) < torchwood.TileWidth {
			return
		}
		width *= torchwood.TileWidth
		if full != nil {
			full(level, int64(e.size)/width-1, tile)
		}
		h = perfectRoot(tile)
		e.levels[level] = tile[:0]
	}
}

// perfectRoot is the root over hashes whose number is a power of two, at most
// those of a tile.
func perfectRoot(hashes []tlog.Hash) tlog.Hash {
	if len(hashes) == 1 {
		return hashes[0]
	}
	var flat [torchwood.TileWidth * tlog.HashSize]byte
	for i := range hashes {
		copy(flat[i*tlog.HashSize:], hashes[i][:])
	}
	return flatRoot(flat[:len(hashes)*tlog.HashSize])
}

// flatRoot is perfectRoot of two hashes or more that lie one behind the other.
func flatRoot(hashes []byte) tlog.Hash {
	const pair = 2 * tlog.HashSize
	var work [torchwood.TileWidth / 2 * tlog.HashSize]byte
	node := [1 + pair]byte{1} // RFC 6962: SHA-256(0x01 ‖ left ‖ right)
	for {
		n := len(hashes) / pair
		for i := range n {
			copy(node[1:], hashes[i*pair:(i+1)*pair])
			h := sha256.Sum256(node[:])
			copy(work[i*tlog.HashSize:], h[:])
		}
		if hashes = work[:n*tlog.HashSize]; n == 1 {
			return tlog.Hash(hashes)
		}
	}
}

// root is the Merkle tree hash of the whole tree.
func (e *edge) root() indelible.Hash {
	if e.size == 0 {
		return emptyRoot
	}
	var root tlog.Hash
	have := false
	// From the smallest subtree at the right to the largest at the left.
	for _, tile := range e.levels {
		for w, end := 1, len(tile); end > 0; w *= 2 {
			if end&w == 0 {
				continue
			}
			sub := perfectRoot(tile[end-w : end])
			end -= w
			if have {
				root = tlog.NodeHash(sub, root)
			} else {
				root, have = sub, true
			}
		}
	}
	return indelible.Hash(root)
}

func (e *edge) clone() edge {
	c := edge{size: e.size, levels: make([][]tlog.Hash, len(e.levels))}
	for i, tile := range e.levels {
		c.levels[i] = append(make([]tlog.Hash, 0, torchwood.TileWidth), tile...)
	}
	return c
}

// tileBytes is the content of a hash tile.
func tileBytes(tile []tlog.Hash) []byte {
	b := make([]byte, 0, len(tile)*tlog.HashSize)
	for i := range tile {
		b = append(b, tile[i][:]...)
	}
	return b
}
