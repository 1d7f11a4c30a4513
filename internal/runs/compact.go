package runs

import (
	"bytes"
	"unicode/utf8"
)

// Compact takes the white space out of a JSON text, in place, and returns what
// is left. The text must be valid JSON.
func Compact(b []byte) []byte {
	w := 0
	for i := 0; i < len(b); {
		switch c := b[i]; c {
		case ' ', '\t', '\n', '\r':
			i++
		case '"':
			end := i + stringLength(b[i:])
			if w == i {
				w = end
			} else {
				w += copy(b[w:], b[i:end])
			}
			i = end
		default:
			b[w] = c
			w++
			i++
		}
	}
	return b[:w]
}

// stringLength is the length of the JSON string b begins with, quotes included.
func stringLength(b []byte) int {
	for i := 1; i < len(b); i++ {
		next := bytes.IndexByte(b[i:], '"')
		if next < 0 {
			break
		}
		i += next
		slashes := 0
		for slashes < i-1 && b[i-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return i + 1
		}
	}
	return len(b)
}

// maxDepth is how deep a JSON text may be nested.
const maxDepth = 1000

// CompactValid checks that a text is JSON in UTF-8 (RFC 8259) and takes the white
// space out of it, in place.
func CompactValid(b []byte) (_ []byte, ok bool) {
	s := jsonScanner{b: b}
	if !s.value(0) {
		return nil, false
	}
	s.space()
	return b[:s.w], s.i == len(b)
}

// jsonScanner reads b at i and keeps what it wants at w, which is not beyond i.
type jsonScanner struct {
	b    []byte
	i, w int
}

func (s *jsonScanner) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\t', '\n', '\r':
			s.i++
		default:
			return
		}
	}
}

// keep moves the next n bytes to where they belong.
func (s *jsonScanner) keep(n int) {
	if s.w != s.i {
		copy(s.b[s.w:], s.b[s.i:s.i+n])
	}
	s.i += n
	s.w += n
}

// next says whether c comes next, and keeps it.
func (s *jsonScanner) next(c byte) bool {
	s.space()
	if s.i == len(s.b) || s.b[s.i] != c {
		return false
	}
	s.keep(1)
	return true
}

func (s *jsonScanner) value(depth int) bool {
	s.space()
	if s.i == len(s.b) || depth > maxDepth {
		return false
	}
	switch s.b[s.i] {
	case '{':
		return s.list('}', depth)
	case '[':
		return s.list(']', depth)
	case '"':
		return s.text()
	case 't':
		return s.word("true")
	case 'f':
		return s.word("false")
	case 'n':
		return s.word("null")
	}
	return s.number()
}

// list reads the members of an object or array, up to the closing bracket.
func (s *jsonScanner) list(end byte, depth int) bool {
	s.keep(1)
	if s.next(end) {
		return true
	}
	for {
		if end == '}' {
			s.space()
			if !s.text() || !s.next(':') {
				return false
			}
		}
		if !s.value(depth + 1) {
			return false
		}
		if s.next(end) {
			return true
		}
		if !s.next(',') {
			return false
		}
	}
}

func (s *jsonScanner) word(w string) bool {
	if len(s.b)-s.i < len(w) || string(s.b[s.i:s.i+len(w)]) != w {
		return false
	}
	s.keep(len(w))
	return true
}

// plain are the bytes that stand for themselves in a string.
var plain [256]bool

func init() {
	for c := byte(' '); c < utf8.RuneSelf; c++ {
		plain[c] = c != '"' && c != '\\'
	}
}

// text reads a string.
func (s *jsonScanner) text() bool {
	b := s.b[s.i:]
	if len(b) == 0 || b[0] != '"' {
		return false
	}
	for n := 1; n < len(b); {
		for n < len(b) && plain[b[n]] {
			n++
		}
		if n == len(b) {
			return false
		}
		switch c := b[n]; {
		case c == '"':
			s.keep(n + 1)
			return true
		case c == '\\':
			size := escapeLength(b[n:])
			if size == 0 {
				return false
			}
			n += size
		case c < ' ':
			return false
		default:
			r, size := utf8.DecodeRune(b[n:])
			if r == utf8.RuneError && size == 1 {
				return false
			}
			n += size
		}
	}
	return false
}

// escapeLength is the length of the escape b begins with; 0 if it is none.
func escapeLength(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if len(b) < 6 {
			return 0
		}
		for _, c := range b[2:6] {
			if !isHex(c) {
				return 0
			}
		}
		return 6
	}
	return 0
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// number reads -12.5e+3.
func (s *jsonScanner) number() bool {
	b := s.b[s.i:]
	n := 0
	digits := func() bool {
		from := n
		for n < len(b) && b[n] >= '0' && b[n] <= '9' {
			n++
		}
		return n > from
	}
	if n < len(b) && b[n] == '-' {
		n++
	}
	if n < len(b) && b[n] == '0' {
		n++
	} else if !digits() {
		return false
	}
	if n < len(b) && b[n] == '.' {
		n++
		if !digits() {
			return false
		}
	}
	if n < len(b) && (b[n] == 'e' || b[n] == 'E') {
		n++
		if n < len(b) && (b[n] == '+' || b[n] == '-') {
			n++
		}
		if !digits() {
			return false
		}
	}
	s.keep(n)
	return true
}
