package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/tlog"

	"indelible/internal/store"
)

// errStop ends a scan early: the caller has seen enough.
var errStop = errors.New("enough")

// CopyTiles copies the published tree into an empty store in the static layout
// of C2SP tlog-tiles: bundles and hash tiles, each proved to be in the tree
// before it is written, and the checkpoint after everything else. progress, if
// not nil, is told how many leaves are copied.
func (r *Reader) CopyTiles(ctx context.Context, to store.Store, progress func(done, total uint64)) error {
	size := r.checkpoint.Size
	tree := tlog.Tree{N: int64(size), Hash: tlog.Hash(r.checkpoint.Root)}
	proved := &provedTiles{tileReader: &tileReader{st: r.st}, written: make(map[string]bool)}
	hashes := provedHashes(ctx, tree, proved, proved.tileReader)
	for n := uint64(0); n*torchwood.TileWidth < size; n++ {
		w := min(size-n*torchwood.TileWidth, torchwood.TileWidth)
		b, err := r.bundle(ctx, hashes, n, int(w))
		if err != nil {
			return err
		}
		objects := append(proved.take(), object{name: bundleName(int64(n), int(w)), data: b})
		if err := createAll(ctx, to, objects, time.Time{}); err != nil {
			return err
		}
		if progress != nil {
			progress(n*torchwood.TileWidth+w, size)
		}
	}
	if err := proved.complete(size); err != nil {
		return err
	}
	return to.Create(ctx, checkpointName, r.checkpoint.Signed, time.Time{})
}

// provedTiles collects the tiles an authenticated reader has proved.
type provedTiles struct {
	*tileReader
	ready   []object
	written map[string]bool
}

// SaveTiles is called with tiles that were proved.
func (p *provedTiles) SaveTiles(tiles []tlog.Tile, data [][]byte) {
	for i, t := range tiles {
		name := tileName(t.L, t.N, t.W)
		if !p.written[name] {
			p.written[name] = true
			p.ready = append(p.ready, object{name: name, data: data[i]})
		}
	}
}

func (p *provedTiles) take() []object {
	ready := p.ready
	p.ready = nil
	return ready
}

// complete checks that no tile of the layout was left out.
func (p *provedTiles) complete(size uint64) error {
	for level, hashes := 0, size; hashes > 0; level, hashes = level+1, hashes/torchwood.TileWidth {
		for n := uint64(0); n*torchwood.TileWidth < hashes; n++ {
			name := tileName(level, int64(n), int(min(hashes-n*torchwood.TileWidth, torchwood.TileWidth)))
			if !p.written[name] {
				return fmt.Errorf("tile %s was not copied", name)
			}
		}
	}
	return nil
}
