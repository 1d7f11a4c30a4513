package mask

import "bytes"

// commands are programs whose options take a password, with how they do.
var commands = map[byte][]struct {
	program  string
	attached bool // -pVALUE
}{
	'a': {{"redis-cli", false}},
	'p': {{"mysql", true}, {"mariadb", true}, {"sshpass", true}, {"sshpass", false}, {"mongo", false}, {"docker login", false}, {"podman login", false}, {"registry login", false}},
	'w': {{"ldap", false}},
	'A': {{"snmp", false}},
	'X': {{"snmp", false}},
	'P': {{"sqlcmd", false}, {"bcp", false}},
}

// option looks at a single dash behind a blank: an option of one letter that
// gives a program a password, or curl a login.
func (s *Scanner) option(b []byte, i int) int {
	name := at(b, i+1)
	if name == 'u' && at(b, i+2) == ' ' {
		return s.curlLogin(b, i)
	}
	for _, c := range commands[name] {
		from := i + 2
		if !c.attached {
			from++
		}
		if (at(b, i+2) == ' ') == c.attached || !bytes.Contains(b[max(0, i-160):i], []byte(c.program)) {
			continue
		}
		return s.assigned(b, from, Password, "option", assignedLoose)
	}
	return i + 1
}

// curlLogin: curl -u user:password.
func (s *Scanner) curlLogin(b []byte, i int) int {
	if !bytes.Contains(b[max(0, i-160):i], []byte("curl")) {
		return i + 1
	}
	start := i + 3
	if c := at(b, start); c == '"' || c == '\'' {
		start++
	}
	end, colon := start, 0
	for end < len(b) && !valueEnd[b[end]] {
		if b[end] == ':' && colon == 0 {
			colon = end
		}
		end++
	}
	if colon <= start || end-colon < 2 || isPlaceholder(b[colon+1:end]) {
		return i + 1
	}
	s.add(Login, "option", Context, start, end)
	return end
}
