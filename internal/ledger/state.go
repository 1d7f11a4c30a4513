package ledger

import (
	"cmp"
	"crypto/sha256"
	"maps"
	"slices"

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
	keyLeaves []keptLeaf            // those that stand: see standing
	oldKeys   []indelible.PublicKey // log keys before logKey
	headsTime int64                 // of the latest heads leaf
	gov       *governance

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
		gov:      &governance{},
	}
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
	o := object{name: headsName(size), data: h.encode()}
	s.lastHeads, s.headsSize, s.fresh = size-1, size, nil
	clear(s.changed)
	return o
}

// keysHash is SHA-256 over the leaf hashes of all standing leaves.
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

// noteRefs notes which rows tenants begin, and with a 0 whose row is erased.
func (s *state) noteRefs(byRef map[indelible.Ref]uint64) {
	for ref, no := range byRef {
		if s.byRef[ref] = no; no == 0 {
			delete(s.byRef, ref)
		}
	}
}
