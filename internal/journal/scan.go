package journal

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"indelible"
)

// Damage is a stretch of a journal that is not what was written there. A torn
// tail, which a power cut leaves behind the last complete group, is not damage:
// nothing in it was ever acknowledged.
type Damage struct {
	Offset, Length uint64
	What           string
}

// DamageError refuses to read damaged bytes.
type DamageError struct {
	Journal indelible.ID
	Damage
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("journal %s is damaged at offset %d, %d bytes: %s", e.Journal, e.Offset, e.Length, e.What)
}

// scan is what is found in a journal file.
type scan struct {
	header fileHeader // zero but for the id where the header is damaged
	length uint64     // up to the end of the last intact group
	torn   uint64     // bytes behind it, of a group of this journal that is not whole
	old    uint64     // bytes behind that, which mean nothing
	unused bool       // no group of this journal was ever in the file
	damage []Damage
}

// scanner reads a journal file from beginning to end.
type scanner struct {
	r    io.ReaderAt
	id   indelible.ID
	size uint64
	buf  []byte

	scan
	pos    uint64
	prev   indelible.Hash // what the unit at pos must name, if linked
	linked bool
}

// scanFile scans a file and calls each, if not nil, for every intact unit. An
// error means that the file could not be read.
func scanFile(r io.ReaderAt, id indelible.ID, size uint64, each func(*unit) error) (scan, error) {
	c := scanner{r: r, id: id, size: size}
	what, err := c.readHeader()
	if err != nil {
		return c.scan, err
	}
	c.length = c.pos
	complete := uint64(0)
	for c.pos < size {
		var u unit
		if what == "" {
			if u, what, complete, err = c.next(); err != nil {
				return c.scan, err
			}
		}
		if what != "" {
			found := false
			if u, found, err = c.resume(what, complete); err != nil || !found {
				return c.scan, err
			}
			what = ""
		}
		if each != nil {
			if err := each(&u); err != nil {
				return c.scan, err
			}
		}
		c.pos, c.prev, c.linked = u.end, u.next, true
		c.length = u.end
	}
	return c.scan, nil
}

// readHeader reads the file header or says what is wrong with it.
func (c *scanner) readHeader() (what string, err error) {
	b := make([]byte, min(c.size, fileHeaderSize))
	if err := readFull(c.r, b, 0); err != nil {
		return "", err
	}
	c.header, err = decodeFileHeader(b)
	if err == nil && c.header.id != c.id {
		err = badBytes(fmt.Sprintf("file header belongs to journal %s", c.header.id))
	}
	var bad badBytes
	switch {
	case err == nil:
		c.pos, c.prev, c.linked = fileHeaderSize, sha256.Sum256(b), !c.header.replaced
		return "", nil
	case errors.As(err, &bad):
		c.header = fileHeader{id: c.id}
		return string(bad), nil
	default:
		return "", err
	}
}

// next reads the unit at pos, or says what is wrong there and where it ends if
// it is a complete unit nevertheless.
func (c *scanner) next() (u unit, what string, complete uint64, err error) {
	u, err = readUnit(c.r, c.id, c.pos, c.size, &c.buf)
	var bad badBytes
	switch {
	case errors.As(err, &bad):
		return u, string(bad), 0, nil
	case err != nil:
		return u, "", 0, err
	case c.linked && u.prev != c.prev:
		return u, "group does not follow the one before it", u.end, nil
	}
	return u, "", 0, nil
}

// resume finds the next intact unit behind bad bytes at pos. If there is none,
// what is left is the tail, unless no power cut could have left it: a complete
// unit that does not follow, or a broken header in a file with more than that.
func (c *scanner) resume(what string, complete uint64) (u unit, found bool, err error) {
	u, found, err = findUnit(c.r, c.id, c.pos+1, c.size, &c.buf)
	switch {
	case err != nil:
		return u, false, err
	case found:
		c.damage = append(c.damage, Damage{c.pos, u.offset - c.pos, what})
	case complete > 0:
		c.damage = append(c.damage, Damage{c.pos, complete - c.pos, what})
		c.pos, c.length = complete, complete
		err = c.tail()
	case c.pos == 0 && c.size > fileHeaderSize:
		c.damage = append(c.damage, Damage{c.pos, c.size - c.pos, what})
		c.length = c.size
	default:
		err = c.tail()
	}
	return u, found, err
}

// tail says what stands behind the last group, at pos: a write that was cut
// short, or what an older journal left in a file that was used again. The two
// can lie in each other's blocks, so this is a description and no more; nothing
// of it is read.
func (c *scanner) tail() error {
	rest := c.size - c.pos
	b := make([]byte, min(rest, groupHeaderSize))
	if err := readFull(c.r, b, c.pos); err != nil {
		return err
	}
	if c.pos < fileHeaderSize || c.looksOurs(b) {
		c.torn = uint64(len(b))
		if len(b) == groupHeaderSize {
			if n := binary.BigEndian.Uint32(b[32:]); n <= maxBody {
				c.torn = min(rest, groupHeaderSize+uint64(n))
			}
		}
	}
	c.old = rest - c.torn
	// The first group of any journal stands here; ours would stand over it.
	g, err := decodeGroupHeader(b)
	c.unused = err == nil && c.pos == fileHeaderSize && g.offset == c.pos && g.id != c.id
	return nil
}

// looksOurs is whether b could be the broken header of a group of this journal
// at pos: of the bytes such a header begins with, at least three quarters are
// there. The header of another journal's group in the same place has half.
func (c *scanner) looksOurs(b []byte) bool {
	want := append(indelible.AppendPrefix(nil, groupMagic), 0, 0)
	want = append(want, c.id[:]...)
	want = binary.BigEndian.AppendUint64(want, c.pos)
	want = want[:min(len(want), len(b))]
	same := 0
	for i := range want {
		if want[i] == b[i] {
			same++
		}
	}
	return same*4 >= len(want)*3
}
