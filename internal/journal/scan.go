package journal

import (
	"crypto/sha256"
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
	torn   uint64     // bytes behind it
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
	complete := false
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

// next reads the unit at pos, or says what is wrong there and whether it is a
// complete unit nevertheless.
func (c *scanner) next() (u unit, what string, complete bool, err error) {
	u, err = readUnit(c.r, c.id, c.pos, c.size, &c.buf)
	var bad badBytes
	switch {
	case errors.As(err, &bad):
		return u, string(bad), false, nil
	case err != nil:
		return u, "", false, err
	case c.linked && u.prev != c.prev:
		return u, "group does not follow the one before it", true, nil
	}
	return u, "", false, nil
}

// resume finds the next intact unit behind bad bytes at pos. If there is none,
// what is left is a torn tail, unless no power cut could have left it: a
// complete unit that does not follow, or a file with a broken header and more
// than a header in it.
func (c *scanner) resume(what string, complete bool) (u unit, found bool, err error) {
	u, found, err = findUnit(c.r, c.id, c.pos+1, c.size, &c.buf)
	switch {
	case err != nil:
		return u, false, err
	case found:
		c.damage = append(c.damage, Damage{c.pos, u.offset - c.pos, what})
	case complete || c.pos == 0 && c.size > fileHeaderSize:
		c.damage = append(c.damage, Damage{c.pos, c.size - c.pos, what})
		c.length = c.size
	default:
		c.torn = c.size - c.pos
	}
	return u, found, nil
}
