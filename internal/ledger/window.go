package ledger

import (
	"context"
	"fmt"

	"filippo.io/torchwood"

	"indelible"
	"indelible/internal/disk"
)

// window finds the index of an event by its reference. It is a cache: what it
// holds can be rebuilt from the leaves.
type window struct {
	refs map[indelible.Ref]uint64
	next uint64 // leaves below this index are in it
}

func openWindow(fsys disk.FS, dir string, log indelible.ID) (*window, error) {
	return &window{refs: make(map[indelible.Ref]uint64)}, nil
}

func (w *window) lookup(ref indelible.Ref) (uint64, bool, error) {
	i, ok := w.refs[ref]
	return i, ok, nil
}

func (w *window) lookupAll(ref indelible.Ref) (uint64, bool, error) { return w.lookup(ref) }

func (w *window) add(ref indelible.Ref, index uint64) { w.refs[ref] = index }

func (w *window) rollback(refs []indelible.Ref) {
	for _, r := range refs {
		delete(w.refs, r)
	}
}

func (w *window) close() error { return nil }

// windowRef is the reference by which a leaf is found again; conflicts and
// system leaves are not.
func windowRef(leaf []byte) (ref indelible.Ref, ok bool) {
	if indelible.Kind(leaf[6])<<8|indelible.Kind(leaf[7]) != indelible.KindEvent {
		return ref, false
	}
	return indelible.Ref(leaf[24:40]), true
}

// fillWindow adds the leaves the window has not seen: those below first from
// the published bundles, the rest from the segments just replayed.
func (l *Ledger) fillWindow(ctx context.Context, first uint64, replayed []byte) error {
	w := l.window
	for w.next < first {
		n := w.next / torchwood.TileWidth
		width := int(min(first-n*torchwood.TileWidth, torchwood.TileWidth))
		b, err := readTile(ctx, l.cfg.Store, -1, int64(n), width)
		if err != nil {
			return fmt.Errorf("rebuild the index of references: %w", err)
		}
		const entry = 2 + indelible.LeafSize
		for ; w.next < n*torchwood.TileWidth+uint64(width); w.next++ {
			at := int(w.next%torchwood.TileWidth) * entry
			w.addLeaf(b[at+2:at+entry], w.next)
		}
	}
	for i := 0; i < len(replayed); i += indelible.LeafSize {
		if index := first + uint64(i/indelible.LeafSize); index >= w.next {
			w.addLeaf(replayed[i:i+indelible.LeafSize], index)
			w.next = index + 1
		}
	}
	return nil
}

func (w *window) addLeaf(leaf []byte, index uint64) {
	if ref, ok := windowRef(leaf); ok {
		w.add(ref, index)
	}
}
