package journal

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"indelible"
)

// Sizes of the structures of a journal file; docs/format.md, Journal, has the bytes.
const (
	fileHeaderSize  = 60
	groupHeaderSize = 184
	gapHeaderSize   = 140

	fileMagic  = "INJL"
	groupMagic = "INJG"
	gapMagic   = "INJX"

	// flagReplaced in a file header says that the original was damaged: the
	// first group's link to it cannot be checked.
	flagReplaced = 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// badBytes is the error about content that is not what the format says, as
// opposed to a failure to read it.
type badBytes string

func (b badBytes) Error() string { return string(b) }

// fileHeader begins a journal file.
type fileHeader struct {
	id        indelible.ID
	size      uint64 // of the tree, as far as the writer knew
	created   int64  // ms
	directory indelible.ID
	replaced  bool
}

func (h *fileHeader) encode() []byte {
	b := indelible.AppendPrefix(make([]byte, 0, fileHeaderSize), fileMagic)
	var flags uint16
	if h.replaced {
		flags |= flagReplaced
	}
	b = binary.BigEndian.AppendUint16(b, flags)
	b = append(b, h.id[:]...)
	b = binary.BigEndian.AppendUint64(b, h.size)
	b = binary.BigEndian.AppendUint64(b, uint64(h.created))
	b = append(b, h.directory[:]...)
	return appendCRC(b)
}

func decodeFileHeader(b []byte) (h fileHeader, err error) {
	if len(b) < fileHeaderSize {
		return h, badBytes("file header is cut short")
	}
	b = b[:fileHeaderSize]
	if err := checkVersion(b); err != nil {
		return h, err
	}
	if err := checkStart("file header", fileMagic, b); err != nil {
		return h, err
	}
	flags := binary.BigEndian.Uint16(b[6:])
	if flags&^flagReplaced != 0 {
		return h, badBytes(fmt.Sprintf("file header: unknown flags %#x", flags))
	}
	h.replaced = flags&flagReplaced != 0
	copy(h.id[:], b[8:])
	h.size = binary.BigEndian.Uint64(b[24:])
	h.created = int64(binary.BigEndian.Uint64(b[32:]))
	copy(h.directory[:], b[40:])
	return h, nil
}

// groupHeader begins a group: the records of one fsync.
type groupHeader struct {
	id        indelible.ID
	offset    uint64
	length    uint32 // of the body
	records   uint32
	time      int64 // ms
	prev      indelible.Hash
	root      indelible.Hash
	signature indelible.Signature
	bodyCRC   uint32
}

// encode writes the header over b[:groupHeaderSize] and returns its hash.
func (h *groupHeader) encode(b []byte) indelible.Hash {
	d := indelible.AppendPrefix(b[:0:groupHeaderSize], groupMagic)
	d = append(d, 0, 0)
	d = append(d, h.id[:]...)
	d = binary.BigEndian.AppendUint64(d, h.offset)
	d = binary.BigEndian.AppendUint32(d, h.length)
	d = binary.BigEndian.AppendUint32(d, h.records)
	d = binary.BigEndian.AppendUint64(d, uint64(h.time))
	d = append(d, h.prev[:]...)
	d = append(d, h.root[:]...)
	d = append(d, h.signature[:]...)
	d = binary.BigEndian.AppendUint32(d, h.bodyCRC)
	return sha256.Sum256(appendCRC(d))
}

func decodeGroupHeader(b []byte) (h groupHeader, err error) {
	if len(b) < groupHeaderSize {
		return h, badBytes("group header is cut short")
	}
	b = b[:groupHeaderSize]
	if err := checkStart("group header", groupMagic, b); err != nil {
		return h, err
	}
	if b[6] != 0 || b[7] != 0 {
		return h, badBytes("group header: reserved bytes are not zero")
	}
	copy(h.id[:], b[8:])
	h.offset = binary.BigEndian.Uint64(b[24:])
	h.length = binary.BigEndian.Uint32(b[32:])
	h.records = binary.BigEndian.Uint32(b[36:])
	h.time = int64(binary.BigEndian.Uint64(b[40:]))
	copy(h.prev[:], b[48:])
	copy(h.root[:], b[80:])
	copy(h.signature[:], b[112:])
	h.bodyCRC = binary.BigEndian.Uint32(b[176:])
	if h.length > maxBody || h.records == 0 || uint64(h.records)*minRecord > uint64(h.length) {
		return h, badBytes(fmt.Sprintf("group header: %d records in %d bytes", h.records, h.length))
	}
	return h, nil
}

// gapHeader stands where damage was taken out of a file, so that what follows
// keeps its place.
type gapHeader struct {
	id     indelible.ID
	offset uint64
	length uint64         // of the gap, this header included
	sum    indelible.Hash // of the bytes that stood here
	prev   indelible.Hash // running hash before the gap
	next   indelible.Hash // what the group after the gap names as its previous one
}

func (h *gapHeader) encode() []byte {
	d := indelible.AppendPrefix(make([]byte, 0, gapHeaderSize), gapMagic)
	d = append(d, 0, 0)
	d = append(d, h.id[:]...)
	d = binary.BigEndian.AppendUint64(d, h.offset)
	d = binary.BigEndian.AppendUint64(d, h.length)
	d = append(d, h.sum[:]...)
	d = append(d, h.prev[:]...)
	d = append(d, h.next[:]...)
	return appendCRC(d)
}

func decodeGapHeader(b []byte) (h gapHeader, err error) {
	if len(b) < gapHeaderSize {
		return h, badBytes("gap header is cut short")
	}
	b = b[:gapHeaderSize]
	if err := checkStart("gap header", gapMagic, b); err != nil {
		return h, err
	}
	if b[6] != 0 || b[7] != 0 {
		return h, badBytes("gap header: reserved bytes are not zero")
	}
	copy(h.id[:], b[8:])
	h.offset = binary.BigEndian.Uint64(b[24:])
	h.length = binary.BigEndian.Uint64(b[32:])
	copy(h.sum[:], b[40:])
	copy(h.prev[:], b[72:])
	copy(h.next[:], b[104:])
	if h.length < gapHeaderSize {
		return h, badBytes(fmt.Sprintf("gap header: a gap of %d bytes", h.length))
	}
	return h, nil
}

func appendCRC(b []byte) []byte {
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// checkStart checks magic, version, suite and the CRC that ends the header. All
// structures of a file have the version of its header, so another one in a
// group is bad bytes.
func checkStart(what, magic string, b []byte) error {
	if err := indelible.CheckPrefix(what, magic, b); err != nil {
		return badBytes(err.Error())
	}
	if !crcFits(b) {
		return badBytes(what + ": checksum does not match")
	}
	return nil
}

// checkVersion refuses a file of a newer version. A version byte above ours is
// a flipped bit, not a newer version, if our checksum is right once our version
// is put in its place.
func checkVersion(b []byte) error {
	err := indelible.CheckPrefix("file header", fileMagic, b)
	if !errors.Is(err, indelible.ErrNewerFormat) || crcFits(withOurPrefix(b, fileMagic)) {
		return nil
	}
	return err
}

func crcFits(b []byte) bool {
	n := len(b) - 4
	return binary.BigEndian.Uint32(b[n:]) == crc32.Checksum(b[:n], castagnoli)
}

func withOurPrefix(b []byte, magic string) []byte {
	c := indelible.AppendPrefix(make([]byte, 0, len(b)), magic)
	return append(c, b[len(c):]...)
}
