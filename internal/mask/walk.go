package mask

import (
	"bytes"
	"strconv"
)

// walk reads a text as one JSON value (RFC 8259), as far as is needed to know
// which string is a name and which a value, and edits what it finds. It keeps
// its own stack: levels cost memory, not calls. It reports false for what is no
// JSON.
func (m *Masker) walk(t *text, info fieldInfo) bool {
	b := t.b
	root := len(m.stack)
	value := true // a value comes next; else a comma or an end
	for i := 0; ; {
		for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r') {
			i++
		}
		if i == len(b) {
			return !value && len(m.stack) == root
		}
		if !value {
			if len(m.stack) == root {
				return false // something behind the value
			}
			top := &m.stack[len(m.stack)-1]
			switch {
			case b[i] == ',' && top.index >= 0:
				top.index++
				value = true
				i++
			case b[i] == ',':
				if i = m.name(t, i+1); i < 0 {
					return false
				}
				value = true
			case b[i] == ']' && top.index >= 0, b[i] == '}' && top.index < 0:
				m.stack = m.stack[:len(m.stack)-1]
				i++
			default:
				return false
			}
			continue
		}
		here := info
		if len(m.stack) > root {
			here = m.stack[len(m.stack)-1].info
		}
		switch c := b[i]; {
		case c == '"':
			end := closing(b, i+1)
			if end < 0 {
				return false
			}
			if !here.keep || m.seeking {
				m.string(t, i+1, end, here, false)
			}
			i = end + 1
			value = false
		case c == '{' || c == '[':
			if c == '{' && !here.deep && !here.keep {
				here = fieldInfo{}
			}
			here.subject = 0 // a person's name is no object and no list
			j := i + 1
			for j < len(b) && (b[j] == ' ' || b[j] == '\t' || b[j] == '\n' || b[j] == '\r') {
				j++
			}
			if j < len(b) && (c == '{' && b[j] == '}' || c == '[' && b[j] == ']') {
				i = j + 1
				value = false
				continue
			}
			f := frame{index: -1, info: here}
			if c == '[' {
				f.index = 0
			}
			m.stack = append(m.stack, f)
			if c == '[' {
				i++
				continue
			}
			m.stack[len(m.stack)-1].outer = here
			if i = m.name(t, i+1); i < 0 {
				return false
			}
		default:
			end := i
			for end < len(b) && scalarByte[b[end]] {
				end++
			}
			if !m.scalar(t, i, end, here) {
				return false
			}
			i = end
			value = false
		}
	}
}

// name reads the name of a field and its colon from i on, and says in the
// frame on top what it means.
func (m *Masker) name(t *text, i int) int {
	b := t.b
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r') {
		i++
	}
	if i == len(b) || b[i] != '"' {
		return -1
	}
	end := closing(b, i+1)
	if end < 0 {
		return -1
	}
	top := &m.stack[len(m.stack)-1]
	top.name = b[i+1 : end]
	info := m.fieldOf(top.name)
	if info.dirty && !m.isKept(t) && !m.seeking {
		m.string(t, i+1, end, fieldInfo{}, true)
		top = &m.stack[len(m.stack)-1]
	}
	if top.outer.deep && info.generic {
		dirty := info.dirty
		info = top.outer
		info.generic, info.dirty, info.subject = true, dirty, 0
	}
	if top.outer.keep || m.isKept(t) {
		info.keep = true
	}
	top.info = info
	for i = end + 1; i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r'); i++ {
	}
	if i == len(b) || b[i] != ':' {
		return -1
	}
	return i + 1
}

// isKept: the id of a record is never touched.
func (m *Masker) isKept(t *text) bool {
	return t.level == 0 && len(m.stack) == 1 && string(m.stack[0].name) == "id"
}

// closing finds the quotation mark that ends a string.
func closing(b []byte, i int) int {
	for i < len(b) {
		switch b[i] {
		case '"':
			return i
		case '\\':
			i++
		}
		i++
	}
	return -1
}

var scalarByte = func() (t [256]bool) {
	for c := range t {
		t[c] = class[c]&(digit|letter) != 0 || c == '-' || c == '+' || c == '.'
	}
	return t
}()

// scalar looks at a number or a literal. A number that is masked becomes a
// string.
func (m *Masker) scalar(t *text, start, end int, info fieldInfo) bool {
	v := t.b[start:end]
	if len(v) == 0 {
		return false
	}
	if v[0] != '-' && class[v[0]] != digit {
		switch string(v) {
		case "true", "false", "null":
			return true
		}
		return false
	}
	if m.seeking {
		m.sought(v, info)
		return true
	}
	if info.keep || len(v) < 3 && info.typ == "" {
		return true
	}
	var f Finding
	switch {
	case info.typ != "" && info.numbers && isNobody(info, v):
		return true
	case info.typ != "" && info.numbers:
		f = Finding{info.typ, "field", Field, 0, len(v)}
	case len(v) < 9 || !allDigits(v):
		return true
	default:
		found, _ := m.scan.scanField(v, info)
		if len(found) == 0 || found[0].Start != 0 || found[0].End != len(v) {
			return true
		}
		f = found[0]
	}
	edits := len(m.edits)
	if groups[f.Type] == reported {
		m.take(t, start, nil, []Finding{f})
	} else {
		m.take(t, start, []Finding{f}, nil)
	}
	if len(m.edits) > edits { // quotation marks around it
		e := &m.edits[len(m.edits)-1]
		quote := append(bytes.Repeat([]byte{'\\'}, 1<<t.level-1), '"')
		text := append([]byte(nil), m.made[e.from:e.to]...)
		m.made = append(append(append(m.made[:e.from], quote...), text...), quote...)
		e.to = len(m.made)
	}
	return true
}

// pointer is the place in the record as a JSON pointer (RFC 6901). A name that
// holds something to mask is not shown.
func (m *Masker) pointer(counting bool) string {
	var p []byte
	for _, f := range m.stack {
		p = append(p, '/')
		switch {
		case f.index >= 0 && counting:
			p = append(p, '*')
		case f.index >= 0:
			p = strconv.AppendInt(p, int64(f.index), 10)
		case f.info.dirty:
			p = append(p, "[masked]"...)
		default:
			for _, c := range f.name {
				switch c {
				case '~':
					p = append(p, "~0"...)
				case '/':
					p = append(p, "~1"...)
				default:
					p = append(p, c)
				}
			}
		}
		if len(p) > 1024 {
			return string(p[:1024])
		}
	}
	return string(p)
}
