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
	width := int64(1)
	for level := 0; ; level++ {
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

// perfectRoot is the root over hashes whose number is a power of two.
func perfectRoot(hashes []tlog.Hash) tlog.Hash {
	var work [torchwood.TileWidth]tlog.Hash
	n := copy(work[:], hashes)
	for ; n > 1; n /= 2 {
		for i := range n / 2 {
			work[i] = tlog.NodeHash(work[2*i], work[2*i+1])
		}
	}
	return work[0]
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
