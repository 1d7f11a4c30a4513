package indelible

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// appendString appends s, which must be valid UTF-8, as a JSON string in the
// form of RFC 8785 §3.2.2.2: only what must be escaped is escaped.
func appendString[T string | []byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); i++ {
		b := s[i]
		if b >= ' ' && b != '"' && b != '\\' {
			continue
		}
		dst = append(dst, s[from:i]...)
		from = i + 1
		switch b {
		case '"', '\\':
			dst = append(dst, '\\', b)
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\t':
			dst = append(dst, '\\', 't')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\f':
			dst = append(dst, '\\', 'f')
		case '\r':
			dst = append(dst, '\\', 'r')
		default:
			dst = append(dst, '\\', 'u', '0', '0', '0'+b>>4, "0123456789abcdef"[b&15])
		}
	}
	dst = append(dst, s[from:]...)
	return append(dst, '"')
}

// skipPlain returns the first index from i on whose byte is not ASCII text
// that stands for itself in a JSON string. It looks at eight bytes at a time.
func skipPlain(src []byte, i int) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(src); i += 8 {
		w := binary.LittleEndian.Uint64(src[i:])
		quote, slash := w^('"'*ones), w^('\\'*ones)
		// A borrow can only raise false alarms above the first true one.
		found := (w | (w-' '*ones)&^w | (quote-ones)&^quote | (slash-ones)&^slash) & highs
		if found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for i < len(src) && src[i] >= ' ' && src[i] < utf8.RuneSelf && src[i] != '"' && src[i] != '\\' {
		i++
	}
	return i
}

// text reads the string at the reading position, which is a quote. The result
// is what stands between the quotes in the source; if escaped is true it has
// escapes, and appendUnescaped must have the last word on it.
func (c *canonicalizer) text() (raw []byte, escaped bool, err *FieldError) {
	i := c.pos + 1
	for {
		i = skipPlain(c.src, i)
		if i >= len(c.src) {
			return nil, false, c.syntax(len(c.src), "the end of a string")
		}
		switch b := c.src[i]; {
		case b == '"':
			raw = c.src[c.pos+1 : i]
			c.pos = i + 1
			return raw, escaped, nil
		case b == '\\':
			escaped = true
			i += 2
		case b < ' ':
			return nil, false, &FieldError{"", "a control character stands unescaped in a string" + c.at(i), ""}
		default:
			r, size := utf8.DecodeRune(c.src[i:])
			if r == utf8.RuneError && size == 1 {
				return nil, false, &FieldError{"", "a string is not valid UTF-8" + c.at(i), ""}
			}
			i += size
		}
	}
}

// appendUnescaped appends the text that raw, a string from text, stands for.
func appendUnescaped(dst, raw []byte) ([]byte, *FieldError) {
	for i := 0; i < len(raw); {
		if raw[i] != '\\' {
			from := i
			for i < len(raw) && raw[i] != '\\' {
				i++
			}
			dst = append(dst, raw[from:i]...)
			continue
		}
		switch b := raw[i+1]; b { // text never ends a string behind a lone backslash
		case '"', '\\', '/':
			dst = append(dst, b)
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r := hexRune(raw[i:])
			if r < 0 {
				return dst, &FieldError{"", "a string has \\u without four hex digits", ""}
			}
			if utf16.IsSurrogate(r) {
				// RFC 8785 §3.2.2.2 and I-JSON: half a character is no text.
				pair := utf16.DecodeRune(r, hexRune(raw[i+6:]))
				if pair == utf8.RuneError {
					return dst, &FieldError{"", "the lone surrogate " + string(raw[i:i+6]) + " is not valid text", ""}
				}
				r = pair
				i += 6
			}
			dst = utf8.AppendRune(dst, r)
			i += 6
			continue
		default:
			return dst, &FieldError{"", "a string has an unknown escape", ""}
		}
		i += 2
	}
	return dst, nil
}

// hexRune reads \uXXXX at the beginning of raw; it returns -1 if there is none.
func hexRune(raw []byte) rune {
	if len(raw) < 6 || raw[0] != '\\' || raw[1] != 'u' {
		return -1
	}
	var r rune
	for _, b := range raw[2:6] {
		switch {
		case b-'0' <= 9:
			b -= '0'
		case b|0x20 >= 'a' && b|0x20 <= 'f':
			b = (b | 0x20) - 'a' + 10
		default:
			return -1
		}
		r = r<<4 | rune(b)
	}
	return r
}

// compareNames orders UTF-8 texts by their UTF-16 code units, as RFC 8785
// §3.2.3 sorts members. Byte order is the same but for one thing: characters
// beyond U+FFFF (first byte F0 and up) are surrogates there, and so come
// before U+E000 to U+FFFF (first byte EE or EF).
func compareNames(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		x, y := a[i], b[i]
		if x == y {
			continue
		}
		if x >= 0xEE && y >= 0xEE && (x >= 0xF0) != (y >= 0xF0) {
			x, y = y, x
		}
		if x < y {
			return -1
		}
		return 1
	}
	return len(a) - len(b)
}

// nameHead packs the first eight bytes of a name into a number such that
// names with different heads compare as their heads do.
func nameHead(name []byte) uint64 {
	const highs = 0x8080808080808080
	var head uint64
	if len(name) >= 8 {
		head = binary.BigEndian.Uint64(name)
	} else {
		for _, b := range name {
			head = head<<8 | uint64(b)
		}
		head <<= 8 * (8 - len(name)) & 63
	}
	if head&highs == 0 {
		return head
	}
	// The exception of compareNames: EE and EF go behind F0 to F4.
	for shift := 0; shift < 64; shift += 8 {
		switch b := head >> shift & 0xFF; {
		case b >= 0xF0:
			head -= 2 << shift
		case b >= 0xEE:
			head += 0x0A << shift
		}
	}
	return head
}
