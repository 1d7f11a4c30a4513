package runs

import "bytes"

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
