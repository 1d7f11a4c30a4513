package ledger

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/tlog"

	"indelible"
)

// state is everything the next segment depends on: what a replay of the log
// arrives at. It changes only through a transaction that holds a segment.
type state struct {
	origin string
	logID  indelible.ID
	logKey indelible.PublicKey // the current one, as the log itself says

	edge   edge
	bundle []byte // entries of the unfinished bundle

	seq     uint64 // the next slot
	lastSeq uint64 // slot of the last segment
	last    indelible.Hash
	epoch   uint64
	time    int64
	writer  indelible.PublicKey // of the last segment
	voids   []Void              // foreign objects between the last segment and seq

	writers   map[indelible.PublicKey]indelible.Writer
	keyLeaves []keptLeaf            // genesis, writer-key, log-key
	oldKeys   []indelible.PublicKey // log keys before logKey
	headsTime int64                 // of the latest heads leaf

	rows    rows
	byRef   map[indelible.Ref]uint64
	tenants []keptLeaf // tenants[i] has tenant_no i+1

	lastHeads uint64                       // index of the latest heads leaf
	headsSize uint64                       // tree size of the latest heads object
	sinceFull int                          // rows in heads objects since the last full one
	fresh     []keptLeaf                   // system and tenant leaves since then
	changed   map[uint64]struct{}          // tenant numbers since then
	journals  map[indelible.ID]journalMark // latest position of each journal seen
}

// journalMark is how far a journal has been committed.
type journalMark struct {
	position uint64
	hash     indelible.Hash
}

func newState(origin string) *state {
	return &state{
		origin:   origin,
		writers:  make(map[indelible.PublicKey]indelible.Writer),
		byRef:    make(map[indelible.Ref]uint64),
		changed:  make(map[uint64]struct{}),
		journals: make(map[indelible.ID]journalMark),
	}
}

// object is something to be written to the store under a name of its own.
type object struct {
	name string
	data []byte
}

// txn is a segment being built or replayed on top of a state. Until commit the
// state is as it was; after abort it is again.
type txn struct {
	base *state
	seq  uint64
	time int64

	edge      edge
	bundle    []byte
	tiles     []object // tiles and bundles completed
	leaves    []byte
	payloads  [][]byte
	rows      map[uint64]*indelible.Row // changed
	byRef     map[indelible.Ref]uint64
	tenants   []keptLeaf
	writers   []indelible.Writer
	logKey    indelible.PublicKey
	logID     indelible.ID
	keyLeaves []keptLeaf
	fresh     []keptLeaf
	heads     bool // closed by a heads leaf
	stepBack  bool // a clock leaf was seen
	recorded  uint64

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
		base: s, seq: seq, time: time, logKey: s.logKey, logID: s.logID,
		edge:   s.edge.clone(),
		bundle: append(make([]byte, 0, torchwood.TileWidth*(2+indelible.LeafSize)), s.bundle...),
		rows:   make(map[uint64]*indelible.Row), byRef: make(map[indelible.Ref]uint64),
		rowCount: len(s.rows.rows),
	}
}

// expect makes room for n more leaves, and a few of the log's own.
func (t *txn) expect(n int) {
	t.leaves = slices.Grow(t.leaves, (n+8)*indelible.LeafSize)
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
	if t.loose {
		t.settle()
	}
	if s.logKey != t.logKey && s.edge.size > 0 {
		s.oldKeys = append(s.oldKeys, s.logKey)
	}
	s.logID, s.logKey = t.logID, t.logKey
	s.edge, s.bundle = t.edge, t.bundle
	s.seq, s.lastSeq, s.last, s.voids = t.seq+1, t.seq, seg.Hash, nil
	s.epoch, s.time, s.writer = seg.Epoch, seg.Time, seg.Writer
	for _, w := range t.writers {
		s.writers[w.Key] = w
	}
	s.keyLeaves = append(s.keyLeaves, t.keyLeaves...)
	s.tenants = append(s.tenants, t.tenants...)
	for ref, no := range t.byRef {
		s.byRef[ref] = no
	}
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

// closeHeads makes the heads object that belongs to the heads leaf just
// committed. Whether it is a full table follows from the log alone, so that a
// recovery writes the same bytes: full when the objects since the last full
// one hold eight times as many rows as the table.
func (s *state) closeHeads() object {
	size := s.edge.size
	h := headsObject{Size: size, PreviousSize: s.headsSize, Rows: uint64(len(s.tenants)), Leaves: s.fresh}
	h.Full = s.headsSize == 0 || s.sinceFull+len(s.changed) > 8*len(s.tenants)+64
	if h.Full {
		h.Changed = s.rows.rows
		h.Leaves = append(append(append([]keptLeaf(nil), s.keyLeaves...), s.tenants...), s.fresh[len(s.fresh)-1])
		slices.SortFunc(h.Leaves, func(a, b keptLeaf) int { return cmp.Compare(a.Index, b.Index) })
		s.sinceFull = 0
	} else {
		for _, no := range slices.Sorted(maps.Keys(s.changed)) {
			h.Changed = append(h.Changed, s.rows.rows[no-1])
		}
		s.sinceFull += len(s.changed)
	}
	o := object{headsName(size), h.encode()}
	s.lastHeads, s.headsSize, s.fresh = size-1, size, nil
	clear(s.changed)
	return o
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
		return no, true
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
	return t.grow(&leaf, encoded, h, payload), h
}

// growOpaque takes a leaf into the tree alone.
func (t *txn) growOpaque(encoded []byte, h indelible.Hash) (index uint64) {
	index = t.edge.size
	t.bundle = binary.BigEndian.AppendUint16(t.bundle, indelible.LeafSize)
	t.bundle = append(t.bundle, encoded...)
	if (index+1)%torchwood.TileWidth == 0 {
		t.tiles = append(t.tiles, object{bundleName(int64(index/torchwood.TileWidth), torchwood.TileWidth), bytes.Clone(t.bundle)})
		t.bundle = t.bundle[:0]
	}
	t.edge.append(tlog.Hash(h), func(level int, n int64, tile []tlog.Hash) {
		t.tiles = append(t.tiles, object{tileName(level, n, torchwood.TileWidth), tileBytes(tile)})
	})
	return index
}

// grow takes a leaf into the tree and the tables.
func (t *txn) grow(leaf *indelible.Leaf, encoded []byte, h indelible.Hash, payload []byte) (index uint64) {
	index = t.growOpaque(encoded, h)
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
		t.recorded++
	default:
		kept = kept.clone()
		t.fresh = append(t.fresh, kept)
		if kind == indelible.KindGenesis || kind == indelible.KindWriterKey || kind == indelible.KindLogKey {
			t.keyLeaves = append(t.keyLeaves, kept)
		}
	}
	return index
}

func (k keptLeaf) clone() keptLeaf {
	return keptLeaf{k.Index, bytes.Clone(k.Leaf), bytes.Clone(k.Payload)}
}

// digest holds the hashes a replay needs, which can be computed for many
// segments at once.
type digest struct {
	leaves   []indelible.Hash
	payloads []indelible.Hash // zero where a payload is malformed
}

func (s *Segment) digest() digest { return s.digestInto(digest{}) }

// digestInto computes the digest in the room of one that is not needed any more.
func (s *Segment) digestInto(d digest) digest {
	n := s.Count()
	d.leaves = slices.Grow(d.leaves[:0], n)[:n]
	d.payloads = slices.Grow(d.payloads[:0], n)[:n]
	for i := range d.leaves {
		d.leaves[i] = indelible.LeafHash(s.Leaf(i))
		d.payloads[i], _ = indelible.HashPayload(s.Payloads[i])
	}
	return d
}

// replay takes a decoded segment into the transaction, checking it and every
// leaf of it against what the log says so far.
func (t *txn) replay(seg *Segment, d digest) error {
	wrong := func(i int, err error) error {
		if err != nil && t.tolerate != nil {
			t.tolerate(i, err)
			return nil
		}
		return err
	}
	if err := wrong(-1, t.checkHeader(seg)); err != nil {
		return err
	}
	for i := range seg.Count() {
		err := t.replayLeaf(seg, i, d)
		if err = wrong(i, err); err != nil {
			return fmt.Errorf("leaf %d: %w", seg.OldSize+uint64(i), err)
		}
	}
	return wrong(-1, t.checkResult(seg))
}

// checkHeader checks that the segment continues the log.
func (t *txn) checkHeader(seg *Segment) error {
	s := t.base
	switch {
	case seg.Seq != t.seq:
		return fmt.Errorf("segment says it is number %d", seg.Seq)
	case seg.OldSize != t.edge.size || seg.OldRoot != s.edge.root():
		return fmt.Errorf("segment continues a tree of size %d, the log has %d", seg.OldSize, t.edge.size)
	case seg.Previous != s.last:
		return errors.New("segment names another predecessor")
	case seg.Epoch < s.epoch:
		return fmt.Errorf("segment of epoch %d after epoch %d", seg.Epoch, s.epoch)
	case seg.Epoch == s.epoch && seg.Writer != s.writer:
		return errors.New("segment of another writer in the same epoch")
	}
	return t.checkVoids(seg.Voids)
}

// checkResult checks what the segment says of itself once its leaves are in.
func (t *txn) checkResult(seg *Segment) error {
	s := t.base
	w, ok := s.writers[seg.Writer]
	for i := range t.writers {
		if t.writers[i].Key == seg.Writer {
			w, ok = t.writers[i], true
		}
	}
	switch {
	case seg.LogID != t.logID:
		return errors.New("segment belongs to another log")
	case !ok || seg.Epoch < w.Epoch:
		return errors.New("segment's writer key is not endorsed for its epoch")
	case t.edge.size != seg.NewSize || t.edge.root() != seg.NewRoot:
		return errors.New("segment's new root does not follow from its leaves")
	case !t.stepBack && seg.Time < s.time:
		return errors.New("segment is earlier than the one before it")
	}
	return nil
}

// checkVoids checks that the segment passes over every slot between it and the
// one before it. What stands there by now is not its business: who put it
// there can change it or take it away.
func (t *txn) checkVoids(voids []Void) error {
	next := t.base.lastSeq + 1
	if t.base.edge.size == 0 {
		next = 0
	}
	for _, v := range voids {
		if v.Seq != next {
			return fmt.Errorf("segment passes over slot %d, not %d", v.Seq, next)
		}
		next++
	}
	if next != t.seq {
		return fmt.Errorf("segment does not say what stands in slot %d", next)
	}
	return nil
}

// replayLeaf takes leaf i in, whatever is found wrong with it, unless it is
// not a leaf at all.
func (t *txn) replayLeaf(seg *Segment, i int, d digest) error {
	encoded, payload := seg.Leaf(i), seg.Payloads[i]
	var leaf indelible.Leaf
	if err := leaf.Decode(encoded); err != nil {
		t.growOpaque(encoded, d.leaves[i])
		return err
	}
	err := t.checkOrder(&leaf, seg)
	if d.payloads[i] != leaf.Payload {
		err = errors.Join(err, errors.New("payload does not match its leaf"))
	} else if !leaf.Kind.OfTenant() && err == nil {
		err = t.checkSystem(&leaf, payload, seg)
	}
	t.grow(&leaf, encoded, d.leaves[i], payload)
	return err
}

// checkOrder checks what a leaf says of its place.
func (t *txn) checkOrder(leaf *indelible.Leaf, seg *Segment) error {
	if leaf.Segment != seg.Seq || leaf.Time != seg.Time {
		return errors.New("leaf names another segment or time")
	}
	var zeroRef indelible.Ref
	switch {
	case leaf.Kind == indelible.KindTenant:
		if leaf.TenantNo != t.tenantCount()+1 || leaf.TenantSeq != 1 || leaf.Previous != (indelible.Hash{}) {
			return fmt.Errorf("tenant leaf number %d out of order", leaf.TenantNo)
		}
		if _, taken := t.tenantNo(leaf.EventRef); taken {
			return errors.New("tenant has a row already")
		}
	case leaf.Kind.OfTenant():
		if leaf.TenantNo == 0 || leaf.TenantNo > t.tenantCount() {
			return fmt.Errorf("no tenant number %d", leaf.TenantNo)
		}
		if row := t.row(leaf.TenantNo); leaf.TenantSeq != row.TenantSeq+1 || leaf.Previous != row.Leaf {
			return fmt.Errorf("leaf %d of tenant number %d does not follow its leaf %d", leaf.TenantSeq, leaf.TenantNo, row.TenantSeq)
		}
	case leaf.TenantNo != 0 || leaf.TenantSeq != 0 || leaf.EventRef != zeroRef || leaf.Previous != (indelible.Hash{}):
		return errors.New("system leaf names a tenant")
	}
	return nil
}

// systemContent reads the content of a system payload into v.
func systemContent(payload []byte, v any) error {
	p, err := indelible.DecodePayload(payload)
	if err != nil {
		return err
	}
	if len(p.Parts) != 1 || p.Parts[0].Alg != indelible.AlgNone {
		return errors.New("system payload is not plain")
	}
	content := p.Parts[0].Data
	canonical, err := indelible.AppendCanonicalJSON(nil, content)
	if err != nil || !bytes.Equal(canonical, content) {
		return errors.New("system payload is not canonical JSON")
	}
	d := json.NewDecoder(bytes.NewReader(content))
	d.DisallowUnknownFields()
	return d.Decode(v)
}

// checkSystem checks the content of a system leaf against the log so far and
// notes what it changes.
func (t *txn) checkSystem(leaf *indelible.Leaf, payload []byte, seg *Segment) error {
	s := t.base
	index := t.edge.size
	if (leaf.Kind == indelible.KindGenesis) != (index == 0) {
		return fmt.Errorf("%s at index %d", leaf.Kind, index)
	}
	switch leaf.Kind {
	case indelible.KindGenesis:
		var g indelible.Genesis
		if err := systemContent(payload, &g); err != nil {
			return err
		}
		if g.Origin != s.origin {
			return fmt.Errorf("genesis of another log, %q", g.Origin)
		}
		origin, key, err := indelible.ParseVerifierKey(g.VerifierKey)
		if err != nil || origin != s.origin {
			return fmt.Errorf("genesis names the key of %q: %w", origin, err)
		}
		t.logKey, t.logID = key, g.LogID
		if err := g.Writer.Verify(key, s.origin, g.LogID); err != nil {
			return err
		}
		t.writers = append(t.writers, g.Writer)
	case indelible.KindWriterKey:
		var w indelible.WriterKey
		if err := systemContent(payload, &w); err != nil {
			return err
		}
		if w.Origin != s.origin || w.LogID != t.logID {
			return errors.New("writer key of another log")
		}
		if err := w.Writer.Verify(t.logKey, s.origin, w.LogID); err != nil {
			return err
		}
		t.writers = append(t.writers, w.Writer)
	case indelible.KindHeads:
		var h indelible.Heads
		if err := systemContent(payload, &h); err != nil {
			return err
		}
		if want := t.headsContent(); h != want {
			return errors.New("heads leaf does not match the table of tenants")
		}
		if index+1 != seg.NewSize {
			return errors.New("heads leaf is not the last of its segment")
		}
		t.heads = true
	case indelible.KindClock:
		var c indelible.Clock
		if err := systemContent(payload, &c); err != nil {
			return err
		}
		t.stepBack = true
	case indelible.KindLogKey:
		var r indelible.LogKey
		if err := systemContent(payload, &r); err != nil {
			return err
		}
		key, err := r.Verify(t.logKey, s.origin, t.logID)
		if err != nil {
			return err
		}
		t.logKey = key
	}
	return nil
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

// keysHash is SHA-256 over the leaf hashes of all key leaves.
func keysHash(lists ...[]keptLeaf) indelible.Hash {
	d := sha256.New()
	for _, list := range lists {
		for _, k := range list {
			h := indelible.LeafHash(k.Leaf)
			d.Write(h[:])
		}
	}
	return indelible.Hash(d.Sum(nil))
}
