package indelible

import (
	"strconv"
	"sync"
)

// AppendCanonicalJSON appends the canonical form (RFC 8785, JCS) of src, which
// is one JSON value, to dst. It refuses what could not be read back the same:
// members that appear twice, invalid text, numbers that a double cannot hold
// exactly, and values beyond MaxEventSize or MaxDepth. The error is a
// *FieldError; dst is then returned as it came.
func AppendCanonicalJSON(dst, src []byte) ([]byte, error) {
	out, _, err := appendCanonical(dst, src, false)
	return out, err
}

// CanonicalizeLossless is AppendCanonicalJSON for foreign data: numbers that a
// double cannot hold exactly become strings of the same digits, and are counted.
func CanonicalizeLossless(dst, src []byte) (out []byte, stringified int, err error) {
	return appendCanonical(dst, src, true)
}

func appendCanonical(dst, src []byte, lossless bool) ([]byte, int, error) {
	c := newCanonicalizer(src)
	defer c.release()
	c.lossless = lossless
	if err := c.document(); err != nil {
		return dst, 0, err
	}
	return append(dst, c.out...), c.stringified, nil
}

// A canonicalizer reads JSON text once, from front to back, and writes the
// canonical form as it goes. Only objects whose members are not in order yet
// are written twice.
type canonicalizer struct {
	src         []byte
	pos         int      // reading position in src
	out         []byte   // canonical form so far
	members     []member // of all the objects that are open
	names       []byte   // members' names that had escapes
	spare       []byte
	lossless    bool
	stringified int

	// What event found; see parse.go.
	claim    []byte // the caller's details.audit_hash
	hasClaim bool
	strings  []byte // the event's string members, one after another
}

var canonicalizers = sync.Pool{New: func() any { return new(canonicalizer) }}

func newCanonicalizer(src []byte) *canonicalizer {
	c := canonicalizers.Get().(*canonicalizer)
	c.src = src
	return c
}

func (c *canonicalizer) release() {
	const keep = 64 << 10 // one large event must not hold its memory for ever
	if cap(c.out)+cap(c.spare)+cap(c.names)+cap(c.strings) > keep || cap(c.members) > 1024 {
		return
	}
	*c = canonicalizer{
		out: c.out[:0], spare: c.spare[:0], names: c.names[:0], members: c.members[:0],
		claim: c.claim[:0], strings: c.strings[:0],
	}
	canonicalizers.Put(c)
}

// document reads the one value that src must be.
func (c *canonicalizer) document() *FieldError {
	if err := c.checkInputSize(); err != nil {
		return err
	}
	if err := c.value(1); err != nil {
		return err
	}
	if c.space(); c.pos < len(c.src) {
		return c.syntax(c.pos, "the end of the input")
	}
	if len(c.out) > MaxEventSize {
		return tooLarge("", "")
	}
	return nil
}

func (c *canonicalizer) checkInputSize() *FieldError {
	if n := len(c.src); n > MaxInputSize {
		return &FieldError{"", "the input has " + strconv.Itoa(n) + " bytes, the limit is " + strconv.Itoa(MaxInputSize), sizeHint}
	}
	return nil
}

const sizeHint = "keep large content elsewhere and record where it is and its hash"

func tooLarge(field, size string) *FieldError {
	return &FieldError{field, "the canonical form is larger than the limit of " + strconv.Itoa(MaxEventSize) + " bytes" + size, sizeHint}
}

func (c *canonicalizer) space() {
	for c.pos < len(c.src) {
		switch c.src[c.pos] {
		case ' ', '\n', '\t', '\r':
			c.pos++
		default:
			return
		}
	}
}

// next skips white space and returns the byte after it without taking it, or
// 0 (which is never valid there) at the end.
func (c *canonicalizer) next() byte {
	if c.pos < len(c.src) && c.src[c.pos] > ' ' {
		return c.src[c.pos]
	}
	if c.space(); c.pos < len(c.src) {
		return c.src[c.pos]
	}
	return 0
}

// value appends the canonical form of the next value, which is at the given
// level of nesting.
func (c *canonicalizer) value(level int) *FieldError {
	// The audit hash that is taken out of details may stand beyond the limit.
	if len(c.out) > MaxEventSize+128 {
		return tooLarge("", "")
	}
	switch b := c.next(); b {
	case '"':
		return c.string()
	case '{':
		return c.object(level, false)
	case '[':
		return c.array(level)
	case 't':
		return c.literal("true")
	case 'f':
		return c.literal("false")
	case 'n':
		return c.literal("null")
	default:
		if b == '-' || b-'0' <= 9 {
			return c.number()
		}
		return c.syntax(c.pos, "a value")
	}
}

func (c *canonicalizer) literal(word string) *FieldError {
	if !hasWord(c.src[c.pos:], word) {
		return c.syntax(c.pos, "a value")
	}
	c.pos += len(word)
	c.out = append(c.out, word...)
	return nil
}

func hasWord(src []byte, word string) bool {
	return len(src) >= len(word) && string(src[:len(word)]) == word
}

func (c *canonicalizer) string() *FieldError {
	raw, escaped, err := c.text()
	if err != nil {
		return err
	}
	if !escaped { // then it is canonical already
		c.out = append(c.out, '"')
		c.out = append(c.out, raw...)
		c.out = append(c.out, '"')
		return nil
	}
	c.spare, err = appendUnescaped(c.spare[:0], raw)
	if err == nil {
		c.out = appendString(c.out, c.spare)
	}
	return err
}

func (c *canonicalizer) array(level int) *FieldError {
	if level > MaxDepth {
		return tooDeep()
	}
	c.pos++
	c.out = append(c.out, '[')
	if c.next() == ']' {
		c.pos++
		c.out = append(c.out, ']')
		return nil
	}
	for i := 0; ; i++ {
		if err := c.value(level + 1); err != nil {
			return err.within(indexStep(i))
		}
		switch c.next() {
		case ',':
			c.pos++
			c.out = append(c.out, ',')
		case ']':
			c.pos++
			c.out = append(c.out, ']')
			return nil
		default:
			return c.syntax(c.pos, "a comma or the end of an array")
		}
	}
}

func tooDeep() *FieldError {
	return &FieldError{"", "nested deeper than the limit of " + strconv.Itoa(MaxDepth) + " levels", ""}
}

// syntax says that src is not JSON at i, where something else was wanted.
func (c *canonicalizer) syntax(i int, wanted string) *FieldError {
	problem := "not valid JSON: the input ends where " + wanted + " should stand"
	if i < len(c.src) {
		rest := c.src[i:]
		if hasWord(rest, "-") {
			rest = rest[1:]
		}
		if hasWord(rest, "NaN") || hasWord(rest, "Infinity") {
			return &FieldError{"", "NaN and Infinity are not JSON" + c.at(i), "send null or a string"}
		}
		problem = "not valid JSON: " + strconv.QuoteRune(rune(c.src[i])) + " where " + wanted + " should stand" + c.at(i)
	}
	return &FieldError{"", problem, ""}
}

func (c *canonicalizer) at(i int) string { return " (byte " + strconv.Itoa(i+1) + ")" }
