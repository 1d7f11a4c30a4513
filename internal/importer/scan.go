package importer

import (
	"bytes"
	"encoding/json"
	"iter"
)

// A verdict says what a scan found.
type verdict int

const (
	whole      verdict = iota // a value
	unfinished                // the beginning of one
	broken                    // something that cannot become one
)

// A scanner finds where a JSON value ends. It knows just enough grammar for
// that; whether words, numbers and strings are right is not its business.
type scanner struct {
	oneLine bool // a line feed ends everything: no value goes over it

	at     int    // where the scan stands
	next   int    // what may come there
	inText bool   // it stands inside a string
	open   []byte // '{' and '[' that are open
}

// What may come next.
const (
	aValue = iota
	aValueOrEnd
	aName
	aNameOrEnd
	aColon
	aCommaOrEnd
)

func (s *scanner) begin() {
	s.at, s.next, s.inText, s.open = 0, aValue, false, s.open[:0]
}

// scan goes through the value at the beginning of b, and any white space
// before it. It returns where the value ends, or where the scan did. If it is
// unfinished, scan goes on from there when b has become longer.
func (s *scanner) scan(b []byte) (int, verdict) {
	for s.at < len(b) {
		if s.inText {
			if v := s.text(b); v != whole {
				return min(s.at, len(b)), v
			}
			if s.next == aName || s.next == aNameOrEnd {
				s.next = aColon
				continue
			}
			if s.next = aCommaOrEnd; len(s.open) == 0 {
				return s.at, whole
			}
			continue
		}
		switch c := b[s.at]; {
		case c == '\n' && s.oneLine:
			return s.at, broken
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
		case c == '"' && s.next <= aNameOrEnd:
			s.inText = true
		case c == ':' && s.next == aColon:
			s.next = aValue
		case (c == '{' || c == '[') && s.next <= aValueOrEnd:
			s.open = append(s.open, c)
			if s.next = aNameOrEnd; c == '[' {
				s.next = aValueOrEnd
			}
		case isWord(c) && s.next <= aValueOrEnd:
			end := s.at
			for end < len(b) && isWord(b[end]) {
				end++
			}
			if end == len(b) {
				return s.at, unfinished // the word may go on
			}
			if s.at, s.next = end, aCommaOrEnd; len(s.open) == 0 {
				return end, whole
			}
			continue
		case c == ',' && s.next == aCommaOrEnd:
			if s.next = aName; s.inArray() {
				s.next = aValue
			}
		case c == '}' && (s.next == aNameOrEnd || s.next == aCommaOrEnd) && !s.inArray(),
			c == ']' && (s.next == aValueOrEnd || s.next == aCommaOrEnd) && s.inArray():
			s.open = s.open[:len(s.open)-1]
			if s.next = aCommaOrEnd; len(s.open) == 0 {
				s.at++
				return s.at, whole
			}
		default:
			return s.at, broken
		}
		s.at++
	}
	return len(b), unfinished
}

func (s *scanner) inArray() bool { return len(s.open) > 0 && s.open[len(s.open)-1] == '[' }

// text goes on to the end of a string.
func (s *scanner) text(b []byte) verdict {
	for ; s.at < len(b); s.at++ {
		switch b[s.at] {
		case '"':
			s.at++
			s.inText = false
			return whole
		case '\\':
			s.at++
		case '\n':
			if s.oneLine {
				return broken
			}
		}
	}
	return unfinished
}

// isWord takes in what is no JSON, too (NaN, -Infinity): the record ends where
// it should, and is then refused for the right reason.
func isWord(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '+' || c == '.'
}

// A span is a piece of a record.
type span struct{ start, end int }

// A part is a member of an object: its name as written, with the quotes, and
// where its value is.
type part struct {
	name  []byte
	at    int // where the name begins
	value span
}

func (p *part) named(name string) bool {
	return len(p.name) == len(name)+2 && string(p.name[1:len(p.name)-1]) == name
}

// parts lists the members of the object b, of which a scan said it is whole.
func parts(b []byte) iter.Seq[part] {
	return func(yield func(part) bool) {
		var s scanner
		take := func(from int) span {
			from += space(b[from:])
			s.begin()
			n, v := s.scan(b[from:])
			if v == unfinished { // cannot be: in an object something follows
				n = len(b) - from
			}
			return span{from, from + n}
		}
		for i := 1; i < len(b)-1; {
			name := take(i)
			if name.start == len(b)-1 {
				return // white space was all there is
			}
			colon := name.end + space(b[name.end:])
			value := take(min(colon+1, len(b)))
			if !yield(part{b[name.start:name.end], name.start, value}) {
				return
			}
			i = value.end + space(b[value.end:]) + len(",")
		}
	}
}

// space returns how much white space b begins with.
func space(b []byte) int { return len(b) - len(bytes.TrimLeft(b, " \t\r\n")) }

// asText returns the text of a JSON string; null and nothing at all are "".
func asText(value []byte) (string, bool) {
	if len(value) == 0 || string(value) == "null" {
		return "", true
	}
	if value[0] != '"' {
		return "", false
	}
	var s string
	err := json.Unmarshal(value, &s)
	return s, err == nil
}
