package ledger

import (
	"context"
	"errors"
	"fmt"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/tlog"

	"indelible"
	"indelible/internal/store"
)

// tileReader reads tiles from a store, for torchwood's authenticated readers.
// A partial tile may have been superseded: the full one holds its hashes too.
type tileReader struct {
	st  store.Store
	err error // of the last read, to be told from tiles that were read and do not fit
}

func (r *tileReader) ReadTiles(ctx context.Context, tiles []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	for i, t := range tiles {
		b, err := readTile(ctx, r.st, t.L, t.N, t.W)
		r.err = err
		if err != nil {
			return nil, err
		}
		data[i] = b
	}
	return data, nil
}

func (r *tileReader) SaveTiles([]tlog.Tile, [][]byte) {}

func (r *tileReader) ReadEndpoint(ctx context.Context, path string) ([]byte, error) {
	return readAll(ctx, r.st, path, maxCheckpoint)
}

// readTile reads the first w entries of a tile, from the full tile if the
// partial one is gone. Level −1 is the bundle.
func readTile(ctx context.Context, st store.Store, level int, n int64, w int) ([]byte, error) {
	return beneath(st, func(st store.Store) ([]byte, error) { return readTileFrom(ctx, st, level, n, w) })
}

func readTileFrom(ctx context.Context, st store.Store, level int, n int64, w int) ([]byte, error) {
	entry := int64(entrySize(level))
	name := tileName(level, n, w)
	b, err := readAll(ctx, st, name, torchwood.TileWidth*entry)
	if errors.Is(err, store.ErrNotExist) && w < torchwood.TileWidth {
		name = tileName(level, n, torchwood.TileWidth)
		b, err = readAll(ctx, st, name, torchwood.TileWidth*entry)
	}
	if err != nil {
		return nil, missing(name, err)
	}
	if int64(len(b)) < int64(w)*entry {
		return nil, tampered(name, "%d bytes, want at least %d", len(b), int64(w)*entry)
	}
	return b[:int64(w)*entry], nil
}

// treeReader gives the hashes of a checkpoint's tree, each proved to be in it.
// It is for one goroutine.
func treeReader(ctx context.Context, st store.Store, c *Checkpoint) tlog.HashReader {
	tree := tlog.Tree{N: int64(c.Size), Hash: tlog.Hash(c.Root)}
	from := func(st store.Store) tlog.HashReader {
		tiles := &tileReader{st: st}
		return provedHashes(ctx, tree, tiles, tiles)
	}
	plain := from(st)
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		return beneath(st, func(at store.Store) ([]tlog.Hash, error) {
			if at == st {
				return plain.ReadHashes(indexes)
			}
			return from(at).ReadHashes(indexes)
		})
	})
}

// provedHashes reads hashes of a tree through r, whose store reads are tiles'.
// Tiles that were read and do not give the tree's root are tampering.
func provedHashes(ctx context.Context, tree tlog.Tree, r torchwood.TileReader, tiles *tileReader) tlog.HashReader {
	proved := torchwood.TileHashReaderWithContext(ctx, tree, r)
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		hashes, err := proved.ReadHashes(indexes)
		if err != nil && tiles.err == nil {
			err = tampered(tilePrefix, "the tiles do not give the checkpoint's root: %v", err)
		}
		return hashes, err
	})
}

// publishedLeaf reads a leaf below the checkpoint's size and proves it.
func publishedLeaf(ctx context.Context, st store.Store, c *Checkpoint, index uint64) ([]byte, tlog.RecordProof, error) {
	if index >= c.Size {
		return nil, nil, fmt.Errorf("no leaf %d in a tree of size %d", index, c.Size)
	}
	var proof tlog.RecordProof
	leaf, err := beneath(st, func(st store.Store) (leaf []byte, err error) {
		leaf, proof, err = publishedLeafFrom(ctx, st, c, index)
		return leaf, err
	})
	return leaf, proof, err
}

func publishedLeafFrom(ctx context.Context, st store.Store, c *Checkpoint, index uint64) ([]byte, tlog.RecordProof, error) {
	n := int64(index / torchwood.TileWidth)
	w := min(c.Size-uint64(n)*torchwood.TileWidth, torchwood.TileWidth)
	b, err := readTile(ctx, st, -1, n, int(w))
	if err != nil {
		return nil, nil, err
	}
	name := bundleName(n, int(w))
	leaf := bundleEntry(b, index)
	proof, err := tlog.ProveRecord(int64(c.Size), int64(index), treeReader(ctx, st, c))
	if err != nil {
		return nil, nil, fmt.Errorf("prove leaf %d: %w", index, err)
	}
	if tlog.CheckRecord(proof, int64(c.Size), tlog.Hash(c.Root), int64(index), tlog.Hash(indelible.LeafHash(leaf))) != nil {
		return nil, nil, tampered(name, "leaf %d is not the one in the tree", index)
	}
	return leaf, proof, nil
}

// treeHash is the root the checkpoint's tree had when it had size leaves.
func treeHash(ctx context.Context, st store.Store, c *Checkpoint, size uint64) (indelible.Hash, error) {
	h, err := tlog.TreeHash(int64(size), treeReader(ctx, st, c))
	return indelible.Hash(h), err
}
