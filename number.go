package indelible

import "strconv"

// A decimal is the number 0.d₁d₂…dₙ × 10^exp. Seventeen digits are enough for
// every double (the shortest form never has more).
type decimal struct {
	digits [17]byte // as '0'…'9'; the first and the last are not '0'
	n      int      // 0 means zero
	exp    int
	neg    bool
	long   bool // has more than 17 significant digits
}

// parseDecimal reads a JSON number literal, whose grammar was checked before.
func parseDecimal(lit []byte) (d decimal) {
	i := 0
	if lit[0] == '-' {
		d.neg = true
		i++
	}
	zeros, fraction := 0, false // zeros seen since the last other digit
	for ; i < len(lit); i++ {
		switch c := lit[i]; {
		case c == '.':
			fraction = true
		case c == 'e' || c == 'E':
			d.exp += parseExponent(lit[i+1:])
			return d
		case c == '0' && d.n == 0:
			if fraction {
				d.exp--
			}
		default:
			if !fraction {
				d.exp++
			}
			if c == '0' {
				zeros++
				continue
			}
			if d.n+zeros >= len(d.digits) {
				d.long = true
				continue
			}
			for ; zeros > 0; zeros-- {
				d.digits[d.n] = '0'
				d.n++
			}
			d.digits[d.n] = c
			d.n++
		}
	}
	return d
}

// parseExponent stops counting where no double and no literal within
// MaxInputSize could bring the number back into range.
func parseExponent(lit []byte) int {
	neg, v := false, 0
	for _, c := range lit {
		switch {
		case c == '-':
			neg = true
		case c != '+' && v < 1<<28:
			v = v*10 + int(c-'0')
		}
	}
	if neg {
		return -v
	}
	return v
}

// exact reports whether the shortest decimal that reads back as d's nearest
// double is d itself, that is whether the JCS form says the same number.
func (d *decimal) exact() bool {
	switch {
	case d.n == 0:
		return true
	case d.long:
		return false
	case d.n <= 15 && -290 < d.exp && d.exp < 290:
		return true // decimals of 15 digits and normal doubles are one to one
	case d.exp < -330 || d.exp > 310:
		return false
	}
	var buf [32]byte
	text := append(buf[:0], '0', '.')
	text = append(text, d.digits[:d.n]...)
	text = append(text, 'e')
	text = strconv.AppendInt(text, int64(d.exp), 10)
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil || f == 0 {
		return false
	}
	shortest := parseDecimal(strconv.AppendFloat(buf[:0], f, 'e', -1, 64))
	shortest.neg = d.neg
	return shortest == *d
}

// append appends the number as ECMAScript writes it (Number::toString, which
// RFC 8785 §3.2.2.3 asks for). The zero has no sign there.
func (d *decimal) append(dst []byte) []byte {
	if d.n == 0 {
		return append(dst, '0')
	}
	if d.neg {
		dst = append(dst, '-')
	}
	digits := d.digits[:d.n]
	switch {
	case d.n <= d.exp && d.exp <= 21:
		dst = append(dst, digits...)
		return append(dst, "000000000000000000000"[:d.exp-d.n]...)
	case 0 < d.exp && d.exp <= 21:
		dst = append(dst, digits[:d.exp]...)
		dst = append(dst, '.')
		return append(dst, digits[d.exp:]...)
	case -6 < d.exp && d.exp <= 0:
		dst = append(dst, "0.00000"[:2-d.exp]...)
		return append(dst, digits...)
	}
	dst = append(dst, digits[0])
	if d.n > 1 {
		dst = append(dst, '.')
		dst = append(dst, digits[1:]...)
	}
	dst = append(dst, 'e')
	if d.exp > 0 {
		dst = append(dst, '+')
	}
	return strconv.AppendInt(dst, int64(d.exp-1), 10)
}

// number appends the canonical form of the number at the reading position.
func (c *canonicalizer) number() *FieldError {
	start := c.pos
	end, whole := scanNumber(c.src, start)
	if end < 0 {
		return c.syntax(c.pos, "a number")
	}
	lit := c.src[start:end]
	c.pos = end
	if whole && len(lit) <= 15 && (lit[0] != '-' || lit[1] != '0') {
		c.out = append(c.out, lit...)
		return nil
	}
	d := parseDecimal(lit)
	switch {
	case d.exact():
		c.out = d.append(c.out)
	case c.lossless:
		c.stringified++
		c.out = append(c.out, '"')
		c.out = append(c.out, lit...)
		c.out = append(c.out, '"')
	default:
		shown := shorten(string(lit[:min(len(lit), 2*shownLength)]))
		return &FieldError{"", "the number " + shown + " cannot be held exactly by a JSON number (IEEE 754 double)", "send it as a string"}
	}
	return nil
}

// scanNumber returns the end of the number that begins at src[i], or -1 if
// there is none, and whether it is written without fraction and exponent.
func scanNumber(src []byte, i int) (end int, whole bool) {
	digits := func() bool {
		from := i
		for i < len(src) && src[i]-'0' <= 9 {
			i++
		}
		return i > from
	}
	if src[i] == '-' {
		i++
	}
	if i < len(src) && src[i] == '0' {
		i++
	} else if !digits() {
		return -1, false
	}
	whole = true
	if i < len(src) && src[i] == '.' {
		whole = false
		i++
		if !digits() {
			return -1, false
		}
	}
	if i < len(src) && src[i]|0x20 == 'e' {
		whole = false
		i++
		if i < len(src) && (src[i] == '+' || src[i] == '-') {
			i++
		}
		if !digits() {
			return -1, false
		}
	}
	return i, whole
}
