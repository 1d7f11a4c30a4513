package journal

import (
	"crypto/sha256"

	"indelible"
)

// recent holds groups that were written and not read yet, oldest first. The
// committer then need not read, check and hash again what has just gone by.
// What finds no room is read from the file. The journal's mu guards it.
type recent struct {
	groups []recentGroup
	bytes  int
}

type recentGroup struct {
	*Sealed
	prev indelible.Hash // running hash before it
	buf  []byte         // header and records
}

// recentBytes bounds the memory of groups not read yet.
const recentBytes = 16 << 20

// keep takes a group, if there is room.
func (r *recent) keep(g recentGroup) bool {
	if r.bytes+cap(g.buf) > recentBytes {
		return false
	}
	r.groups = append(r.groups, g)
	r.bytes += cap(g.buf)
	return true
}

// take returns the group at a place and forgets those before it.
func (r *recent) take(id indelible.ID, offset uint64) (g recentGroup, ok bool) {
	for i, g := range r.groups {
		if g.Journal != id || g.Offset != offset {
			continue
		}
		for _, read := range r.groups[:i+1] {
			r.bytes -= cap(read.buf)
		}
		r.groups = append(r.groups[:0], r.groups[i+1:]...)
		return g, true
	}
	return g, false
}

// group gives a kept group as reading the file would.
func (g recentGroup) group() (Group, error) {
	records, err := decodeRecords(g.buf[groupHeaderSize:], g.Sealed.Records)
	return Group{
		Journal: g.Journal, Offset: g.Offset, End: g.End, Time: g.Time, PrevHash: g.prev,
		Hash: sha256.Sum256(g.buf[:groupHeaderSize]), Root: g.Root, Signature: g.Signature, Records: records, buf: g.buf,
	}, err
}
