package journal

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"indelible"
)

// unit is a group, or a gap where one was, with its checksums verified and, in
// a group, the root over its records. Whether it follows what is before it, and
// its signature, are not looked at.
type unit struct {
	offset, end uint64
	header      groupHeader // of a group
	gap         bool
	prev        indelible.Hash // running hash before it, as it says
	hash        indelible.Hash // running hash after it
	next        indelible.Hash // what its successor must name as prev; differs from hash for a gap
	records     []Record       // of a group
}

// readUnit reads the unit at offset in a file of the given size. The
// records lie in buf, which grows to what the largest group needs. Content that is
// not a unit is a badBytes error.
func readUnit(r io.ReaderAt, id indelible.ID, offset, size uint64, buf *[]byte) (u unit, err error) {
	var head [groupHeaderSize]byte
	h := head[:min(uint64(len(head)), size-min(offset, size))]
	if err := readFull(r, h, offset); err != nil {
		return u, err
	}
	u.offset = offset
	if len(h) >= 4 && string(h[:4]) == gapMagic {
		return readGap(u, id, h, size)
	}
	g, err := decodeGroupHeader(h)
	if err != nil {
		return u, err
	}
	u.header, u.prev = g, g.prev
	u.end = offset + groupHeaderSize + uint64(g.length)
	if g.id != id || g.offset != offset {
		return u, badBytes(fmt.Sprintf("group belongs to offset %d of journal %s", g.offset, g.id))
	}
	if u.end > size {
		return u, badBytes("group is cut short")
	}
	if cap(*buf) < int(g.length) {
		*buf = make([]byte, g.length)
	}
	body := (*buf)[:g.length]
	if err := readFull(r, body, offset+groupHeaderSize); err != nil {
		return u, err
	}
	if crc32.Checksum(body, castagnoli) != g.bodyCRC {
		return u, badBytes("group body: checksum does not match")
	}
	records, t, err := decodeBody(body, g.records)
	if err != nil {
		return u, err
	}
	if t.root() != g.root {
		return u, badBytes("records do not have the root in the group header")
	}
	u.records = records
	u.hash = sha256.Sum256(h)
	u.next = u.hash
	return u, nil
}

func readGap(u unit, id indelible.ID, h []byte, size uint64) (unit, error) {
	g, err := decodeGapHeader(h)
	if err != nil {
		return u, err
	}
	if g.id != id || g.offset != u.offset || g.length > size-u.offset {
		return u, badBytes(fmt.Sprintf("gap of %d bytes belongs to offset %d of journal %s", g.length, g.offset, g.id))
	}
	u.gap = true
	u.end = u.offset + g.length
	u.prev, u.next = g.prev, g.next
	u.hash = sha256.Sum256(h[:gapHeaderSize])
	return u, nil
}

// readFull fills b; running into the end of the file is bad content, not a
// failed read.
func readFull(r io.ReaderAt, b []byte, offset uint64) error {
	n, err := r.ReadAt(b, int64(offset))
	switch {
	case n == len(b):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return badBytes("cut short")
	default:
		return fmt.Errorf("read %d bytes at %d: %w", len(b), offset, err)
	}
}

// findUnit searches for the first intact unit of the journal at or after from.
func findUnit(r io.ReaderAt, id indelible.ID, from, size uint64, buf *[]byte) (u unit, found bool, err error) {
	const chunk = 1 << 20
	const mark = 6 + 2 + 16 // magic, version, suite, zeros, id: equal in all units but for the magic
	tail := append(indelible.AppendPrefix(nil, groupMagic), 0, 0)
	tail = append(tail, id[:]...)[4:]
	window := make([]byte, min(chunk+mark, size-min(from, size)))
	for at := from; at+mark <= size; at += chunk {
		w := window[:min(uint64(len(window)), size-at)]
		if err := readFull(r, w, at); err != nil {
			return u, false, err
		}
		for i := 4; ; {
			k := bytes.Index(w[min(i, len(w)):], tail)
			if k < 0 {
				break
			}
			offset := at + uint64(i+k) - 4
			i += k + 1
			// A unit knows where it belongs: a copy of one elsewhere is content.
			if !unitClaims(r, offset) {
				continue
			}
			u, err := readUnit(r, id, offset, size, buf)
			if err == nil {
				return u, true, nil
			}
			var bad badBytes
			if !errors.As(err, &bad) {
				return u, false, err
			}
		}
	}
	return u, false, nil
}

// unitClaims is a cheap look at the offset a unit's header gives itself, before
// a body is read.
func unitClaims(r io.ReaderAt, offset uint64) bool {
	var b [8]byte
	return readFull(r, b[:], offset+24) == nil && binary.BigEndian.Uint64(b[:]) == offset
}
