package indelible

import (
	"slices"
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

// A member is one of an object: where its name is (in src, or in names if
// unescaped is set) and where its canonical form is in out.
type member struct {
	head               uint64 // of the name; see nameHead
	nameStart, nameEnd int32
	outStart, outEnd   int32
	unescaped          bool
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

// object appends an object with its members in order. In details, audit_hash
// is taken out: it goes to c.claim.
func (c *canonicalizer) object(level int, details bool) *FieldError {
	if level > MaxDepth {
		return tooDeep()
	}
	c.pos++
	start, base, names := len(c.out), len(c.members), len(c.names)
	c.out = append(c.out, '{')
	sorted := true
	for first := true; ; first = false {
		b := c.next()
		if b == '}' && first {
			c.pos++
			break
		}
		m, err := c.name()
		if err != nil {
			return err
		}
		name := c.nameOf(m)
		m.head = nameHead(name)
		if details && string(name) == auditHashName {
			if err := c.takeClaim(); err != nil {
				return err.within(auditHashName)
			}
		} else {
			if n := len(c.members); n > base {
				c.out = append(c.out, ',')
				if sorted {
					order := c.compare(&c.members[n-1], &m)
					if order == 0 {
						return duplicate(name)
					}
					sorted = order < 0
				}
			}
			m.outStart = int32(len(c.out))
			if m.unescaped {
				c.out = appendString(c.out, name)
			} else {
				c.out = append(c.out, '"')
				c.out = append(c.out, name...)
				c.out = append(c.out, '"')
			}
			c.out = append(c.out, ':')
			if err := c.value(level + 1); err != nil {
				return err.within(keyStep(c.nameOf(m)))
			}
			m.outEnd = int32(len(c.out))
			c.members = append(c.members, m)
		}
		if b = c.next(); b != ',' && b != '}' {
			return c.syntax(c.pos, "a comma or the end of an object")
		}
		c.pos++
		if b == '}' {
			break
		}
	}
	if !sorted {
		if err := c.sort(start+1, c.members[base:]); err != nil {
			return err
		}
	}
	c.out = append(c.out, '}')
	c.members, c.names = c.members[:base], c.names[:names]
	return nil
}

func duplicate(name []byte) *FieldError {
	return &FieldError{keyStep(name), "appears more than once in the same object", ""}
}

// name reads a member's name and the colon after it.
func (c *canonicalizer) name() (m member, err *FieldError) {
	if c.next() != '"' {
		return m, c.syntax(c.pos, "a member's name in quotes")
	}
	m.nameStart = int32(c.pos + 1)
	raw, escaped, err := c.text()
	if err != nil {
		return m, err
	}
	m.nameEnd = m.nameStart + int32(len(raw))
	if escaped {
		m.unescaped = true
		m.nameStart = int32(len(c.names))
		if c.names, err = appendUnescaped(c.names, raw); err != nil {
			return m, err
		}
		m.nameEnd = int32(len(c.names))
	}
	if c.next() != ':' {
		return m, c.syntax(c.pos, "a colon")
	}
	c.pos++
	return m, nil
}

func (c *canonicalizer) nameOf(m member) []byte {
	if m.unescaped {
		return c.names[m.nameStart:m.nameEnd]
	}
	return c.src[m.nameStart:m.nameEnd]
}

func (c *canonicalizer) compare(a, b *member) int {
	switch {
	case a.head < b.head:
		return -1
	case a.head > b.head:
		return 1
	}
	return compareNames(c.nameOf(*a), c.nameOf(*b))
}

func (c *canonicalizer) sortMembers(members []member) {
	if len(members) > 32 {
		slices.SortFunc(members, func(a, b member) int { return c.compare(&a, &b) })
		return
	}
	// Most objects are small, and this is three times as fast for them.
	for i := 1; i < len(members); i++ {
		m, j := members[i], i
		for ; j > 0 && c.compare(&m, &members[j-1]) < 0; j-- {
			members[j] = members[j-1]
		}
		members[j] = m
	}
}

// sort writes the members, whose text begins at out[from], again in order.
func (c *canonicalizer) sort(from int, members []member) *FieldError {
	c.sortMembers(members)
	c.spare = append(c.spare[:0], c.out[from:]...)
	c.out = c.out[:from]
	for i, m := range members {
		if i > 0 {
			if name := c.nameOf(m); string(name) == string(c.nameOf(members[i-1])) {
				return duplicate(name)
			}
			c.out = append(c.out, ',')
		}
		c.out = append(c.out, c.spare[int(m.outStart)-from:int(m.outEnd)-from]...)
	}
	return nil
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
