package mask

import "net/netip"

// ipv4 looks for four numbers up to 255 without leading zeros (RFC 6943
// §3.1.1) at start. A version or a product's name before them says they are no
// address.
func (s *Scanner) ipv4(b []byte, start int) int {
	end := start
	for part := range 4 {
		if part > 0 {
			if at(b, end) != '.' {
				return 0
			}
			end++
		}
		n, from := 0, end
		for end < len(b) && class[b[end]] == digit && end-from < 4 {
			n = n*10 + int(b[end]-'0')
			end++
		}
		if end == from || n > 255 || end-from > 1 && b[from] == '0' {
			return 0
		}
	}
	if classAt(b, end)&word != 0 || at(b, end) == '.' && classAt(b, end+1)&word != 0 {
		return 0
	}
	if at(b, end) == '-' && classAt(b, end+1)&letter != 0 {
		return 0 // 1.2.3.4-rc1
	}
	if start > 0 {
		switch p := b[start-1]; {
		case class[p]&word != 0 && at(b, start-3) != '%', p == '.' && start > 1 && class[b[start-2]]&word != 0:
			return 0
		case p == '-' && start > 1 && class[b[start-2]]&letter != 0:
			return 0 // name-1.2.3.4
		case p == ':' && isImage(b, start-1):
			return 0
		case p == '/' && s.isProduct(b, start-1) && at(b, end) != ':':
			return 0
		}
	}
	if string(b[start:end]) == "0.0.0.0" {
		return end // any address, and so none (RFC 6890 §2.2.2)
	}
	if s.field.typ != IP && !(at(b, start-1) == '/' && at(b, end) == ':') && (isVersion(b, start) || s.field.topic == aboutVersion) {
		return 0
	}
	s.add(IP, "ipv4", Validated, start, end)
	return end
}

// isVersion: version 1.2.3.4, upgraded x from 1.2.3.4 to 1.2.3.5.
func isVersion(b []byte, start int) bool {
	if topicNear(b, start) == aboutVersion || versionBefore(b, start) {
		return true
	}
	i := start - 1
	for i > 0 && class[b[i-1]]&lower != 0 && start-i < 6 {
		i--
	}
	if at(b, start-1) != ' ' || string(b[max(i, 0):start]) != "from " && string(b[max(i, 0):start]) != "to " {
		return false
	}
	return topicOfWords(b, start, max(0, start-48), 8, topic(0xffff)&^aboutVersion) != 0
}

// versionBefore: v1.2.3.4 is older than 1.2.3.10.
func versionBefore(b []byte, start int) bool {
	for i := start - 1; i > 0 && start-i < 40; i-- {
		if b[i] == 'v' && classAt(b, i+1) == digit && class[b[i-1]]&word == 0 {
			end := i + 1
			for end < start && (class[b[end]] == digit || b[end] == '.') {
				end++
			}
			return end-i > 4
		}
	}
	return len(b) > 0 && start > 4 && b[0] == 'v' && classAt(b, 1) == digit && at(b, 2) == '.' && start < 40
}

// isImage: registry/team/app:1.2.3.4 has a version behind its colon.
func isImage(b []byte, colon int) bool {
	slash := false
	for i := colon; i > 0 && colon-i < 100; i-- {
		switch c := b[i-1]; {
		case c == '/':
			if slash && b[i] == '/' {
				return false // a URL
			}
			slash = true
		case class[c]&word == 0 && c != '.' && c != '-' && c != ':':
			return slash
		}
	}
	return slash
}

// isProduct reports whether the word before a slash names a product with a
// version, as in a user agent: it begins with a capital (RFC 9110 §10.1.5), or is curl.
func (s *Scanner) isProduct(b []byte, slash int) bool {
	i := slash
	for i > 0 && slash-i < 40 && (class[b[i-1]]&(letter|digit) != 0 || b[i-1] == '.' || b[i-1] == '-') {
		i--
	}
	if i == slash {
		return false
	}
	w := b[i:slash]
	if class[w[0]] == upper && classAt(b, i-1) == under {
		return false // HIER_DIRECT/10.0.0.1, in the log of a proxy
	}
	return class[w[0]] == upper || lowered(w) == "curl" || lowered(w) == "wget" || lowered(w) == "aws-cli"
}

// colons looks at a short run before a colon: an IPv6 address or a MAC begins
// with one.
func (s *Scanner) colons(b []byte, start, end int) int {
	for _, c := range b[start:end] {
		if !isHex(c) {
			return 0
		}
	}
	return s.ipv6(b, start)
}

// ipv6 looks at hexadecimal groups between colons from start on: an address
// (RFC 4291 §2.2) or, of six pairs, a MAC. It returns behind them, or 0 where
// a run of word bytes begins that is none.
func (s *Scanner) ipv6(b []byte, start int) int {
	end, groups, pairs, digits, double, dots := start, 0, true, false, false, false
	for end < len(b) && end-start < 46 {
		c := b[end]
		switch {
		case isHex(c):
			from := end
			for end < len(b) && isHex(b[end]) && end-from < 5 {
				digits = digits || class[b[end]] == digit
				end++
			}
			groups++
			pairs = pairs && end-from == 2
			continue
		case c == ':':
			double = double || at(b, end+1) == ':'
		case c == '.' && double || c == '.' && groups >= 6:
			if classAt(b, end+1) != digit {
				goto done
			}
			dots = true
		default:
			goto done
		}
		end++
	}
done:
	for end > start && (b[end-1] == '.' || b[end-1] == ':' && at(b, end-2) != ':') {
		end--
	}
	text := b[start:end]
	if at(b, end) == '-' && classAt(b, end+1)&letter != 0 && !groupAt(b, end+1) {
		return max(end, start+2) // an identifier that goes on
	}
	miss := 0
	if len(text) == 0 || text[0] == ':' {
		miss = start + 2
	}
	if classAt(b, end)&word != 0 || start > 0 && (class[b[start-1]]&word != 0 || b[start-1] == ':') {
		return miss
	}
	if groups == 6 && pairs && len(text) == 17 && !dots {
		if s.reports {
			s.note(MAC, "mac", Validated, start, end)
		}
		return end
	}
	if groups == 8 && pairs && !double && !dots {
		return end // a WWN or EUI-64; an address is written without leading zeros (RFC 5952 §4.1)
	}
	if !double && groups == 9 { // an address and a port
		for at(b, end-1) != ':' {
			end--
		}
		end--
		text, groups = b[start:end], 8
	}
	if !double && groups != 8 && !dots || double && (!digits && groups < 3 || groups == 0) || len(text) < 3 {
		return miss
	}
	if _, err := netip.ParseAddr(string(text)); err != nil {
		return miss
	}
	s.add(IP, "ipv6", Validated, start, end)
	if at(b, end) == '%' { // a zone is no part of the address
		for end++; end < len(b) && class[b[end]]&(digit|letter) != 0; end++ {
		}
	}
	return end
}

// groupAt: fd00::1-fd00::9 is a range, and goes on with an address.
func groupAt(b []byte, i int) bool {
	from := i
	for i < len(b) && isHex(b[i]) && i-from < 5 {
		i++
	}
	return at(b, i) == ':'
}
