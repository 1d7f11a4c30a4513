package mask

import (
	"cmp"
	"slices"
	"strconv"
	"time"
)

// A day is a date as somebody wrote it.
type day struct {
	time.Time
	year, month, day place
	words            bool // the month is a word
	suffix           bool // 5th
	end              int  // of the date; a time may follow
}

// place is where a part stands in the text.
type place struct{ start, end int }

func (p place) len() int            { return p.end - p.start }
func (p place) number(b []byte) int { return number(b[p.start:p.end]) }

// readDay reads a date with a year, a month and a day at the beginning of a
// text. Of 3/4/2025 the month comes first in the United States, and last
// elsewhere, unless it cannot be one.
func readDay(b []byte, region string) (day, bool) {
	var parts [3]place
	i := 0
	if len(b) == 8 && allDigits(b) {
		parts = [3]place{{0, 4}, {4, 6}, {6, 8}}
		i = 8
	} else {
		for n := range parts {
			if n > 0 {
				if c := at(b, i); c != '-' && c != '/' && c != '.' {
					return dayOfWords(b)
				}
				i++
			}
			from := i
			for i < len(b) && class[b[i]] == digit && i-from < 5 {
				i++
			}
			parts[n] = place{from, i}
		}
	}
	d := day{year: parts[0], month: parts[1], day: parts[2], end: i}
	if parts[0].len() != 4 {
		d.month, d.day, d.year = parts[0], parts[1], parts[2]
		if first, second := d.month.number(b), d.day.number(b); b[parts[0].end] == '.' || first > 12 || region != "US" && second <= 12 {
			d.month, d.day = d.day, d.month
		}
	}
	return d.valid(d.year.number(b), d.month.number(b), d.day.number(b))
}

// dayOfWords reads 5 May 2024, May 5th, 2024 and the like.
func dayOfWords(b []byte) (day, bool) {
	d := day{words: true}
	month := 0
	for i := 0; i < len(b) && i < 40 && (d.year.end == 0 || d.day.end == 0 || month == 0); {
		from, kind := i, class[b[i]]&(digit|letter)
		if kind&letter != 0 {
			kind = letter
		}
		for i++; i < len(b) && class[b[i]]&kind != 0; i++ {
		}
		switch n := i - from; {
		case kind == digit && n == 4:
			d.year = place{from, i}
		case kind == digit && n <= 2 && d.day.end == 0:
			d.day = place{from, i}
			if isOrdinal(b, i) {
				d.suffix = true
				i += 2
			}
		case kind == digit:
			return d, false
		case kind == letter && months[lowered(b[from:i])] != 0:
			month = months[lowered(b[from:i])]
			d.month = place{from, i}
		case kind == letter && lowered(b[from:i]) != "of":
			return d, false
		}
		d.end = i
	}
	if d.year.end == 0 || d.day.end == 0 {
		return d, false
	}
	return d.valid(d.year.number(b), month, d.day.number(b))
}

// valid makes the date of its numbers, if there is such a day. A year of two
// digits is one from 1969 on (POSIX strptime).
func (d day) valid(y, m, n int) (day, bool) {
	switch d.year.len() {
	case 2:
		if y += 1900; y < 1969 {
			y += 100
		}
	case 4:
	default:
		return d, false
	}
	if y < 1 || m < 1 || m > 12 || n < 1 {
		return d, false
	}
	d.Time = time.Date(y, time.Month(m), n, 0, 0, 0, 0, time.UTC)
	return d, d.Time.Day() == n
}

// shift appends the text with its date so many weeks later, in the form it
// has; what follows the date, a time, stays. It adds nothing where it cannot.
func (d day) shift(dst, b []byte, weeks int) []byte {
	t := d.AddDate(0, 0, 7*weeks)
	if t.Year() < 1 || t.Year() > 9999 {
		return dst
	}
	type part struct {
		place
		text string
	}
	year := strconv.Itoa(10000 + t.Year())[1:]
	parts := []part{
		{d.year, year[4-d.year.len():]},
		{d.month, d.two(int(t.Month()))},
		{d.day, d.two(t.Day())},
	}
	if d.words {
		parts[1].text = monthLike(b[d.month.start:d.month.end], t.Month())
	}
	if d.suffix {
		parts[2] = part{place{d.day.start, d.day.end + 2}, strconv.Itoa(t.Day()) + ordinal(t.Day())}
	}
	slices.SortFunc(parts, func(x, y part) int { return cmp.Compare(x.start, y.start) })
	at := 0
	for _, p := range parts {
		dst = append(append(dst, b[at:p.start]...), p.text...)
		at = p.end
	}
	return append(dst, b[at:]...)
}

// two writes a number of one or two digits: with two, unless the text has one
// with one.
func (d day) two(n int) string {
	s := strconv.Itoa(n)
	if len(s) == 1 && d.day.len() == 2 && (d.words || d.month.len() == 2) {
		return "0" + s
	}
	return s
}

// monthLike is the name of a month as long and in such letters as another.
func monthLike(b []byte, m time.Month) string {
	name := m.String()
	if len(b) <= 4 && lowered(b) != "may" && lowered(b) != "june" && lowered(b) != "july" {
		name = name[:3]
	}
	switch {
	case class[b[0]] == lower:
		return string(name[0]|0x20) + name[1:]
	case class[b[1]] == upper:
		upperCase := []byte(name)
		for i := range upperCase {
			upperCase[i] &^= 0x20
		}
		return string(upperCase)
	}
	return name
}

func isOrdinal(b []byte, i int) bool {
	if i+2 > len(b) {
		return false
	}
	switch lowered(b[i : i+2]) {
	case "st", "nd", "rd", "th":
		return true
	}
	return false
}

func ordinal(n int) string {
	switch {
	case n%10 == 1 && n != 11:
		return "st"
	case n%10 == 2 && n != 12:
		return "nd"
	case n%10 == 3 && n != 13:
		return "rd"
	}
	return "th"
}
