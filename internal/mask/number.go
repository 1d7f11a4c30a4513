package mask

// number looks at a run of digits. It returns where to go on: behind what was
// found there, else behind the run.
func (s *Scanner) number(b []byte, start, end int) int {
	n, next := end-start, at(b, end)
	if next == '-' && n == 8 && uuid(b[start:]) {
		return start + 36
	}
	if n <= 4 && next == ':' {
		if next := s.clockOrColons(b, start, end); next > 0 {
			return next
		}
	}
	if inNumber(b, start, end) {
		return end
	}
	if n == 4 && (next == '-' || next == '/' || next == '.') || n <= 2 && (next == '/' || next == '-' || next == '.') {
		if to := s.date(b, start); to > 0 {
			return to
		}
	}
	if n <= 3 && next == '.' {
		if to := s.ipv4(b, start); to > 0 {
			return to
		}
	}
	if n >= 12 || n == 4 && (next == ' ' || next == '-' || next == '+' || next == '%') {
		if to := s.card(b, start, end); to > 0 {
			return to
		}
	}
	if n == 3 && (next == '-' || next == ' ' || next == '.') || n == 9 {
		if to := s.ssn(b, start, end); to > 0 {
			return to
		}
	}
	if len(s.nationals) > 0 {
		if to := s.national(b, start); to > 0 {
			return to
		}
	}
	if to := s.phone(b, start, end); to > 0 {
		return to
	}
	if n <= 4 {
		if to := s.short(b, start, end); to > 0 {
			return to
		}
	}
	if n >= 8 && n <= 10 && next == ':' {
		if to := s.telegram(b, start, end); to > 0 {
			return to
		}
	}
	return end
}

// inNumber reports whether the run from start to end goes on a number, an
// identifier or a hexadecimal string that begins before it.
func inNumber(b []byte, start, end int) bool {
	if start < 2 {
		return false
	}
	switch b[start-1] {
	case '.':
		return class[b[start-2]] == digit
	case ',': // 1,234,567; other commas are those of lists
		return class[b[start-2]] == digit && end-start == 3 && at(b, end) != '-' && (start < 5 || !allDigits(b[start-5:start-1]))
	case '/', ':': // but not db01/10.0.0.7
		i := start - 1
		for i > 0 && start-i < 40 && class[b[i-1]] == digit {
			i--
		}
		return i < start-1 && classAt(b, i-1)&(letter|under) == 0 && !(at(b, i-1) == '-' && classAt(b, i-2)&letter != 0)
	case '-':
		for i := start - 2; i >= 0 && start-i < 16 && class[b[i]]&word != 0; i-- {
			if class[b[i]] == digit {
				return true
			}
		}
	}
	return false
}

// digitsAt collects the digits from start on, leaving out single separators of
// one kind, at most limit of them. groups holds the lengths between separators.
func digitsAt(b []byte, start, limit int) (digits []byte, groups []int, sep byte, end int) {
	var ds [24]byte
	var gs [8]int
	n, g := 0, 0
	i := start
	for i < len(b) && n < limit && g < len(gs) {
		from := i
		for i < len(b) && class[b[i]] == digit && n < limit {
			ds[n] = b[i]
			n++
			i++
		}
		gs[g] = i - from
		g++
		end = i
		c := at(b, i)
		if c == '%' && (at(b, i+1) != '2' || at(b, i+2) != '0') || c != ' ' && c != '-' && c != '+' && c != '%' || sep != 0 && c != sep || classAt(b, i+sepLen(c)) != digit {
			break
		}
		sep = c
		i += sepLen(c)
	}
	return ds[:n], gs[:g], sep, end
}

// sepLen is the length of a separator: + and %20 are blanks in a query.
func sepLen(sep byte) int {
	if sep == '%' {
		return 3
	}
	return 1
}

// card looks for a payment card number: issuer, length and check digit
// (ISO/IEC 7812-1). Where issuer or length say little, a word must.
func (s *Scanner) card(b []byte, start, _ int) int {
	digits, groups, sep, end := digitsAt(b, start, 20)
	// A number with more groups behind it, such as an expiry, is tried without them.
	for len(groups) > 0 {
		if s.cardOf(b, digits, groups, sep, start, end) {
			return end
		}
		last := groups[len(groups)-1]
		groups, digits = groups[:len(groups)-1], digits[:len(digits)-last]
		end -= last + sepLen(sep)
	}
	return 0
}

func (s *Scanner) cardOf(b, digits []byte, groups []int, sep byte, start, end int) bool {
	if len(digits) < 12 || len(digits) > 19 || !luhn(digits) {
		return false
	}
	if c := at(b, end); class[c]&word != 0 || c == '.' && classAt(b, end+1) == digit || c == '-' && classAt(b, end+1)&word != 0 && sep != '-' && len(groups) == 1 {
		return false
	}
	if at(b, start-1) == '.' && classAt(b, start-2)&word != 0 || at(b, start-1) == '+' {
		return false
	}
	issuer := issued(digits)
	if len(groups) > 1 && !cardGroups(groups) {
		return false
	}
	t := s.about(b, start, end)
	switch {
	case t == aboutCard && issuer != unknown:
		s.add(Card, "card", Validated, start, end)
	case t == aboutCard && len(digits) >= 13:
		s.add(Card, "card", Context, start, end)
	case sep == '-' && at(b, start-1) == '-' && classAt(b, start-2)&letter != 0: // job-4242-4242-4242-4242
		return false
	case issuer == unknown, issuer == weak, t == aboutOther && len(groups) == 1 && s.field.topic != aboutCard:
		return false
	default:
		s.add(Card, "card", Validated, start, end)
	}
	return true
}

// cardGroups: cards are printed 4-4-4-4(-3), 4-6-5 and 4-6-4.
func cardGroups(g []int) bool {
	switch len(g) {
	case 3:
		return g[0] == 4 && g[1] == 6 && (g[2] == 5 || g[2] == 4) || g[0] == 4 && g[1] == 4 && g[2] == 4
	case 4, 5:
		for _, n := range g[:3] {
			if n != 4 {
				return false
			}
		}
		return g[3] <= 4 && (len(g) == 4 || g[3] == 4 && g[4] <= 3)
	}
	return false
}

type issuer uint8

const (
	unknown issuer = iota
	weak           // a range so wide, or a length so usual, that it says little
	known
)

// issued looks up issuer ranges and lengths, as the networks publish them.
func issued(d []byte) issuer {
	p := 0
	for _, c := range d[:6] {
		p = p*10 + int(c-'0')
	}
	n := len(d)
	p2, p3, p4 := p/10000, p/1000, p/100
	switch {
	case d[0] == '4': // Visa
		if n == 16 || n == 19 {
			return known
		}
		if n == 13 {
			return weak
		}
	case n == 16 && (p2 >= 51 && p2 <= 55 || p4 >= 2221 && p4 <= 2720): // Mastercard
		return known
	case n == 15 && (p2 == 34 || p2 == 37): // American Express
		return known
	case n == 14 && (p3 >= 300 && p3 <= 305 || p3 == 309 || p2 == 36 || p2 == 38 || p2 == 39), n == 16 && (p3 >= 300 && p3 <= 305 || p2 == 36 || p2 == 38 || p2 == 39): // Diners
		return known
	case n >= 16 && (p4 == 6011 || p3 >= 644 && p3 <= 649 || p2 == 65 || p >= 622126 && p <= 622925): // Discover
		return known
	case n >= 16 && p4 >= 3528 && p4 <= 3589, n == 15 && (p4 == 1800 || p4 == 2131): // JCB
		return known
	case n >= 16 && p2 == 62: // UnionPay
		return known
	case n == 16 && p4 >= 2200 && p4 <= 2204: // Mir
		return known
	case p2 == 50 || p2 >= 56 && p2 <= 58 || p2 == 60 || p2 == 63 || p2 == 67 || p2 == 69: // Maestro
		return weak
	}
	return unknown
}

func luhn(d []byte) bool {
	sum := 0
	for i := range d {
		n := int(d[len(d)-1-i] - '0')
		if i%2 == 1 {
			if n *= 2; n > 9 {
				n -= 9
			}
		}
		sum += n
	}
	return sum%10 == 0 && sum > 0
}

// ssn looks for a US social security number: area, group and serial as the SSA
// gives them out since 2011 (POMS RM 10201.030). Three groups with dashes say
// what they are; other forms need a word.
func (s *Scanner) ssn(b []byte, start, end int) int {
	sep := byte(0)
	if end-start == 3 {
		sep = b[end]
		end = start + 11
		if end > len(b) || b[start+6] != sep || !allDigits(b[start+4:start+6]) || !allDigits(b[start+7:end]) {
			return 0
		}
	}
	if c := at(b, end); class[c]&word != 0 || (c == '-' || c == '.') && classAt(b, end+1)&word != 0 {
		return 0
	}
	if p := at(b, start-1); class[p]&word != 0 || (p == '-' || p == '.' || p == '+') && classAt(b, start-2)&word != 0 {
		return 0
	}
	group, serial := start+3, end-4
	if sep != 0 {
		group++
	}
	area := string(b[start : start+3])
	if area == "000" || area == "666" || area[0] == '9' || string(b[group:group+2]) == "00" || string(b[serial:end]) == "0000" {
		return 0
	}
	t := s.about(b, start, end)
	switch {
	case t == aboutSSN, t == aboutTax && topicOfWords(b, start, max(0, start-20), 2, aboutTax) == aboutSSN: // SSN/ITIN: …
		s.add(SSN, "ssn", Context, start, end)
	case sep == '-' && t == aboutOther && topicBefore(b, start) == aboutSSN: // "field":"SSN","bytes":"…"
		s.add(SSN, "ssn", Context, start, end)
	case sep == '-' && t != aboutOther && t != aboutVersion:
		s.add(SSN, "ssn", Validated, start, end)
	default:
		return 0
	}
	return end
}

func allDigits(b []byte) bool {
	for _, c := range b {
		if class[c] != digit {
			return false
		}
	}
	return len(b) > 0
}

// besideCard: a word about cards stands before an expiry, or behind it, or
// digits that may be one.
func (s *Scanner) besideCard(b []byte, start, end int) bool {
	const other = ^(aboutCard | aboutCode)
	if s.field.topic&^other != 0 || topicOfWords(b, start, max(0, start-80), 60, other) != 0 {
		return true
	}
	run := 0
	for _, c := range b[max(0, start-40):start] {
		if class[c] == digit || c == '*' || c == 'x' || c == 'X' {
			run++
		} else if c != ' ' && c != '-' {
			run = 0
		}
		if run >= 12 {
			return true
		}
	}
	return topicAfter(b, end)&^other != 0
}

// short looks at up to four digits that a word makes something: a card's code,
// its expiry, an age.
func (s *Scanner) short(b []byte, start, end int) int {
	n := end - start
	if at(b, end) == '/' && n == 2 && classAt(b, end+1) == digit {
		to := end + 1
		for to < len(b) && class[b[to]] == digit {
			to++
		}
		month := int(b[start]-'0')*10 + int(b[start+1]-'0')
		if (to-end == 3 || to-end == 5) && month >= 1 && month <= 12 && topicNear(b, start) == aboutExpiry && classAt(b, to)&word == 0 && s.besideCard(b, start, to) {
			s.add(CardExpiry, "card-expiry", Context, start, to)
			return to
		}
		return 0
	}
	if c := at(b, end); class[c]&word != 0 || c == '.' && classAt(b, end+1) == digit {
		return 0
	}
	if n >= 3 && topicNear(b, start) == aboutCode && at(b, start-1) != '.' {
		s.add(CardCode, "card-code", Context, start, end)
		return end
	}
	if s.reports {
		return s.ageOrYear(b, start, end)
	}
	return 0
}
