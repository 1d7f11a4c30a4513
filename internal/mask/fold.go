package mask

import (
	"sort"
	"unicode"
	"unicode/utf8"
)

// A folder writes disguised text plainly: full-width letters and digits, digits
// of other scripts, dashes, dots and spaces that look like those of ASCII;
// characters nobody sees are left out. (Unicode TS 39 calls these confusables;
// letters that look alike are not folded.) It knows where everything stood.
type folder struct {
	plain []byte
	steps []step
}

// step: from byte `at` of the plain text on, the original is `by` bytes ahead.
type step struct{ at, by int }

// fold returns text itself when there is nothing to fold.
func (f *folder) fold(text []byte) (plain []byte, folded bool) {
	i := 0
	for i < len(text) && text[i] < 0x80 {
		i++
	}
	for i < len(text) { // the first character to fold
		if text[i] < 0x80 {
			i++
			continue
		}
		r, size := utf8.DecodeRune(text[i:])
		if foldRune(r) != r {
			break
		}
		i += size
	}
	if i == len(text) {
		return text, false
	}
	f.plain = append(f.plain[:0], text[:i]...)
	f.steps = f.steps[:0]
	for i < len(text) {
		if text[i] < 0x80 {
			f.plain = append(f.plain, text[i])
			i++
			continue
		}
		r, size := utf8.DecodeRune(text[i:])
		to := foldRune(r)
		switch {
		case to == r:
			f.plain = append(f.plain, text[i:i+size]...)
		case to >= 0:
			f.plain = append(f.plain, byte(to))
		}
		i += size
		if to != r {
			f.steps = append(f.steps, step{len(f.plain), i - len(f.plain)})
		}
	}
	return f.plain, true
}

// unfold turns places in the plain text into places in the original.
func (f *folder) unfold(all []Finding) {
	for i := range all {
		all[i].Start, all[i].End = f.original(all[i].Start), f.original(all[i].End)
	}
}

func (f *folder) original(at int) int { return stepped(f.steps, at) }

// stepped adds to a place what the last step at or before it says.
func stepped(steps []step, at int) int {
	n := sort.Search(len(steps), func(i int) bool { return steps[i].at > at })
	if n == 0 {
		return at
	}
	return at + steps[n-1].by
}

// foldRune returns the ASCII character for one that is folded, -1 for one that
// is not seen, and anything else as it is.
func foldRune(r rune) rune {
	switch {
	case r < 0x80, r == utf8.RuneError:
		return r
	case r >= 0xFF01 && r <= 0xFF5E: // full-width forms
		return r - 0xFF01 + '!'
	case r == 0xAD, r == 0x34F, r == 0x61C, r == 0x180E, r == 0xFEFF,
		r >= 0x200B && r <= 0x200F, r >= 0x202A && r <= 0x202E, r >= 0x2060 && r <= 0x206F, r >= 0xFE00 && r <= 0xFE0F:
		return -1
	case r >= 0x2010 && r <= 0x2015, r == 0x2212, r == 0x2043, r == 0xFE58, r == 0xFE63, r == 0x2E3A, r == 0x2E3B, r == 0x02D7:
		return '-'
	case r == 0x2024, r == 0x3002, r == 0xFF61, r == 0xFE52, r == 0x00B7, r == 0x2027, r == 0x30FB, r == 0x0701, r == 0xA4F8:
		return '.'
	case r == 0xAB, r == 0xBB, r >= 0x201C && r <= 0x201F, r >= 0x300C && r <= 0x300F:
		return '"'
	case r == 0xFE6B:
		return '@'
	case r == 0x2236, r == 0xFE55, r == 0xA789:
		return ':'
	case r == 0xA0, r == 0x1680, r >= 0x2000 && r <= 0x200A, r == 0x202F, r == 0x205F, r == 0x3000:
		return ' '
	}
	return foldDigit(r)
}

// foldDigit folds the decimal digits of other scripts: each range of the table
// is made of tens that begin with a zero.
func foldDigit(r rune) rune {
	if r < 0x660 || !unicode.IsDigit(r) {
		return r
	}
	for _, t := range unicode.Nd.R16 {
		if r >= rune(t.Lo) && r <= rune(t.Hi) {
			return '0' + (r-rune(t.Lo))%10
		}
	}
	for _, t := range unicode.Nd.R32 {
		if r >= rune(t.Lo) && r <= rune(t.Hi) {
			return '0' + (r-rune(t.Lo))%10
		}
	}
	return r
}
