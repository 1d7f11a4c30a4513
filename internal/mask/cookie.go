package mask

import "bytes"

// cookies looks at the pairs of a Cookie or Set-Cookie header (RFC 6265 §4): a
// value is a secret when its name says so, or when it has no order. It returns
// i where there are no pairs.
func (s *Scanner) cookies(b []byte, i int) int {
	at, pairs := i, 0
	for {
		for at < len(b) && b[at] == ' ' {
			at++
		}
		name := at
		for at < len(b) && at-name < 64 && (class[b[at]]&(digit|letter|under) != 0 || b[at] == '-' || b[at] == '.') {
			at++
		}
		if at == name || at == len(b) || b[at] != '=' {
			break
		}
		from := at + 1
		end := bareEnd(b, from)
		if v := lowered(b[from:end]); v == "bearer" || v == "basic" { // what they are followed by is found there
			return from
		}
		pairs++
		if value := b[from:end]; !isPlaceholder(value) && (isSession(b[name:at]) && len(value) >= 4 || disordered(value)) {
			s.add(Token, "cookie", Context, from, end)
		}
		if at = end; at == len(b) || b[at] != ';' {
			break
		}
		at++
	}
	if pairs == 0 {
		return i
	}
	return at
}

// isSession reports whether a cookie's name says that it lets somebody in.
func isSession(name []byte) bool {
	if secretName(name) != "" {
		return true
	}
	name = bytes.ToLower(name)
	for _, w := range []string{"sess", "sid", "auth", "csrf", "xsrf", "remember", "login", "ticket"} {
		if bytes.Contains(name, []byte(w)) {
			return true
		}
	}
	return false
}

// disordered reports whether a value is long, and letters and digits without order.
func disordered(b []byte) bool {
	letters, digits := 0, 0
	for _, c := range b {
		switch class[c] {
		case digit:
			digits++
		case upper, lower:
			letters++
		}
	}
	return len(b) >= 20 && letters >= 6 && digits >= 3 && letters+digits > len(b)*3/4
}
