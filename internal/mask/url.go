package mask

import "bytes"

const maxURL = 8192

// urlEnd marks what ends a URL (RFC 3986 §2, and what people put around one).
var urlEnd = func() (t [256]bool) {
	for c := range 0x21 {
		t[c] = true
	}
	for _, c := range "\"'<>`{}|^\\" {
		t[c] = true
	}
	return t
}()

// url looks at :// : a scheme before it, perhaps a user and a password behind
// it (RFC 3986 §3.2.1), and secrets among the values of its query.
func (s *Scanner) url(b []byte, colon int) int {
	start := colon
	for start > 0 && colon-start < 32 && (class[b[start-1]]&(digit|letter) != 0 || b[start-1] == '+' || b[start-1] == '-' || b[start-1] == '.') {
		start--
	}
	authority := colon + 3
	if start == colon {
		return authority
	}
	// The authority ends at / ? #. A password may hold an @; the last one counts.
	// Some write a / in it, too: then an @ that still comes before a blank decides.
	end, user := authority, -1
	for end < len(b) && end-authority < 1024 && !urlEnd[b[end]] && b[end] != '/' && b[end] != '?' && b[end] != '#' && b[end] != ',' {
		if b[end] == '@' {
			user = end
		}
		end++
	}
	if user > authority && !isNoLogin(b[authority:user]) && !isMaskedLogin(b[authority:user]) && maskedToken(b[authority:user]) != user-authority {
		s.add(Login, "url-userinfo", Validated, authority, user)
	}
	next := end
	if user > authority {
		next = user + 1
	}
	if s.reports && start >= s.urlEnd {
		whole := end
		for whole < len(b) && whole-start < maxURL && !urlEnd[b[whole]] {
			whole++
		}
		s.urlEnd = whole
		for whole > end && (b[whole-1] == '.' || b[whole-1] == ',' || b[whole-1] == ')' || b[whole-1] == ';' || b[whole-1] == ':' || b[whole-1] == ']' || b[whole-1] == '!') {
			whole--
		}
		if whole > authority {
			s.note(URL, "url", Guess, start, whole)
		}
	}
	if user < 0 {
		return authority // the host may be an address
	}
	return next
}

// isNoLogin: everybody is git at a host of repositories; the key is elsewhere.
func isNoLogin(user []byte) bool {
	return string(user) == "git" || string(user) == "hg" || string(user) == "svn"
}

// isMaskedLogin: of ***:*** and ${USER}:${PASS} nothing is known.
func isMaskedLogin(login []byte) bool {
	user, password, _ := bytes.Cut(login, []byte(":"))
	return isPlaceholder(user) && (len(password) == 0 || isPlaceholder(password))
}
