package ledger

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"filippo.io/torchwood"

	"indelible/internal/store"
)

// inventory is what a listing of the store found, by what it is.
type inventory struct {
	segments []uint64
	heads    map[uint64]bool
	sizes    []uint64 // of heads, in order, once somebody asks
	kept     []string
	tiles    map[string]bool
	partials map[string][]string // of a tile, by the full tile's name
	foreign  []string
	changed  map[string][]store.Version // objects with more than one version, or a delete marker
}

// A versionLister lists all versions of many objects at once.
type versionLister interface {
	ListVersions(ctx context.Context, prefix string) iter.Seq2[NamedVersion, error]
}

// NamedVersion is a version with the name of its object.
type NamedVersion = store.NamedVersion

func takeInventory(ctx context.Context, st store.Store) (*inventory, error) {
	inv := &inventory{
		heads: make(map[uint64]bool), tiles: make(map[string]bool),
		partials: make(map[string][]string), changed: make(map[string][]store.Version),
	}
	for _, prefix := range []string{walPrefix, headsPrefix, tilePrefix, checkpointsPrefix} {
		if err := inv.list(ctx, st, prefix); err != nil {
			return nil, fmt.Errorf("list %s: %w", prefix, err)
		}
	}
	return inv, nil
}

func (inv *inventory) list(ctx context.Context, st store.Store, prefix string) error {
	lister, ok := st.(versionLister)
	if !ok {
		for name, err := range st.List(ctx, prefix, "") {
			if err != nil {
				return err
			}
			inv.take(name)
		}
		return nil
	}
	var last string
	var versions []store.Version
	flush := func() {
		if len(versions) == 0 {
			return
		}
		inv.take(last)
		if len(versions) > 1 || versions[0].DeleteMarker {
			inv.changed[last] = versions
		}
		versions = nil
	}
	for v, err := range lister.ListVersions(ctx, prefix) {
		if err != nil {
			return err
		}
		if v.Name != last {
			flush()
			last = v.Name
		}
		versions = append(versions, v.Version)
	}
	flush()
	return nil
}

// take sorts one name.
func (inv *inventory) take(name string) {
	if seq, ok := numberOf(name, walPrefix); ok {
		inv.segments = append(inv.segments, seq)
		return
	}
	if size, ok := numberOf(name, headsPrefix); ok {
		inv.heads[size] = true
		return
	}
	if _, ok := numberOf(name, checkpointsPrefix); ok {
		inv.kept = append(inv.kept, name)
		return
	}
	if _, err := torchwood.ParseTilePath(name); err == nil {
		inv.tiles[name] = true
		if full, _, partial := strings.Cut(name, ".p/"); partial {
			inv.partials[full] = append(inv.partials[full], name)
		}
		return
	}
	inv.foreign = append(inv.foreign, name)
}

// headSizes are the sizes there are heads objects of, in order.
func (inv *inventory) headSizes() []uint64 {
	if inv.sizes == nil {
		inv.sizes = slices.Sorted(maps.Keys(inv.heads))
	}
	return inv.sizes
}
