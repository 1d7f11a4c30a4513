package ledger

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"filippo.io/torchwood"

	"indelible"
	"indelible/internal/disk"
)

// window finds the index of an event by its reference. It is a cache beside
// the journal: what it holds can be rebuilt from the leaves. The newest
// references are in a map; older ones in sorted files (runs). lookup answers
// for the newest windowIDs references, lookupAll for all.
type window struct {
	fsys disk.FS
	dir  string
	log  indelible.ID

	mu     sync.RWMutex
	recent map[indelible.Ref]uint64
	frozen map[indelible.Ref]uint64 // being written to a run
	runs   []*run                   // by index, without gaps from 0
	next   uint64                   // leaves below this index are in the window
	saved  uint64                   // leaves below this index are in runs or frozen
	err    error                    // of writing a run in the background
	wg     sync.WaitGroup
}

const (
	windowIDs  = 10_000_000
	runEntries = 256 << 10 // references in memory before they become a run
)

func openWindow(fsys disk.FS, dir string, log indelible.ID) (*window, error) {
	w := &window{fsys: fsys, dir: dir, log: log, recent: make(map[indelible.Ref]uint64)}
	if err := fsys.MkdirAll(dir); err != nil {
		return nil, err
	}
	entries, err := fsys.List(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		if strings.HasPrefix(e.Name(), disk.TempPrefix) {
			fsys.Remove(name)
			continue
		}
		if r, err := openRun(fsys, name, log); err == nil {
			w.runs = append(w.runs, r)
		} else if !errors.Is(err, fs.ErrNotExist) {
			fsys.Remove(name) // a cache: what is damaged is made again
		}
	}
	w.chain()
	return w, nil
}

// chain keeps the runs that follow one another from index 0. Of runs that
// begin at the same index, left by a crash while merging, the longest counts.
func (w *window) chain() {
	slices.SortFunc(w.runs, func(a, b *run) int {
		if a.first != b.first {
			return int(int64(a.first) - int64(b.first))
		}
		return int(int64(b.end) - int64(a.end))
	})
	var kept []*run
	var next uint64
	for _, r := range w.runs {
		if r.first != next {
			r.remove()
			continue
		}
		kept, next = append(kept, r), r.end
	}
	w.runs, w.next, w.saved = kept, next, next
	w.keepFilters()
}

// keepFilters holds in memory the filters of the runs lookup answers from.
func (w *window) keepFilters() {
	n := 0
	for i := len(w.runs) - 1; i >= 0; i-- {
		r := w.runs[i]
		n += r.count
		r.inWindow = n <= windowIDs || i == len(w.runs)-1
		if !r.inWindow {
			r.filter = nil
		}
	}
}

// shrink forgets everything if the window knows more leaves than the log has.
func (w *window) shrink(size uint64) {
	if w.next <= size {
		return
	}
	for _, r := range w.runs {
		r.remove()
	}
	w.runs, w.next, w.saved = nil, 0, 0
	clear(w.recent)
}

func (w *window) lookup(ref indelible.Ref) (uint64, bool, error)    { return w.find(ref, false) }
func (w *window) lookupAll(ref indelible.Ref) (uint64, bool, error) { return w.find(ref, true) }

func (w *window) find(ref indelible.Ref, all bool) (uint64, bool, error) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if i, ok := w.recent[ref]; ok {
		return i, true, nil
	}
	if i, ok := w.frozen[ref]; ok {
		return i, true, nil
	}
	for _, r := range w.runs {
		if !r.inWindow && !all {
			continue
		}
		if i, ok, err := r.lookup(ref); ok || err != nil {
			return i, ok, err
		}
	}
	return 0, false, nil
}

func (w *window) add(ref indelible.Ref, index uint64) {
	w.mu.Lock()
	w.recent[ref] = index
	w.mu.Unlock()
}

// rollback takes back what was added for a segment that was not committed.
func (w *window) rollback(refs []indelible.Ref) {
	w.mu.Lock()
	for _, r := range refs {
		delete(w.recent, r)
	}
	w.mu.Unlock()
}

// committed says that all leaves below next are in; when many references have
// gathered they are written to a run in the background.
func (w *window) committed(next uint64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.next = next
	if w.err != nil {
		return w.err
	}
	if len(w.recent) < runEntries || w.frozen != nil {
		return nil
	}
	first := w.saved
	w.frozen, w.recent, w.saved = w.recent, make(map[indelible.Ref]uint64, runEntries/2), next
	w.wg.Go(func() {
		r, err := writeRun(w.fsys, w.dir, w.log, first, next, sortedEntries(w.frozen))
		w.mu.Lock()
		defer w.mu.Unlock()
		w.frozen = nil
		if err != nil {
			w.err = fmt.Errorf("write the index of references: %w", err)
			return
		}
		w.runs = append(w.runs, r)
		w.keepFilters()
	})
	return nil
}

// close writes what is in memory, so that the next start need not read leaves.
func (w *window) close() error {
	w.wg.Wait()
	defer func() {
		for _, r := range w.runs {
			r.f.Close()
		}
	}()
	if w.err != nil || w.saved == w.next {
		return w.err
	}
	r, err := writeRun(w.fsys, w.dir, w.log, w.saved, w.next, sortedEntries(w.recent))
	if err != nil {
		return err
	}
	w.runs = append(w.runs, r)
	return w.merge()
}

// merge joins the last runs while the one before is not much larger: many
// short-lived writers leave few runs, and each reference is rewritten rarely.
func (w *window) merge() error {
	for n := len(w.runs); n >= 2; n = len(w.runs) {
		a, b := w.runs[n-2], w.runs[n-1]
		if a.count > 2*b.count || a.count+b.count > runEntries {
			return nil
		}
		entries, err := a.all()
		if err == nil {
			var more []byte
			if more, err = b.all(); err == nil {
				entries = mergeEntries(entries, more)
			}
		}
		if err != nil {
			return err
		}
		joined, err := writeRun(w.fsys, w.dir, w.log, a.first, b.end, entries)
		if err != nil {
			return err
		}
		a.remove()
		b.remove()
		w.runs = append(w.runs[:n-2], joined)
	}
	return nil
}

// sortedEntries encodes a map as the body of a run.
func sortedEntries(m map[indelible.Ref]uint64) []byte {
	type entry struct{ high, low, index uint64 }
	entries := make([]entry, 0, len(m))
	for ref, index := range m {
		entries = append(entries, entry{binary.BigEndian.Uint64(ref[:8]), binary.BigEndian.Uint64(ref[8:]), index})
	}
	slices.SortFunc(entries, func(a, b entry) int {
		if a.high != b.high {
			return cmp.Compare(a.high, b.high)
		}
		return cmp.Compare(a.low, b.low)
	})
	b := make([]byte, 0, len(entries)*runEntry)
	for _, e := range entries {
		b = binary.BigEndian.AppendUint64(b, e.high)
		b = binary.BigEndian.AppendUint64(b, e.low)
		b = binary.BigEndian.AppendUint64(b, e.index)
	}
	return b
}

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
	w.shrink(first + uint64(len(replayed)/indelible.LeafSize))
	for w.next < first {
		n := w.next / torchwood.TileWidth
		width := int(min(first-n*torchwood.TileWidth, torchwood.TileWidth))
		b, err := readTile(ctx, l.cfg.Store, -1, int64(n), width)
		if err != nil {
			return fmt.Errorf("rebuild the index of references: %w", err)
		}
		end := n*torchwood.TileWidth + uint64(width)
		for index := w.next; index < end; index++ {
			w.addLeaf(bundleEntry(b, index), index)
		}
		if err := w.committed(end); err != nil {
			return err
		}
	}
	for i := 0; i < len(replayed); i += indelible.LeafSize {
		if index := first + uint64(i/indelible.LeafSize); index >= w.next {
			w.addLeaf(replayed[i:i+indelible.LeafSize], index)
		}
	}
	return w.committed(first + uint64(len(replayed)/indelible.LeafSize))
}

func (w *window) addLeaf(leaf []byte, index uint64) {
	if ref, ok := windowRef(leaf); ok {
		w.add(ref, index)
	}
}
