package mask

import "bytes"

// The form of RFC 5321 §4.1.2, with letters of any script (RFC 6531), a domain
// of at least two labels, and a last label that is no number. An @ may be
// percent-encoded, and so may be the signs before it.

const (
	maxLocal  = 64
	maxDomain = 253
)

var localByte = func() (t [256]bool) {
	for c := range t {
		t[c] = class[c]&word != 0
	}
	for _, c := range ".!#$&'*+-^`{|}~?" {
		t[c] = true
	}
	return t
}()

// notDomains are last labels of file names and units, none of which is a
// top-level domain: name@2x.png, getty@tty1.service.
var notDomains = map[string]bool{
	"png": true, "jpg": true, "jpeg": true, "gif": true, "svg": true, "webp": true, "json": true, "html": true, "css": true, "yaml": true, "yml": true, "xml": true,
	"txt": true, "log": true, "gz": true, "tgz": true, "jar": true, "exe": true, "dll": true, "service": true, "socket": true, "timer": true, "target": true,
	"slice": true, "scope": true, "mount": true, "conf": true, "lock": true, "tmp": true, "js": true, "ts": true, "java": true, "rb": true,
}

// email looks around the @ between at and after.
func (s *Scanner) email(b []byte, at1, after int) int {
	start := localStart(b, at1)
	// What begins with a sign is a quotation or a list, not a name.
	for start < at1 && class[b[start]]&word == 0 {
		start++
	}
	if at(b, at1-1) == '"' {
		start = quotedStart(b, at1)
	}
	if start == at1 || b[at1-1] == '.' || b[at1-1] == '}' { // ${USER}@host
		return after
	}
	start = envelopeStart(b, start)
	end, labels, numbers := after, 0, 0
	for end < len(b) && end-after < maxDomain {
		from, kind := end, uint8(0)
		for end < len(b) && end-from <= 63 && (class[b[end]]&(digit|letter|high) != 0 || b[end] == '-') {
			kind |= class[b[end]]
			end++
		}
		for end > from && b[end-1] == '-' {
			end--
		}
		if end == from {
			break
		}
		labels++
		if kind == digit {
			numbers++
		}
		if at(b, end) == '.' && classAt(b, end+1)&(digit|letter|high) != 0 {
			end++
			continue
		}
		// Behind a hyphen something else begins: a key of two columns is 'bob@example.com-4'.
		if i := bytes.IndexByte(b[from:end], '-'); i >= 2 && !(b[from]|0x20 == 'x' && b[from+1]|0x20 == 'n') {
			end = from + i
			kind = 0
			for _, c := range b[from:end] {
				kind |= class[c]
			}
		}
		top := b[from:end]
		switch {
		case labels < 2, kind&(letter|high) == 0, len(top) < 2, numbers >= 2, classAt(b, end) == under:
			return after
		case kind&digit != 0 && !(len(top) > 4 && top[0]|0x20 == 'x' && top[2] == '-'):
			return after
		case notDomains[lowered(top)]:
			return after
		case at(b, end) == ':' && string(b[start:at1]) == "git":
			return end // git@host:path is a place, not a person
		}
		if k := len(s.found); k > 0 && s.found[k-1].Type == Phone && s.found[k-1].Start == start-1 && s.found[k-1].End == at1 {
			return end // sip:+442071838750@host is a number
		}
		s.add(Email, "email", Validated, start, end)
		return end
	}
	return after
}

// localStart is where the dot-string before the @ begins.
func localStart(b []byte, at1 int) int {
	start := at1
	for start > 0 && at1-start < maxLocal {
		if localByte[b[start-1]] {
			start--
			continue
		}
		if start < at1-1 && isHex(b[start]) && isHex(b[start+1]) && b[start-1] == '%' {
			switch string(b[start : start+2]) {
			case "2B", "2b", "2D", "2d", "2E", "2e", "5F", "5f": // + - . _
				start--
				continue
			}
			return start + 2 // %22bob@example.com
		}
		if at1-start > 5 && b[start-1] == '\\' && b[start] == 'u' && isHex(b[start+1]) && isHex(b[start+2]) && isHex(b[start+3]) && isHex(b[start+4]) {
			return start + 5 // \u0022bob@example.com
		}
		break
	}
	return start
}

// envelopeStart is where the local part of a sender's address for bounces begins,
// in which the recipient's is written with a = for its @ (VERP), or where start is.
func envelopeStart(b []byte, start int) int {
	if at(b, start-1) != '=' {
		return start
	}
	i := start - 1
	for i > 0 && start-i < maxLocal && localByte[b[i-1]] && b[i-1] != '?' && b[i-1] != '&' {
		i--
	}
	name := b[i : start-1]
	if bytes.HasPrefix(name, []byte("bounce")) || len(name) > 0 && class[name[0]]&letter != 0 && bytes.IndexByte(name, '+') > 0 {
		return i
	}
	return start
}

// quotedStart is where the quoted string before the @ begins, or the @ where there is none.
func quotedStart(b []byte, at1 int) int {
	for i := at1 - 2; i >= 0 && at1-i <= maxLocal; i-- {
		if b[i] < ' ' {
			break
		}
		if b[i] == '"' {
			if at1-i < 3 || classAt(b, i-1)&word != 0 {
				break
			}
			return i
		}
	}
	return at1
}

func lowered(b []byte) string {
	var buf [16]byte
	if len(b) > len(buf) {
		return ""
	}
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		buf[i] = c
	}
	return string(buf[:len(b)])
}
