package ledger

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/tlog"

	"indelible"
	"indelible/internal/store"
)

// TamperError says that an object of the log is not what the log itself says
// it must be.
type TamperError struct {
	Object string
	What   string

	gone bool // the object is not there
}

func (e *TamperError) Error() string { return e.Object + ": " + e.What }

func tampered(object, format string, args ...any) error {
	return &TamperError{Object: object, What: fmt.Sprintf(format, args...)}
}

// readAll reads a whole object of at most limit bytes.
func readAll(ctx context.Context, s store.Store, name string, limit int64) ([]byte, error) {
	o, err := s.Read(ctx, name, store.ReadOptions{Length: limit + 1, NoETag: true})
	if err != nil {
		return nil, err
	}
	if int64(len(o.Data)) > limit {
		return nil, tampered(name, "longer than the %d bytes it can have", limit)
	}
	return o.Data, nil
}

// loadPublished builds the state as of a checkpoint, from tiles, heads objects
// and the segment that closed the publish; cost does not depend on the length
// of the log. Everything read is checked against the checkpoint.
func loadPublished(ctx context.Context, st store.Store, c *Checkpoint) (*state, error) {
	return beneath(st, func(st store.Store) (*state, error) { return loadPublishedFrom(ctx, st, c) })
}

func loadPublishedFrom(ctx context.Context, st store.Store, c *Checkpoint) (*state, error) {
	s := newState(c.Origin)
	if err := s.loadEdge(ctx, st, c); err != nil {
		return nil, err
	}
	if err := s.loadTable(ctx, st, c); err != nil {
		return nil, err
	}
	return s, nil
}

// loadEdge reads the unfinished tiles and the unfinished bundle. A writer may
// have gone on since the checkpoint was read, and removed what it superseded:
// then the full tile begins with the same hashes.
func (s *state) loadEdge(ctx context.Context, st store.Store, c *Checkpoint) error {
	s.edge.size = c.Size
	for level, n := 0, c.Size; n > 0; level, n = level+1, n/torchwood.TileWidth {
		w := int(n % torchwood.TileWidth)
		tile := make([]tlog.Hash, w, torchwood.TileWidth)
		if w > 0 {
			b, err := readTile(ctx, st, level, int64(n/torchwood.TileWidth), w)
			if err != nil {
				return err
			}
			for i := range tile {
				copy(tile[i][:], b[i*tlog.HashSize:])
			}
		}
		s.edge.levels = append(s.edge.levels, tile)
	}
	if s.edge.root() != c.Root {
		return tampered(tilePrefix, "the tiles at the tree's right edge do not give the checkpoint's root")
	}
	w := int(c.Size % torchwood.TileWidth)
	if w == 0 {
		return nil
	}
	name := bundleName(int64(c.Size/torchwood.TileWidth), w)
	var err error
	if s.bundle, err = readTile(ctx, st, -1, int64(c.Size/torchwood.TileWidth), w); err != nil {
		return err
	}
	hashes, err := bundleHashes(s.bundle)
	if err != nil || len(hashes) != w {
		return tampered(name, "not a bundle of %d leaves", w)
	}
	for i, h := range hashes {
		if tlog.Hash(h) != s.edge.levels[0][i] {
			return tampered(name, "leaf %d is not the one in the tree", c.Size-uint64(w-i))
		}
	}
	return nil
}

// missing turns the absence of an object the log needs into tampering; other
// errors stay what they are.
func missing(name string, err error) error {
	if errors.Is(err, store.ErrNotExist) {
		return &TamperError{Object: name, What: "missing", gone: true}
	}
	return fmt.Errorf("read %s: %w", name, err)
}

// bundleHashes splits a bundle into its leaves and hashes them.
func bundleHashes(b []byte) ([]indelible.Hash, error) {
	const entry = leafEntry
	if len(b)%entry != 0 {
		return nil, errors.New("bundle: odd length")
	}
	hashes := make([]indelible.Hash, 0, len(b)/entry)
	for ; len(b) > 0; b = b[entry:] {
		if binary.BigEndian.Uint16(b) != indelible.LeafSize {
			return nil, errors.New("bundle: an entry is not a leaf")
		}
		hashes = append(hashes, indelible.LeafHash(b[2:entry]))
	}
	return hashes, nil
}

// loadTable reads heads objects back to the latest full one and the head of
// the segment that holds the heads leaf.
func (s *state) loadTable(ctx context.Context, st store.Store, c *Checkpoint) error {
	chain, later, err := readHeads(ctx, st, c.Size)
	if err != nil {
		return err
	}
	err = s.takeTable(ctx, st, c, chain)
	switch {
	case later == nil || err != nil && !isTampering(err):
		return err
	case err == nil:
		return tampered(headsName(c.Size), "%v, there or in one before it", errVersionChanged)
	}
	return later // it does not fit as one of ours
}

// readHeads reads the heads objects, newest first. later says that one of them
// claims to be of a newer version: it is sound, then, but for this claim.
func readHeads(ctx context.Context, st store.Store, size uint64) (chain []*headsObject, later, err error) {
	for at := size; ; {
		name := headsName(at)
		b, err := readAll(ctx, st, name, maxHeads)
		if err != nil {
			return nil, nil, missing(name, err)
		}
		h, err := decodeHeadsObject(b)
		if newer(err) {
			later = damaged(name, err)
			if h, err = decodeHeadsObject(ofThisVersion(headsMagic, b)); err != nil {
				return nil, nil, later
			}
		}
		if err != nil || h.Size != at || (!h.Full && (h.PreviousSize == 0 || h.PreviousSize >= at)) {
			if later != nil {
				return nil, nil, later
			}
			return nil, nil, tampered(name, "damaged: %v", err)
		}
		chain = append(chain, h)
		if h.Full {
			return chain, later, nil
		}
		at = h.PreviousSize
	}
}

// takeTable takes the heads objects in, newest first, and checks them against
// the heads leaf at the end of the tree.
func (s *state) takeTable(ctx context.Context, st store.Store, c *Checkpoint, chain []*headsObject) error {
	newest, size := chain[0], c.Size
	name := headsName(size)
	if len(newest.Leaves) == 0 {
		return tampered(name, "holds no heads leaf")
	}
	last := newest.Leaves[len(newest.Leaves)-1]
	if last.Index != size-1 {
		return tampered(name, "its heads leaf is not at the end of the tree")
	}
	// Rows and keys follow from the heads leaf; that it is in the tree nothing
	// else would show.
	if inTree, _, err := publishedLeaf(ctx, st, c, size-1); err != nil {
		return err
	} else if !bytes.Equal(inTree, last.Leaf) {
		return tampered(name, "its heads leaf is not the one in the tree")
	}
	leaf, heads, err := decodeHeadsLeaf(last)
	if err != nil {
		return damaged(name, err)
	}
	for i := len(chain) - 1; i >= 0; i-- {
		if err := s.takeHeads(chain[i]); err != nil {
			return newerLeaves(ctx, st, c, chain[i], err)
		}
	}
	if s.rows.root() != heads.Root || uint64(len(s.tenants)) != heads.Rows || keysHash(s.keyLeaves) != heads.Keys {
		return tampered(name, "rows, tenants or keys are not those of the heads leaf")
	}
	if err := s.takeKeys(); err != nil {
		return damaged(name, err)
	}
	s.lastHeads, s.headsSize = size-1, size
	return s.loadLastSegment(ctx, st, leaf.Segment, size, last.Leaf)
}

func decodeHeadsLeaf(k keptLeaf) (leaf indelible.Leaf, heads indelible.Heads, err error) {
	if err = leaf.Decode(k.Leaf); err != nil {
		return
	}
	if h, herr := indelible.HashPayload(k.Payload); herr != nil || h != leaf.Payload || leaf.Kind != indelible.KindHeads {
		return leaf, heads, errors.New("not a heads leaf with its payload")
	}
	return leaf, heads, systemContent(k.Payload, &heads)
}

// takeHeads applies one heads object, oldest first.
func (s *state) takeHeads(h *headsObject) error {
	if h.Full {
		s.sinceFull = 0
	} else {
		s.sinceFull += len(h.Changed)
	}
	for _, k := range h.Leaves {
		var leaf indelible.Leaf
		if err := leaf.Decode(k.Leaf); err != nil {
			return err
		}
		if p, err := indelible.HashPayload(k.Payload); err != nil || p != leaf.Payload {
			return fmt.Errorf("leaf %d does not match its payload", k.Index)
		}
		switch leaf.Kind {
		case indelible.KindTenant:
			if leaf.TenantNo != uint64(len(s.tenants))+1 {
				return fmt.Errorf("tenant number %d out of order", leaf.TenantNo)
			}
			s.tenants = append(s.tenants, k)
			s.byRef[leaf.EventRef] = leaf.TenantNo
		default:
			if standing(leaf.Kind, k.Payload) {
				s.keyLeaves = append(s.keyLeaves, k)
			}
		}
	}
	for _, row := range h.Changed {
		if row.TenantNo == 0 || row.TenantNo > uint64(len(s.tenants)) || row.TenantNo > uint64(len(s.rows.rows))+1 {
			return fmt.Errorf("row of tenant number %d out of order", row.TenantNo)
		}
		if indelible.LeafHash(s.tenants[row.TenantNo-1].Leaf) != row.Tenant {
			return fmt.Errorf("row of tenant number %d names another tenant leaf", row.TenantNo)
		}
		s.rows.set(row)
	}
	return nil
}

// takeKeys follows genesis, writer keys, rotations and what was decided.
func (s *state) takeKeys() error {
	for _, k := range s.keyLeaves {
		var leaf indelible.Leaf
		if err := leaf.Decode(k.Leaf); err != nil {
			return err
		}
		t := &txn{base: s, logKey: s.logKey, logID: s.logID, gov: s.gov, size: k.Index, byRef: make(map[indelible.Ref]uint64)}
		if err := t.checkSystem(&leaf, k.Payload, &Segment{}); err != nil {
			return err
		}
		if s.logKey != t.logKey && k.Index > 0 {
			s.oldKeys = append(s.oldKeys, s.logKey)
		}
		s.logKey, s.logID, s.gov = t.logKey, t.logID, t.gov
		s.noteRefs(t.byRef)
		for _, w := range t.writers {
			s.writers[w.Key] = w
		}
	}
	return nil
}

// loadLastSegment reads the head of the segment that closed the publish: its
// epoch, hash and journal position are where the log goes on.
func (s *state) loadLastSegment(ctx context.Context, st store.Store, seq, size uint64, headsLeaf []byte) error {
	name := segmentName(seq)
	seg, err := readSegmentHead(ctx, st, seq)
	if err != nil {
		return err
	}
	if _, ok := s.writers[seg.Writer]; !ok || seg.Seq != seq || seg.LogID != s.logID || seg.NewSize != size || seg.NewRoot != s.edge.root() {
		return tampered(name, "is not the segment that made the tree of size %d", size)
	}
	// The new root is the checkpoint's, and it follows from the leaves.
	if n := seg.Count(); n == 0 || !bytes.Equal(seg.Leaf(n-1), headsLeaf) {
		return tampered(headsName(size), "its heads leaf is not the last leaf of the tree")
	}
	s.seq, s.lastSeq, s.last = seq+1, seq, seg.Hash
	s.epoch, s.time, s.writer = seg.Epoch, seg.Time, seg.Writer
	if seg.Journal != (indelible.ID{}) {
		s.journals[seg.Journal] = journalMark{seg.JournalPosition, seg.JournalHash}
	}
	return nil
}

// readSegmentHead reads and verifies header, leaves, hash and signature of a
// segment without its payloads.
func readSegmentHead(ctx context.Context, st store.Store, seq uint64) (*Segment, error) {
	return beneath(st, func(st store.Store) (*Segment, error) { return readSegmentHeadFrom(ctx, st, seq) })
}

func readSegmentHeadFrom(ctx context.Context, st store.Store, seq uint64) (*Segment, error) {
	name := segmentName(seq)
	const guess = 64 << 10
	o, err := st.Read(ctx, name, store.ReadOptions{Length: guess})
	if err != nil {
		return nil, missing(name, err)
	}
	b := o.Data
	if len(b) < segmentFixed {
		return nil, tampered(name, "cut short")
	}
	size := int64(binary.BigEndian.Uint32(b[8:])) + int64(binary.BigEndian.Uint32(b[12:]))*indelible.LeafSize + segmentFooter
	if size > MaxSegment || size > o.Size {
		if err := indelible.CheckPrefix("segment", segmentMagic, b); err != nil {
			return nil, damaged(name, err)
		}
		return nil, tampered(name, "lengths in its header do not fit")
	}
	if int64(len(b)) < size {
		o, err = st.Read(ctx, name, store.ReadOptions{Length: size})
		if err != nil {
			return nil, missing(name, err)
		}
		b = o.Data
	}
	seg, _, err := decodeSegment(bytes.Clone(b[:size]))
	if newer(err) {
		if _, _, werr := decodeSegment(ofThisVersion(segmentMagic, b[:size])); werr == nil {
			err = errVersionChanged
		}
	}
	if err != nil {
		return nil, damaged(name, err)
	}
	return seg, nil
}
