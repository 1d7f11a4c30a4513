package mask

import (
	"bytes"
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// A phone is what libphonenumber says is a number with its country code, or
// in the region of the policy; else one of the shapes in which numbers are
// written, if a word beside it says so, or if the shape is used for little else.

const maxPhone = 15 // digits, ITU-T E.164 §6.1

// shape is a run of digits and separators.
type shape struct {
	end    int
	digits []byte
	groups []int // digits between separators
	seps   []byte
	plus   bool
	parens bool // begins with a group in parentheses
}

// shapeAt reads a number as people write one, with single separators, and a
// group in parentheses at the beginning or behind the country code.
func shapeAt(b []byte, start int, buf *shapeBuffer) (sh shape, ok bool) {
	i := start
	if at(b, i) == '+' {
		sh.plus = true
		i++
	}
	open := false
	nd, ng, ns := 0, 0, 0
	if at(b, i) == '(' {
		if classAt(b, i+1) == '+' {
			return sh, false
		}
		open, sh.parens = true, !sh.plus
		i++
	}
	for {
		from := i
		for i < len(b) && class[b[i]] == digit && nd < len(buf.digits) {
			buf.digits[nd] = b[i]
			nd++
			i++
		}
		if i == from || nd == len(buf.digits) || ng == len(buf.groups) {
			return sh, false
		}
		buf.groups[ng] = i - from
		ng++
		sh.end = i
		if open {
			if at(b, i) != ')' {
				return sh, false
			}
			open = false
			i++
			sh.end = i
			if at(b, i) == ' ' || at(b, i) == '-' {
				i++
			}
			if classAt(b, i) != digit {
				return sh, false
			}
			buf.seps[ns] = ')'
			ns++
			continue
		}
		c := at(b, i)
		if (c == ' ' || c == '-') && at(b, i+1) == '(' && classAt(b, i+2) == digit && ng == 1 {
			open = true
			i += 2
			buf.seps[ns] = '('
			ns++
			continue
		}
		if c == '(' && ng == 1 && classAt(b, i+1) == digit {
			open = true
			i++
			buf.seps[ns] = '('
			ns++
			continue
		}
		if ng == 1 && spacedSlash(b, i) { // 0711 / 123456
			buf.seps[ns] = '/'
			ns++
			i += 3
			continue
		}
		if c != ' ' && c != '-' && c != '.' && c != '/' || classAt(b, i+1) != digit {
			break
		}
		buf.seps[ns] = c
		ns++
		i++
	}
	sh.digits, sh.groups, sh.seps = buf.digits[:nd], buf.groups[:ng], buf.seps[:ns]
	return sh, true
}

func spacedSlash(b []byte, i int) bool {
	return at(b, i) == ' ' && at(b, i+1) == '/' && at(b, i+2) == ' ' && classAt(b, i+3) == digit
}

type shapeBuffer struct {
	digits [20]byte
	groups [8]int
	seps   [16]byte
}

// phoneAt looks at + or ( before digits.
func (s *Scanner) phoneAt(b []byte, start int) int {
	if classAt(b, start+1) != digit && !(b[start] == '+' && at(b, start+1) == '(') || classAt(b, start-1)&(digit|letter) != 0 {
		return start + 1
	}
	if to := s.phone(b, start, start); to > 0 {
		return to
	}
	return start + 1
}

func (s *Scanner) phone(b []byte, start, end int) int {
	// Bare short numbers are many, and no phones.
	if end > start && end-start < 7 {
		if c := at(b, end); c != ' ' && c != '-' && c != '.' && c != '/' && c != '(' || classAt(b, end+1) != digit && at(b, end+1) != '(' && !spacedSlash(b, end) {
			return 0
		}
	}
	var buf shapeBuffer
	sh, ok := shapeAt(b, start, &buf)
	if !ok {
		return 0
	}
	// What goes on behind a blank may be another number: try without it.
	for len(sh.groups) > 0 {
		if to := s.phoneOf(b, start, &sh); to > 0 {
			return to
		}
		n := len(sh.groups)
		if n < 2 || sh.seps[n-2] != ' ' {
			return 0
		}
		last := sh.groups[n-1]
		sh.end -= last + 1
		sh.groups, sh.seps, sh.digits = sh.groups[:n-1], sh.seps[:n-2], sh.digits[:len(sh.digits)-last]
	}
	return 0
}

func (s *Scanner) phoneOf(b []byte, start int, sh *shape) int {
	n := len(sh.digits)
	if n < 6 || n > maxPhone+2 || n == 6 && len(sh.groups) < 3 {
		return 0
	}
	end, ext := sh.end, false
	if to := extension(b, end); to > 0 {
		end, ext = to, true
	}
	if c := at(b, end); class[c]&word != 0 || (c == '.' || c == ',' && !sh.plus && !sh.northAmerican() || c == '-' || c == '/' || c == ':') && classAt(b, end+1)&digit != 0 || c == ':' && classAt(b, end+1)&letter != 0 || c == '-' && classAt(b, end+1) == upper && classAt(b, end+2)&(letter|digit) == 0 || c == '%' {
		return 0
	}
	switch p := at(b, start-1); {
	case p == '/' && !sh.plus && bytes.HasSuffix(b[:start], []byte("wa.me/")): // a link to a number, in digits alone
		if isInternational(b[start:sh.end]) {
			s.add(Phone, "phone-link", Validated, start, end)
			return end
		}
	case p == '/' && sh.plus: // a member of a path
	case class[p]&word != 0, (p == '.' || p == '-' || p == '/') && classAt(b, start-2)&word != 0, p == '$', p == '#':
		return 0
	}
	if sh.plus {
		if isInternational(b[start+1 : sh.end]) {
			s.add(Phone, "phone-international", Validated, start, end)
			return end
		}
	}
	strong := sh.plus && n >= 9 && len(sh.groups) > 1 || ext && n >= 10 || sh.northAmerican() || sh.national()
	usual := strong || sh.written()
	if !usual {
		return 0
	}
	t := s.about(b, start, end)
	switch {
	case t == aboutPhone, t == aboutContact && (len(sh.groups) > 1 || n >= 10 || sh.plus):
		s.add(Phone, "phone-context", Context, start, end)
	case !strong, t != 0 && t != aboutIP && !(t&against != 0 && sh.northAmerican() && (sh.parens || bytes.HasSuffix(b[:start], []byte(" to ")))): // (ddd) ddd-dddd is nothing else, nor is what a message goes to
		return 0
	default:
		s.add(Phone, "phone-shape", Guess, start, end)
	}
	return end
}

// phoneEncoded looks at a + that is percent-encoded, before digits.
func (s *Scanner) phoneEncoded(b []byte, start int) int {
	from := start + 3
	end := from
	for end < len(b) && class[b[end]] == digit && end-from <= maxPhone {
		end++
	}
	if classAt(b, end)&word == 0 && isInternational(b[from:end]) {
		s.add(Phone, "phone-international", Validated, start, end)
		return end
	}
	return from
}

// isInternational: behind a + it is a number that is in use.
func isInternational(text []byte) bool {
	n, err := phonenumbers.Parse("+"+string(text), "")
	return err == nil && phonenumbers.IsValidNumber(n)
}

// northAmerican is (ddd) ddd-dddd and its like, perhaps with 1 or 001.
func (sh *shape) northAmerican() bool {
	g := sh.groups
	if len(g) == 4 && (g[0] == 1 && sh.digits[0] == '1' || g[0] == 3 && string(sh.digits[:3]) == "001") {
		g = g[1:]
	}
	if len(g) != 3 || g[0] != 3 || g[1] != 3 || g[2] != 4 {
		return false
	}
	last := sh.seps[len(sh.seps)-1]
	return last == '-' || last == '.' && sh.seps[len(sh.seps)-2] == '.' || sh.parens
}

// national is a number with an area code in parentheses, or with the 0 in front
// of one.
func (sh *shape) national() bool {
	n, g := len(sh.digits), sh.groups
	if sh.parens {
		return n >= 8 && n <= 11 && g[0] >= 2 && g[0] <= 5
	}
	if n == 11 && sh.digits[0] == '0' && len(g) >= 4 && g[0] == 1 && g[1] == 3 && g[2] == 3 { // 0 212 417 66 30
		return true
	}
	if sh.digits[0] != '0' || sh.digits[1] == '0' || n < 10 || n > 11 || len(g) < 2 || len(g) > 5 || g[0] < 2 || g[0] > 5 {
		return false
	}
	for _, c := range sh.seps {
		if c != ' ' && c != '-' {
			return false
		}
	}
	return len(g) > 2 || g[1] >= 5
}

// written is any way a number is written: groups of two to four with one kind
// of separator, or no separators at all. It is too common to go without a word.
func (sh *shape) written() bool {
	g := sh.groups
	if len(g) == 1 {
		return len(sh.digits) >= 7 && len(sh.digits) <= 13
	}
	for i, n := range g {
		if n > 8 || n < 2 && i > 0 && !(i == len(g)-1 && sh.seps[len(sh.seps)-1] == '-') { // -0 is a switchboard
			return false
		}
	}
	for _, c := range sh.seps {
		if c == '/' && g[0] < 3 {
			return false
		}
	}
	return true
}

// extension reads x123, ext. 123 behind a number.
func extension(b []byte, i int) int {
	for _, mark := range []string{"x", " x", " ext. ", " ext ", " ext.", "ext", " extension "} {
		if i+len(mark) > len(b) || lowered(b[i:i+len(mark)]) != mark {
			continue
		}
		end := i + len(mark)
		for end < len(b) && class[b[end]] == digit && end-i < 14 {
			end++
		}
		if end > i+len(mark) && classAt(b, end)&word == 0 {
			return end
		}
	}
	return 0
}

// normalPhone writes a number in E.164 where libphonenumber can, else its
// digits. Digits alone that are none of the region's may be in E.164 already,
// but for the +.
func normalPhone(text, region string) string {
	if rest, ok := strings.CutPrefix(strings.ToUpper(text), "%2B"); ok {
		text = "+" + rest
	}
	n, err := phonenumbers.Parse(text, region)
	if (err != nil || !phonenumbers.IsValidNumber(n)) && allDigits([]byte(text)) {
		if other, err2 := phonenumbers.Parse("+"+text, ""); err2 == nil && phonenumbers.IsValidNumber(other) {
			n, err = other, nil
		}
	}
	if err == nil && phonenumbers.IsPossibleNumber(n) {
		return phonenumbers.Format(n, phonenumbers.E164) + n.GetExtension()
	}
	var digits []byte
	for _, c := range []byte(text) {
		if class[c] == digit {
			digits = append(digits, c)
		}
	}
	return string(digits)
}
