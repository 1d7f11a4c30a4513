package kanon

import (
	"bytes"
	"encoding/json"
)

// members calls each with the members of a JSON object without white space:
// where the value stands, and the name. What is no object has none.
func members(b []byte, each func(name []byte, start, end int)) {
	if len(b) < 2 || b[0] != '{' {
		return
	}
	for i := 1; i < len(b) && b[i] == '"'; {
		end := skip(b, i)
		name := b[i+1 : max(i+1, end-1)]
		if bytes.IndexByte(name, '\\') >= 0 {
			var s string
			if json.Unmarshal(b[i:end], &s) == nil {
				name = []byte(s)
			}
		}
		from := end + 1 // behind the colon
		if from >= len(b) {
			return
		}
		to := skip(b, from)
		each(name, from, to)
		i = to + 1
	}
}

// skip is the end of the value at i.
func skip(b []byte, i int) int {
	depth := 0
	for i < len(b) {
		switch b[i] {
		case '"':
			for i++; i < len(b) && b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
			i++
			if depth == 0 {
				return min(i, len(b))
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth <= 0 {
				if depth < 0 {
					return i
				}
				return i + 1
			}
		case ',':
			if depth == 0 {
				return i
			}
		}
		i++
	}
	return len(b)
}
