package mask

// Dates are found to be reported, or where a policy names them: a day of birth
// always, by a word beside it.

// date reads yyyy-mm-dd, d.m.yyyy, m/d/yyyy and the time behind it.
func (s *Scanner) date(b []byte, start int) int {
	var nums [3]int
	var widths [3]int
	end := start
	sep := byte(0)
	for i := range 3 {
		if i > 0 {
			if c := at(b, end); c != sep && (i > 1 || c != '-' && c != '/' && c != '.') {
				return 0
			}
			sep = b[end]
			end++
		}
		from := end
		for end < len(b) && class[b[end]] == digit && end-from < 5 {
			nums[i] = nums[i]*10 + int(b[end]-'0')
			end++
		}
		widths[i] = end - from
	}
	y, m, d := nums[0], nums[1], nums[2]
	if widths[0] == 4 {
		if widths[1] > 2 || widths[2] > 2 || widths[1] == 0 || widths[2] == 0 {
			return 0
		}
	} else {
		if widths[0] > 2 || widths[1] > 2 || widths[1] == 0 || widths[2] != 4 && (widths[2] != 2 || sep == '.') {
			return 0
		}
		y, m, d = nums[2], nums[0], nums[1]
		if m > 12 || sep == '.' {
			m, d = d, m
		}
		if widths[2] == 2 {
			y += 1900
		}
	}
	if m < 1 || m > 12 || d < 1 || d > 31 || y < 1800 || y > 2199 {
		return 0
	}
	day := end
	if c := at(b, end); c == 'T' || c == ' ' || c == 't' {
		if to := clock(b, end+1); to > 0 {
			end = to
		}
	}
	if c := at(b, end); class[c]&word != 0 || (c == '-' || c == '/' || c == '.') && classAt(b, end+1)&word != 0 {
		return 0
	}
	if p := at(b, start-1); class[p]&word != 0 {
		return 0
	}
	if end == day && s.birth(b, start, end) {
		s.add(BirthDate, "date-of-birth", Context, start, end)
	} else if s.reports {
		s.note(Date, "date", Guess, start, end)
	}
	return end
}

func (s *Scanner) birth(b []byte, start, end int) bool {
	if s.field.topic == aboutBirth {
		return true
	}
	return topicBefore(b, start) == aboutBirth
}

// clock reads hh:mm, perhaps with seconds, a fraction, AM or PM, and a zone.
func clock(b []byte, i int) int {
	two := func(limit int) bool {
		if classAt(b, i) != digit || classAt(b, i+1) != digit || int(b[i]-'0')*10+int(b[i+1]-'0') > limit {
			return false
		}
		i += 2
		return true
	}
	if classAt(b, i) == digit && at(b, i+1) == ':' {
		i++
	} else if !two(24) {
		return 0
	}
	if at(b, i) != ':' {
		return 0
	}
	i++
	if !two(59) {
		return 0
	}
	if at(b, i) == ':' {
		i++
		if !two(60) {
			return 0
		}
		if (at(b, i) == '.' || at(b, i) == ',') && classAt(b, i+1) == digit {
			for i++; i < len(b) && class[b[i]] == digit; i++ {
			}
		}
	}
	switch c := at(b, i); {
	case c == 'Z':
		i++
	case c == ' ' && (at(b, i+1)|0x20 == 'a' || at(b, i+1)|0x20 == 'p') && at(b, i+2)|0x20 == 'm' && classAt(b, i+3)&word == 0:
		i += 3
	case (c == '+' || c == '-') && classAt(b, i+1) == digit && classAt(b, i+2) == digit:
		i += 3
		if at(b, i) == ':' {
			i++
		}
		if classAt(b, i) == digit && classAt(b, i+1) == digit {
			i += 2
		}
	}
	if classAt(b, i)&word != 0 {
		return 0
	}
	return i
}

// clockOrColons looks at a short number before a colon: a time, or the first
// group of an address.
func (s *Scanner) clockOrColons(b []byte, start, end int) int {
	if to := clock(b, start); to > 0 && end-start <= 2 && at(b, to) != ':' && !inNumber(b, start, end) {
		if s.reports {
			s.note(Date, "time", Guess, start, to)
		}
		return to
	}
	return s.colons(b, start, end)
}

var months = map[string]int{
	"jan": 1, "january": 1, "feb": 2, "february": 2, "mar": 3, "march": 3, "apr": 4, "april": 4, "may": 5, "jun": 6, "june": 6, "jul": 7, "july": 7,
	"aug": 8, "august": 8, "sep": 9, "sept": 9, "september": 9, "oct": 10, "october": 10, "nov": 11, "november": 11, "dec": 12, "december": 12,
}

var weekdays = map[string]bool{
	"monday": true, "tuesday": true, "wednesday": true, "thursday": true, "friday": true, "saturday": true, "sunday": true,
}

// dateWord looks at a word: the name of a day, or of a month between a day and
// a year.
func (s *Scanner) dateWord(b []byte, start, end int) int {
	if end-start < 3 || end-start > 9 {
		return end
	}
	w := lowered(b[start:end])
	if weekdays[w] {
		s.note(Date, "weekday", Guess, start, end)
		return end
	}
	if months[w] == 0 {
		return end
	}
	from, to := start, end
	if to < len(b) && b[to] == '.' {
		to++
	}
	// A day before it: 5 May, 5th of May.
	i := start
	if i > 0 && (b[i-1] == ' ' || b[i-1] == '-') {
		i--
		if i >= 3 && lowered(b[i-3:i]) == " of" {
			i -= 3
		}
		if i >= 2 {
			if isOrdinal(b, i-2) {
				i -= 2
			}
		}
		e := i
		for i > 0 && e-i < 3 && class[b[i-1]] == digit {
			i--
		}
		if e > i && e-i <= 2 && classAt(b, i-1)&word == 0 {
			from = i
		}
	}
	// A day or a year behind it: May 5, 1990; May 1990.
	read := func(i int, low, high int) int {
		for range 2 {
			if c := at(b, i); c == ' ' || c == ',' || c == '-' {
				i++
			}
		}
		n, f := 0, i
		for i < len(b) && class[b[i]] == digit && i-f < 5 {
			n = n*10 + int(b[i]-'0')
			i++
		}
		if i == f || n < low || n > high {
			return 0
		}
		if isOrdinal(b, i) {
			i += 2
		}
		if classAt(b, i)&word != 0 || at(b, i) == ':' {
			return 0
		}
		return i
	}
	if d := read(to, 1, 31); d > 0 && from == start {
		to = d
		if y := read(to, 1800, 2199); y > 0 {
			to = y
		}
	} else if y := read(to, 1800, 2199); y > 0 {
		to = y
	} else if from == start {
		return end
	}
	if from < start || to > end+1 {
		if s.birth(b, from, to) {
			s.add(BirthDate, "date-of-birth", Context, from, to)
		} else {
			s.note(Date, "date-words", Guess, from, to)
		}
		return to
	}
	return end
}

// ageOrYear looks at up to four digits.
func (s *Scanner) ageOrYear(b []byte, start, end int) int {
	n := 0
	for _, c := range b[start:end] {
		n = n*10 + int(c-'0')
	}
	if p := at(b, start-1); p != 0 && p != ' ' && p != '(' && p != '"' && p != '\n' && p != ':' {
		return 0
	}
	if c := at(b, end); c == '-' || c == '/' || c == ':' {
		if classAt(b, end+1)&word != 0 && !yearsOld(b, end) {
			return 0
		}
	}
	switch {
	case end-start <= 3 && n > 0 && n < 120 && (topicNear(b, start) == aboutAge || yearsOld(b, end)):
		s.note(Age, "age", Context, start, end)
	case end-start == 4 && n >= 1900 && n < 2100 && yearBefore(b, start):
		s.note(Date, "year", Guess, start, end)
	default:
		return 0
	}
	return end
}

// yearsOld: 42 years old, 42-year-old, 42 yo.
func yearsOld(b []byte, i int) bool {
	if c := at(b, i); c != ' ' && c != '-' {
		return false
	}
	from := i + 1
	for i = from; i < len(b) && class[b[i]]&letter != 0 && i-from < 6; i++ {
	}
	switch lowered(b[from:i]) {
	case "yo":
		return true
	case "year", "years", "yr", "yrs":
		if i == len(b) {
			return false
		}
		from = i + 1
		for i = from; i < len(b) && class[b[i]]&letter != 0 && i-from < 6; i++ {
		}
		return lowered(b[from:i]) == "old" || lowered(b[from:i]) == "of"
	}
	return false
}

// yearBefore: words that come before a year.
func yearBefore(b []byte, start int) bool {
	e := start - 1
	if e < 1 || b[e] != ' ' {
		return false
	}
	i := e
	for i > 0 && class[b[i-1]]&letter != 0 && e-i < 10 {
		i--
	}
	switch lowered(b[i:e]) {
	case "in", "since", "during", "year", "until", "of", "from", "by", "before", "after", "early", "late", "around", "circa", "between", "and", "to", "summer", "spring", "autumn", "winter", "fall", "through", "till", "for":
		return true
	}
	return false
}
