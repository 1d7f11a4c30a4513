package mask

import "encoding/binary"

// Classes of bytes. A run of word bytes is looked at as a whole; a stop is a
// byte at which some recogniser looks around.
const (
	digit = 1 << iota
	upper
	lower
	under
	high // part of a character that is not ASCII
	stop

	letter = upper | lower
	word   = digit | upper | lower | under | high
)

var class = func() (t [256]uint8) {
	for c := range t {
		switch {
		case c >= '0' && c <= '9':
			t[c] = digit
		case c >= 'A' && c <= 'Z':
			t[c] = upper
		case c >= 'a' && c <= 'z':
			t[c] = lower
		case c == '_':
			t[c] = under
		case c >= 0x80:
			t[c] = high
		}
	}
	for _, c := range "@:=[-+(%>" {
		t[c] = stop
	}
	return t
}()

// A Scanner finds what the recognisers know in a text. It keeps buffers: one
// goroutine uses it at a time.
type Scanner struct {
	region    string     // of phone numbers without a country code
	reports   bool       // also what is only reported
	eachWord  bool       // words without digits may be something, too
	nationals []national // that were enabled
	own       []ownRule

	field  fieldInfo // what the name of the text's field says
	found  []Finding
	notes  []Finding // of types that are reported
	fold   folder
	broken []byte // a text without escapes of line breaks

	pemEnd int // where the next end of a PEM block is, from the last place that asked
	urlEnd int // where the last URL ends
}

// NewScanner makes a scanner for a policy. With reports it also looks for
// what the policy keeps.
func NewScanner(p *Policy, reports bool) *Scanner {
	s := &Scanner{region: p.region(), nationals: p.packs.enabled(), own: p.own}
	s.reports = reports || p.masksReported()
	s.eachWord = s.reports || len(s.nationals) > 0
	return s
}

// Scan returns what is found, in order, and besides what is only reported.
// Both are valid until the next call.
func (s *Scanner) Scan(text []byte) (found, notes []Finding) {
	return s.scanField(text, fieldInfo{})
}

func (s *Scanner) scanField(text []byte, field fieldInfo) (found, notes []Finding) {
	s.field = field
	s.found, s.notes = s.found[:0], s.notes[:0]
	s.pemEnd, s.urlEnd = 0, 0
	plain, folded := text, false
	if !isASCII(text) {
		plain, folded = s.fold.fold(text)
	}
	plain = s.breaks(plain)
	s.pass(plain)
	if len(s.found)+len(s.notes)+len(s.own) == 0 {
		return nil, nil
	}
	for _, r := range s.own {
		s.found = r.find(plain, s.found)
	}
	s.found = resolve(s.found)
	s.notes = s.noted()
	if folded {
		s.fold.unfold(s.found)
		s.fold.unfold(s.notes)
	}
	return s.found, s.notes
}

// noted leaves of the notes what does not lie in a finding.
func (s *Scanner) noted() []Finding {
	notes, next := resolve(s.notes), 0
	kept := notes[:0]
	for _, n := range notes {
		for next < len(s.found) && s.found[next].End <= n.Start {
			next++
		}
		if next < len(s.found) && s.found[next].Start <= n.Start && n.End <= s.found[next].End {
			continue
		}
		kept = append(kept, n)
	}
	return kept
}

func (s *Scanner) add(t Type, rule string, c Confidence, start, end int) {
	s.found = append(s.found, Finding{t, rule, c, start, end})
}

func (s *Scanner) note(t Type, rule string, c Confidence, start, end int) {
	s.notes = append(s.notes, Finding{t, rule, c, start, end})
}

func (s *Scanner) pass(b []byte) {
	for i := 0; i < len(b); {
		c := class[b[i]]
		if c&word == 0 {
			if c&stop == 0 {
				i++
				continue
			}
			i = s.stop(b, i)
			continue
		}
		start, kind := i, c
		for i++; i < len(b); i++ {
			c := class[b[i]]
			if c&word == 0 {
				break
			}
			kind |= c
		}
		switch {
		case kind == digit:
			i = s.number(b, start, i)
		case i-start < 2 && (i == len(b) || secretStart[uint16(b[start])<<8|uint16(b[i])] == 0):
		case kind == high && i < len(b) && b[i] == '"' && foreignPassword(b[:i]) != "":
			i = max(i, s.quotedPassword(b, i))
		case kind&digit == 0 && !s.eachWord && secretStart[uint16(b[start])<<8|uint16(b[start+1])] == 0 && (i == len(b) || b[i] != ':'):
			// Most words are nothing but words.
		default:
			i = s.word(b, start, i, kind)
		}
	}
}

// stop looks around a byte that a recogniser begins or turns at, and returns
// where to go on, behind i.
func (s *Scanner) stop(b []byte, i int) int {
	switch b[i] {
	case '@':
		return s.email(b, i, i+1)
	case '%':
		if i+3 <= len(b) && b[i+1] == '4' && b[i+2] == '0' {
			return s.email(b, i, i+3)
		}
		if i+4 <= len(b) && b[i+1] == '2' && b[i+2]|0x20 == 'b' && class[b[i+3]] == digit {
			return s.phoneEncoded(b, i)
		}
		if classAt(b, i+3) == digit && (string(b[i+1:i+3]) == "2F" && at(b, i-3) == '%' || string(b[i+1:i+3]) == "3D") { // %2F%2F10.0.0.1, host%3D10.0.0.1
			if to := s.ipv4(b, i+3); to > 0 {
				return to
			}
		}
	case ':':
		if i+2 < len(b) && b[i+1] == '/' && b[i+2] == '/' {
			return s.url(b, i)
		}
		if i+1 < len(b) && b[i+1] == ':' {
			return s.ipv6(b, i)
		}
		return s.assignment(b, i)
	case '=':
		return s.assignment(b, i)
	case '[':
		if end := maskedToken(b[i:]); end > 0 {
			return i + end
		}
	case '-':
		if i+1 < len(b) && b[i+1] == '-' {
			return s.dashes(b, i)
		}
		if i > 0 && b[i-1] == ' ' {
			return s.option(b, i)
		}
	case '>':
		return s.element(b, i)
	case '+', '(':
		return s.phoneAt(b, i)
	}
	return i + 1
}

// word looks at a run of word bytes that is not a number.
func (s *Scanner) word(b []byte, start, end int, kind uint8) int {
	if secretStart[uint16(b[start])<<8|uint16(b[start+1])] != 0 {
		if next := s.secret(b, start, end); next > 0 {
			return next
		}
	}
	if kind&digit != 0 {
		return s.mixed(b, start, end, kind)
	}
	if end < len(b) && b[end] == ':' && end-start <= 4 {
		if end-start == 3 && string(b[start:end]) == "arn" {
			s.arn(b, start)
		}
		if next := s.colons(b, start, end); next > 0 {
			return next
		}
	}
	if len(s.nationals) > 0 {
		if next := s.national(b, start); next > 0 {
			return next
		}
	}
	if s.reports {
		return s.dateWord(b, start, end)
	}
	return end
}

// mixed looks at a run with digits and something else.
func (s *Scanner) mixed(b []byte, start, end int, kind uint8) int {
	n := end - start
	if at(b, end) == '.' && at(b, end+7) == '.' {
		if next := s.discord(b, start, end); next > 0 {
			return next
		}
	}
	switch {
	case n == 8 && end < len(b) && b[end] == '-':
		if uuid(b[start:]) {
			return start + 36
		}
	case n <= 4 && end < len(b) && b[end] == ':':
		if next := s.colons(b, start, end); next > 0 {
			return next
		}
	case n >= 11 && n <= 13 && at(b, end) == ':' && string(b[start:start+3]) == "bot" && allDigits(b[start+3:end]): // as in its URLs
		if next := s.telegram(b, start+3, end); next > 0 {
			return next
		}
	case n == 32 && at(b, end) == '-' && s.mailchimp(b, start, end):
		return end
	case n == 42 && s.ethereum(b, start, end):
		return end
	case n >= 25 && n <= 35 && (b[start] == '1' || b[start] == '3') && base58check(b[start:end]):
		s.add(Crypto, "base58check", Validated, start, end)
		return end
	case n >= 14 && n <= 90 && (b[start]|0x20 == 'b' || b[start]|0x20 == 't' || b[start]|0x20 == 'l') && bech32(b[start:end]):
		s.add(Crypto, "bech32", Validated, start, end)
		return end
	}
	if class[b[start]]&letter != 0 && n >= 4 && class[b[start+1]]&letter != 0 && class[b[start+2]]&digit != 0 && class[b[start+3]]&digit != 0 {
		if next := s.iban(b, start); next > 0 {
			return next
		}
	}
	if len(s.nationals) > 0 {
		return max(end, s.national(b, start))
	}
	return end
}

func isASCII(b []byte) bool {
	for len(b) >= 8 {
		if binary.LittleEndian.Uint64(b)&0x8080808080808080 != 0 {
			return false
		}
		b = b[8:]
	}
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

func uuid(b []byte) bool {
	if len(b) < 36 || len(b) > 36 && class[b[36]]&word != 0 {
		return false
	}
	for i, c := range b[:36] {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if c != '-' {
				return false
			}
		} else if !isHex(c) {
			return false
		}
	}
	return true
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f'
}

// at is the byte at i, or 0 outside of the text.
func at(b []byte, i int) byte {
	if i < 0 || i >= len(b) {
		return 0
	}
	return b[i]
}

func classAt(b []byte, i int) uint8 { return class[at(b, i)] }
