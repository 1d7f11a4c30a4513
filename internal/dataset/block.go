package dataset

import (
	"crypto/sha256"
	"hash"

	"indelible/internal/runs"
)

// A block is some rows of one shard on their way from the database to the
// file, as lines and, for formats that are no lines, as rows.
type block struct {
	lines  []byte // JSONL: whole lines; else lines of content
	ends   []int  // JSONL: where each line ends
	packed []byte // lines, compressed, where they are

	rows  []runs.Run // in memory of the block, for formats that are no lines
	arena []byte
	full  int // bytes of arenas before this one, which the rows still use

	shard    int
	n        int // rows
	min, max runs.Time
	tenants  []tenantCount // with all tenants in one scan

	home    chan *block // where it goes when it has been written
	charged int         // of its memory, to what its reader may use
}

// memory is about how many bytes the block holds on to.
func (b *block) memory() int { return cap(b.lines) + cap(b.packed) + cap(b.arena) + b.full }

type tenantCount struct {
	tenant string
	rows   uint64
}

// Sizes of blocks. A block's end changes nothing in the file but where frames
// of compressed data begin, and those must not depend on the number of readers.
const (
	blockSize  = 256 << 10
	packedSize = 1 << 20 // uncompressed bytes of a frame
	// keepBlock is what a block may hold on to after a row that was larger.
	keepBlock = 4 << 20
)

func (b *block) reset() {
	if cap(b.lines) > keepBlock || cap(b.packed) > keepBlock || cap(b.arena) > keepBlock {
		*b = block{home: b.home, charged: b.charged}
	}
	clear(b.rows)
	b.full = 0
	b.lines, b.ends, b.packed, b.rows, b.arena = b.lines[:0], b.ends[:0], b.packed[:0], b.rows[:0], b.arena[:0]
	b.n, b.min, b.max, b.tenants = 0, runs.Time{}, runs.Time{}, b.tenants[:0]
}

// count notes a row's time and tenant, as it was before its name was masked.
func (b *block) count(tenant []byte, t runs.Time, tenants bool) {
	b.n++
	if t.Valid {
		if !b.min.Valid || t.Micros < b.min.Micros {
			b.min = t
		}
		if !b.max.Valid || t.Micros > b.max.Micros {
			b.max = t
		}
	}
	if !tenants {
		return
	}
	for i := len(b.tenants) - 1; i >= 0; i-- {
		if b.tenants[i].tenant == string(tenant) {
			b.tenants[i].rows++
			return
		}
	}
	b.tenants = append(b.tenants, tenantCount{string(tenant), 1})
}

// keep copies a row, which belongs to the source, into the block.
func (b *block) keep(r *runs.Run) {
	c := *r
	for _, field := range []*[]byte{&c.ID, &c.TenantID, &c.WorkflowName, &c.WorkflowVersion, &c.Status, &c.ErrorMessage, &c.Metadata} {
		*field = b.copy(*field)
	}
	if len(r.Extra) > 0 {
		c.Extra = make([][]byte, len(r.Extra))
		for i := range r.Extra {
			c.Extra[i] = b.copy(r.Extra[i])
		}
	}
	b.rows = append(b.rows, c)
}

// copy returns p in the block's memory. When that is full it begins anew
// elsewhere: what was copied before stays where it is.
func (b *block) copy(p []byte) []byte {
	if p == nil {
		return nil
	}
	if len(b.arena)+len(p) > cap(b.arena) {
		b.full += cap(b.arena)
		b.arena = make([]byte, 0, max(blockSize+blockSize/4, len(p)))
	}
	at := len(b.arena)
	b.arena = append(b.arena, p...)
	return b.arena[at:len(b.arena):len(b.arena)]
}

// contentHash is the digest over the lines of rows without _export_*. Equal
// rows have equal digests, whatever the format and whenever exported.
type contentHash struct {
	hash.Hash
	suffix int // bytes after the content in a line; 0: the lines are content
}

func newContentHash(suffix int) *contentHash { return &contentHash{sha256.New(), suffix} }

var contentEndBytes = []byte(contentEnd)

func (h *contentHash) add(b *block) {
	if h.suffix == 0 {
		h.Write(b.lines)
		return
	}
	begin := 0
	for _, end := range b.ends {
		h.Write(b.lines[begin : end-h.suffix])
		h.Write(contentEndBytes)
		begin = end
	}
}
