package ledger

import (
	"bytes"
	"slices"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/tlog"

	"indelible"
)

// txn is a segment being built or replayed on top of a state. Until commit the
// state is as it was; after abort it is again.
type txn struct {
	base *state
	seq  uint64
	time int64

	size      uint64 // of the tree with the leaves so far
	edge      edge   // grows at the end, by growTree
	bundle    []byte
	tiles     []object // tiles and bundles completed
	leaves    []byte
	hashes    []byte      // of the leaves, one behind the other
	roots     []tlog.Hash // of the whole tiles among them, as far as they are known
	payloads  [][]byte
	room      []byte                    // for the encoded segment
	rows      map[uint64]*indelible.Row // changed
	byRef     map[indelible.Ref]uint64
	tenants   []keptLeaf
	writers   []indelible.Writer
	logKey    indelible.PublicKey
	logID     indelible.ID
	gov       *governance // the base's, until a leaf changes it
	keyLeaves []keptLeaf
	fresh     []keptLeaf
	heads     bool // closed by a heads leaf
	stepBack  bool // a clock leaf was seen

	// tolerate, when set, is told what is wrong with leaf i of a replayed
	// segment (−1: with the segment) and the replay goes on: verification wants
	// to name everything. The writer stops at the first.
	tolerate func(i int, err error)

	settled  bool // rows stand in the table
	loose    bool // rows have changed since
	previous []indelible.Row
	rowCount int
}

func (s *state) begin(seq uint64, time int64) *txn {
	return &txn{
		base: s, seq: seq, time: time, logKey: s.logKey, logID: s.logID, gov: s.gov,
		size: s.edge.size, edge: s.edge.clone(),
		bundle: append(make([]byte, 0, torchwood.TileWidth*leafEntry), s.bundle...),
		rows:   make(map[uint64]*indelible.Row), byRef: make(map[indelible.Ref]uint64),
		rowCount: len(s.rows.rows),
	}
}

// expect makes room for n more leaves, and a few of the log's own.
func (t *txn) expect(n int) {
	t.leaves = slices.Grow(t.leaves, (n+8)*indelible.LeafSize)
	t.hashes = slices.Grow(t.hashes, (n+8)*indelible.HashSize)
	t.payloads = slices.Grow(t.payloads, n+8)
}

// settle puts the transaction's rows into the table.
func (t *txn) settle() {
	for no := range t.rows {
		if int(no) <= t.rowCount && !t.settled {
			t.previous = append(t.previous, t.base.rows.rows[no-1])
		}
	}
	for i := range t.tenants { // new rows in order first
		t.base.rows.set(*t.rows[uint64(t.rowCount+i)+1])
	}
	for no, row := range t.rows {
		if int(no) <= t.rowCount {
			t.base.rows.set(*row)
		}
	}
	t.settled, t.loose = true, false
}

// abort leaves the state as it was before begin.
func (t *txn) abort() {
	if !t.settled {
		return
	}
	t.base.rows.truncate(t.rowCount)
	for _, row := range t.previous {
		t.base.rows.set(row)
	}
	t.settled = false
}

// commit makes the transaction's segment the state's last and returns the
// objects that are to be published because of it.
func (t *txn) commit(seg *Segment) []object {
	s := t.base
	t.growTree()
	if t.loose {
		t.settle()
	}
	if s.logKey != t.logKey && s.edge.size > 0 {
		s.oldKeys = append(s.oldKeys, s.logKey)
	}
	s.logID, s.logKey, s.gov = t.logID, t.logKey, t.gov
	s.edge, s.bundle = t.edge, t.bundle
	s.seq, s.lastSeq, s.last, s.voids = t.seq+1, t.seq, seg.Hash, nil
	s.epoch, s.time, s.writer = seg.Epoch, seg.Time, seg.Writer
	for _, w := range t.writers {
		s.writers[w.Key] = w
	}
	s.keyLeaves = append(s.keyLeaves, t.keyLeaves...)
	s.tenants = append(s.tenants, t.tenants...)
	s.noteRefs(t.byRef)
	for no := range t.rows {
		s.changed[no] = struct{}{}
	}
	s.fresh = append(s.fresh, t.fresh...)
	if seg.Journal != (indelible.ID{}) {
		s.journals[seg.Journal] = journalMark{seg.JournalPosition, seg.JournalHash}
	}
	if t.heads {
		return append(t.tiles, s.closeHeads())
	}
	return t.tiles
}

// row is the current row of a tenant within the transaction.
func (t *txn) row(no uint64) indelible.Row {
	if r, ok := t.rows[no]; ok {
		return *r
	}
	return t.base.rows.rows[no-1]
}

// touch is the current row of a tenant, to be changed.
func (t *txn) touch(no uint64) *indelible.Row {
	r, ok := t.rows[no]
	if !ok {
		was := t.base.rows.rows[no-1]
		r = &was
		t.rows[no] = r
	}
	return r
}

// tenantNo finds the number of a tenant by its reference.
func (t *txn) tenantNo(ref indelible.Ref) (uint64, bool) {
	if no, ok := t.byRef[ref]; ok {
		return no, no > 0
	}
	no, ok := t.base.byRef[ref]
	return no, ok
}

func (t *txn) tenantCount() uint64 { return uint64(len(t.base.tenants) + len(t.tenants)) }

// add appends a leaf made by us: order, chain and hashes are filled in here.
func (t *txn) add(kind indelible.Kind, ref indelible.Ref, tenantNo uint64, payloadHash indelible.Hash, payload []byte) (index uint64, h indelible.Hash) {
	leaf := indelible.Leaf{Kind: kind, Time: t.time, Segment: t.seq, EventRef: ref, TenantNo: tenantNo, Payload: payloadHash}
	switch {
	case kind == indelible.KindTenant:
		leaf.TenantSeq = 1
	case kind.OfTenant():
		row := t.row(tenantNo)
		leaf.TenantSeq, leaf.Previous = row.TenantSeq+1, row.Leaf
	}
	t.leaves = leaf.AppendTo(t.leaves)
	t.payloads = append(t.payloads, payload)
	encoded := t.leaves[len(t.leaves)-indelible.LeafSize:]
	h = indelible.LeafHash(encoded)
	t.hashes = append(t.hashes, h[:]...)
	return t.take(&leaf, encoded, h, payload), h
}

// take takes a leaf into the tables.
func (t *txn) take(leaf *indelible.Leaf, encoded []byte, h indelible.Hash, payload []byte) (index uint64) {
	index = t.size
	t.size++
	if leaf.Kind == indelible.KindTenant && leaf.TenantNo != t.tenantCount()+1 ||
		leaf.Kind.Recorded() && (leaf.TenantNo == 0 || leaf.TenantNo > t.tenantCount()) {
		return index // a row there cannot be
	}
	kept := keptLeaf{Index: index, Leaf: encoded, Payload: payload}
	switch kind := leaf.Kind; {
	case kind == indelible.KindTenant:
		t.rows[leaf.TenantNo] = &indelible.Row{TenantNo: leaf.TenantNo, TenantSeq: 1, Leaf: h, Tenant: h}
		t.byRef[leaf.EventRef] = leaf.TenantNo
		t.loose = true
		kept = kept.clone()
		t.tenants = append(t.tenants, kept)
		t.fresh = append(t.fresh, kept)
	case kind.OfTenant():
		row := t.touch(leaf.TenantNo)
		row.TenantSeq, row.Leaf = leaf.TenantSeq, h
		t.loose = true
	default:
		kept = kept.clone()
		t.fresh = append(t.fresh, kept)
		if standing(kind, payload) {
			t.keyLeaves = append(t.keyLeaves, kept)
		}
	}
	return index
}

func (k keptLeaf) clone() keptLeaf {
	return keptLeaf{k.Index, bytes.Clone(k.Leaf), bytes.Clone(k.Payload)}
}

// headsContent is what a heads leaf at the end of the transaction has to say.
// It settles the rows: nothing of a tenant may follow in the same segment.
func (t *txn) headsContent() indelible.Heads {
	t.settle()
	return indelible.Heads{
		Keys:          keysHash(t.base.keyLeaves, t.keyLeaves),
		PreviousHeads: t.base.lastHeads,
		Root:          t.base.rows.root(),
		Rows:          t.tenantCount(),
		Segment:       t.base.lastSeq,
		SegmentHash:   t.base.last,
	}
}
