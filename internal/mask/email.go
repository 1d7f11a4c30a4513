package mask

// The form of RFC 5321 §4.1.2 (dot-string, no quoted local part), with letters
// of any script (RFC 6531), a domain of at least two labels, and a last label
// that is no number. An @ may be percent-encoded.

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
	start := at1
	for start > 0 && at1-start < maxLocal && localByte[b[start-1]] {
		start--
	}
	// What begins with a sign is a quotation or a list, not a name.
	for start < at1 && class[b[start]]&word == 0 {
		start++
	}
	if start == at1 || b[at1-1] == '.' {
		return after
	}
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
