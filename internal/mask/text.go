package mask

import (
	"unicode/utf16"
	"unicode/utf8"
)

// A text is what is read: the line itself, or a string in it without its
// escapes. It knows where everything stands in the line.
type text struct {
	b      []byte
	steps  []step // where escapes shortened it
	base   int    // where it begins in its parent
	parent *text
	level  int // how many strings it lies in
}

// line turns a place in the text into a place in the line.
func (t *text) line(at int) int {
	for t != nil {
		at = t.base + stepped(t.steps, at)
		t = t.parent
	}
	return at
}

// unescape is the text of a JSON string without its escapes (RFC 8259 §7).
// What is no escape stays as it is: half-escaped text is text.
func (t *text) unescape(raw []byte, buf []byte, steps []step) ([]byte, []step) {
	i := 0
	for i < len(raw) {
		c := raw[i]
		if c != '\\' || i+1 == len(raw) {
			buf = append(buf, c)
			i++
			continue
		}
		size := 2
		switch raw[i+1] {
		case 'n':
			buf = append(buf, '\n')
		case 't':
			buf = append(buf, '\t')
		case 'r':
			buf = append(buf, '\r')
		case 'b':
			buf = append(buf, '\b')
		case 'f':
			buf = append(buf, '\f')
		case '"', '\\', '/':
			buf = append(buf, raw[i+1])
		case 'u':
			r, ok := hex4(raw[i+2:])
			if !ok {
				buf = append(buf, c)
				i++
				continue
			}
			size = 6
			if utf16.IsSurrogate(r) {
				if i+12 <= len(raw) && raw[i+6] == '\\' && raw[i+7] == 'u' {
					if low, ok := hex4(raw[i+8:]); ok {
						if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
							r, size = pair, 12
						}
					}
				}
			}
			buf = utf8.AppendRune(buf, r)
		default:
			buf = append(buf, c)
			i++
			continue
		}
		i += size
		steps = append(steps, step{len(buf), i - len(buf)})
	}
	return buf, steps
}

func hex4(b []byte) (rune, bool) {
	if len(b) < 4 {
		return 0, false
	}
	var r rune
	for _, c := range b[:4] {
		switch {
		case class[c] == digit:
			r = r<<4 | rune(c-'0')
		case isHex(c):
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return r, true
}
