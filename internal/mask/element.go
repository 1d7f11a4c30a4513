package mask

import "bytes"

// element looks at the > of an XML element whose name, or whose attribute name
// or key, is one of a secret: <password>…</password>,
// <property name="connection.password">…</property>.
func (s *Scanner) element(b []byte, i int) int {
	if c := at(b, i-1); c != '"' && class[c]&(letter|digit) == 0 {
		return i + 1
	}
	low := max(0, i-100)
	open := bytes.LastIndexByte(b[low:i], '<')
	if open < 0 {
		return i + 1
	}
	inside := b[low+open+1 : i]
	name, rest, _ := bytes.Cut(inside, []byte(" "))
	if len(name) == 0 || class[name[0]]&letter == 0 {
		return i + 1
	}
	t := secretName(name)
	for _, attribute := range []string{`name="`, `key="`} {
		if t != "" {
			break
		}
		if j := bytes.Index(rest, []byte(attribute)); j >= 0 {
			value, _, _ := bytes.Cut(rest[j+len(attribute):], []byte(`"`))
			t = secretName(value)
		}
	}
	if t == "" {
		return i + 1
	}
	end, kind := i+1, uint8(0)
	for end < len(b) && b[end] > ' ' && b[end] != '<' && end-i < 4096 {
		kind |= class[b[end]]
		end++
	}
	value := b[i+1 : end]
	if at(b, end) != '<' || len(value) < 3 || isPlaceholder(value) || t != Password && (len(value) < 8 || kind&digit == 0) {
		return i + 1
	}
	s.add(t, "element", Context, i+1, end)
	return end
}
