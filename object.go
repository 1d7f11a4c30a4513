package indelible

import "slices"

// A member is one of an object: where its name is (in src, or in names if
// unescaped is set) and where its canonical form is in out.
type member struct {
	head               uint64 // of the name; see nameHead
	nameStart, nameEnd int32
	outStart, outEnd   int32
	unescaped          bool
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
		var m member
		name, err := c.name(&m)
		if err != nil {
			return err
		}
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
				return err.within(keyStep(c.nameOf(&m)))
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
func (c *canonicalizer) name(m *member) ([]byte, *FieldError) {
	if c.next() != '"' {
		return nil, c.syntax(c.pos, "a member's name in quotes")
	}
	m.nameStart = int32(c.pos + 1)
	raw, escaped, err := c.text()
	if err != nil {
		return nil, err
	}
	m.nameEnd = m.nameStart + int32(len(raw))
	if escaped {
		m.unescaped = true
		m.nameStart = int32(len(c.names))
		if c.names, err = appendUnescaped(c.names, raw); err != nil {
			return nil, err
		}
		m.nameEnd = int32(len(c.names))
		raw = c.names[m.nameStart:]
	}
	if c.next() != ':' {
		return nil, c.syntax(c.pos, "a colon")
	}
	c.pos++
	return raw, nil
}

func (c *canonicalizer) nameOf(m *member) []byte {
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
	return compareNames(c.nameOf(a), c.nameOf(b))
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
	for i := range members {
		m := &members[i]
		if i > 0 {
			if c.compare(&members[i-1], m) == 0 {
				return duplicate(c.nameOf(m))
			}
			c.out = append(c.out, ',')
		}
		c.out = append(c.out, c.spare[int(m.outStart)-from:int(m.outEnd)-from]...)
	}
	return nil
}
