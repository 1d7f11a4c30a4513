package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/tlog"

	"indelible"
	"indelible/internal/store"
)

// comparer does the part of a verification that needs no order, on several
// goroutines: comparing published objects with what the segments say they must
// be, and looking into payloads.
type comparer struct {
	v    *verifier
	ctx  context.Context
	jobs chan func(*scratch)
	wg   sync.WaitGroup

	// Of the one who hands out jobs.
	visited map[string]bool  // object names seen
	todo    []func(*scratch) // comparisons of one segment's objects, which may lie in its buffer
}

// scratch is what a worker reads tiles into.
type scratch []byte

func (v *verifier) startComparer(ctx context.Context) *comparer {
	c := &comparer{v: v, ctx: ctx, jobs: make(chan func(*scratch), v.opt.Workers+2), visited: make(map[string]bool)}
	for range v.opt.Workers {
		c.wg.Go(func() {
			room := make(scratch, torchwood.TileWidth*leafEntry+1)
			for job := range c.jobs {
				job(&room)
			}
		})
	}
	return c
}

// later puts a comparison off until handOut.
func (c *comparer) later(job func(*scratch)) { c.todo = append(c.todo, job) }

// handOut gives the comparisons put off to a worker, and what is to be done
// after them.
func (c *comparer) handOut(then func()) {
	todo := c.todo
	c.todo = nil
	c.jobs <- func(room *scratch) {
		for _, job := range todo {
			job(room)
		}
		then()
	}
}

func (c *comparer) finish() {
	c.handOut(func() {})
	close(c.jobs)
	c.wg.Wait()
}

// object compares one object and the partial tiles it supersedes; required says
// that the checkpoint covers it.
func (c *comparer) object(o object, required bool) {
	present := c.v.names.tiles[o.name]
	if size, ok := numberOf(o.name, headsPrefix); ok {
		present = c.v.names.heads[size]
	}
	if present || required {
		c.visited[o.name] = true
		c.later(func(room *scratch) { c.check(o, required, room) })
	}
	c.partials(o.name, o)
}

// unfinished compares the partial tile or bundle at the tree's edge. One that
// the checkpoint needs may be superseded by a larger one already.
func (c *comparer) unfinished(o object) {
	full, _, _ := strings.Cut(o.name, ".p/")
	if !c.v.names.tiles[o.name] && c.covered(o.name) {
		c.later(func(room *scratch) { c.check(o, true, room) })
	}
	c.partials(full, o)
}

// partials compares the partial tiles there are of a tile with it, as far
// as that goes. What the checkpoint does not cover yet may be anybody's.
func (c *comparer) partials(full string, o object) {
	for _, name := range c.v.names.partials[full] {
		n := partialSize(name)
		if c.visited[name] || n > o.size() {
			continue
		}
		if !c.published(name) {
			continue
		}
		c.visited[name] = true
		required := c.covered(name)
		part := o.first(n, name)
		c.later(func(room *scratch) { c.check(part, required, room) })
	}
}

// covered reports whether the checkpoint covers all of a tile.
func (c *comparer) covered(name string) bool {
	_, end := leavesUnder(name)
	return end <= c.v.checkpoint.Size
}

// published reports whether a publish ended with this partial tile. Under
// another name it is not ours.
func (c *comparer) published(name string) bool {
	span, end := leavesUnder(name)
	i, _ := slices.BinarySearch(c.v.sizes, end)
	return i < len(c.v.sizes) && c.v.sizes[i] < end+span
}

// leavesUnder returns how many leaves stand under each hash of a tile, and the
// end of those under all of them.
func leavesUnder(name string) (span, end uint64) {
	tile, err := torchwood.ParseTilePath(name)
	if err != nil {
		return 0, 0
	}
	span = 1
	for range tile.L {
		span *= torchwood.TileWidth
	}
	return span, (uint64(tile.N)*torchwood.TileWidth + uint64(tile.W)) * span
}

// partialSize is the number of bytes a tile of this name holds.
func partialSize(name string) int {
	tile, err := torchwood.ParseTilePath(name)
	if err != nil {
		return 0
	}
	return tile.W * entrySize(tile.L)
}

// entrySize is the size of what a tile of a level holds.
func entrySize(level int) int {
	if level < 0 {
		return leafEntry
	}
	return tlog.HashSize
}

// check compares an object with what it must hold.
func (c *comparer) check(o object, required bool, room *scratch) {
	v, name := c.v, o.name
	var got []byte
	var later error
	limit := int64(o.size())
	if strings.HasPrefix(name, headsPrefix) {
		limit = maxHeads // of a later version it may be longer
	}
	err := v.readAny(c.ctx, name, limit, *room, func(b []byte) error {
		if !o.is(b) {
			if got == nil {
				got = bytes.Clone(b)
			}
			if later == nil {
				later = newerHeads(b, o.data)
			}
			return tampered(name, "does not follow from the leaves")
		}
		return nil
	})
	v.mu.Lock()
	v.report.Objects++
	v.mu.Unlock()
	var bad *TamperError
	switch {
	case err == nil:
	case errors.Is(err, store.ErrNotExist) && (!required || c.superseded(o)):
	case !errors.As(err, &bad):
		v.failed(name, err)
	case !required:
		v.problem(interference, Problem{Object: name, What: "foreign object where a later part of the tree will stand"})
	case later != nil:
		v.problem(unreadable, Problem{Object: name, What: later.Error()})
	default:
		p := Problem{Object: name, What: bad.What}
		c.name(&p, name, got, o.content())
		v.problem(tampering, p)
	}
}

// newerHeads says that an object other than the heads object that is wanted is
// one of a later version, and not ours with another number in its prefix.
func newerHeads(got, want []byte) error {
	if !bytes.HasPrefix(want, []byte(headsMagic)) || bytes.Equal(ofThisVersion(headsMagic, got), want) {
		return nil
	}
	if err := indelible.CheckPrefix("heads", headsMagic, got); newer(err) {
		return err
	}
	return nil
}

// superseded reports whether a partial tile that is gone has made way, since
// the store was listed, for the full one. That begins with the same hashes.
func (c *comparer) superseded(o object) bool {
	full, _, partial := strings.Cut(o.name, ".p/")
	if !partial {
		return false
	}
	return c.v.readAny(c.ctx, full, int64(partialSize(full)), nil, func(b []byte) error {
		if len(b) < o.size() || !o.is(b[:o.size()]) {
			return tampered(full, "does not follow from the leaves")
		}
		return nil
	}) == nil
}

// name says which leaf of a tile the first difference hit.
func (c *comparer) name(p *Problem, name string, got, want []byte) {
	tile, err := torchwood.ParseTilePath(name)
	if err != nil || tile.L > 0 {
		return
	}
	at := 0
	for at < min(len(got), len(want)) && got[at] == want[at] {
		at++
	}
	entry := entrySize(tile.L)
	index := uint64(tile.N)*torchwood.TileWidth + uint64(min(at, len(want)-1)/entry)
	p.Index = &index
	if tile.L < 0 {
		var leaf indelible.Leaf
		if i := min(at, len(want)-1) / entry * entry; leaf.Decode(want[i+2:i+entry]) == nil {
			p.Segment = &leaf.Segment
			p.EventID = c.v.eventIDOf(c.ctx, leaf.Segment, index)
		}
	}
}

// eventIDOf reads the id of an event from its segment, for naming it.
func (v *verifier) eventIDOf(ctx context.Context, seq, index uint64) string {
	b, err := v.read(ctx, segmentName(seq), MaxSegment)
	if err != nil {
		return ""
	}
	seg, err := DecodeSegment(b)
	if err != nil || index < seg.OldSize || index >= seg.NewSize {
		return ""
	}
	return v.eventID(seg.Payloads[index-seg.OldSize])
}

// segment hands out what is to be done for a segment that was taken: comparing
// the objects it completed, looking into payloads.
func (c *comparer) segment(f fetched) {
	system, tenants := c.v.system, *c.v.known.Load()
	c.handOut(func() {
		c.countLeaves(f.seg.Leaves, system, f.seg.OldSize)
		if c.v.opt.Opener != nil {
			c.v.checkIdentities(f.seg, tenants, f.agreed)
		}
		select { // nothing refers to the segment any more
		case c.v.rooms <- f.room:
		default:
		}
	})
}

// count counts leaves whose segment is damaged.
func (c *comparer) count(leaves [][]byte, system []bool) {
	c.handOut(func() {})
	c.countLeaves(bytes.Join(leaves, nil), system, 0)
}

func (c *comparer) countLeaves(leaves []byte, system []bool, first uint64) {
	v := c.v
	var events, ours, conflicts uint64
	var leaf indelible.Leaf
	for i := 0; i < len(leaves); i += indelible.LeafSize {
		if leaf.Decode(leaves[i:i+indelible.LeafSize]) != nil || first+uint64(i/indelible.LeafSize) >= v.checkpoint.Size {
			continue
		}
		if leaf.Kind.Critical() && !leaf.Kind.Known() {
			index := first + uint64(i/indelible.LeafSize)
			v.problem(unreadable, Problem{Object: segmentName(leaf.Segment), Segment: &leaf.Segment, Index: &index, What: fmt.Sprintf("unknown critical %s", leaf.Kind)})
		}
		if !leaf.Kind.Recorded() {
			continue
		}
		if leaf.Kind == indelible.KindConflict {
			conflicts++
		}
		if no := leaf.TenantNo; no > 0 && no <= uint64(len(system)) && system[no-1] {
			ours++
		} else {
			events++
		}
	}
	v.mu.Lock()
	v.report.Events += events
	v.report.SystemEvents += ours
	v.report.Conflicts += conflicts
	v.mu.Unlock()
}

// notOpened counts a payload whose key is not here: erased, expired, or of
// somebody else. It was verified all the same, as ciphertext.
func (v *verifier) notOpened() {
	v.mu.Lock()
	v.report.Unopened++
	v.mu.Unlock()
}

// checkLeftOver names what stands in the store without belonging to the log.
func (v *verifier) checkLeftOver() {
	for _, name := range v.names.foreign {
		v.problem(interference, Problem{Object: name, What: "foreign object"})
	}
	for name := range v.names.tiles {
		if !v.compare.visited[name] && !v.stuck {
			v.problem(interference, Problem{Object: name, What: "foreign object: not a tile of this tree"})
		}
	}
	for size := range v.names.heads {
		if !v.compare.visited[headsName(size)] && !v.stuck {
			v.problem(interference, Problem{Object: headsName(size), What: "foreign object: no heads leaf at this size"})
		}
	}
	for name, versions := range v.names.changed {
		what := fmt.Sprintf("%d versions or delete markers over the original", len(versions)-1)
		v.problem(interference, Problem{Object: name, What: what})
	}
}
