package mask

import "bytes"

// breaks writes blanks for the escapes of line breaks and tabs that a log has
// left in its text, \n as two characters, so that what stands behind one begins
// there: places stay where they are. It returns text itself when there are none.
func (s *Scanner) breaks(text []byte) []byte {
	plain, copied := text, false
	for from := 0; ; {
		i := bytes.IndexByte(text[from:], '\\')
		if i < 0 || from+i+1 == len(text) {
			return plain
		}
		i += from
		from = i + 2
		if c := text[i+1]; c != 'n' && (c != 'r' && c != 't' || classAt(text, from)&letter != 0) {
			continue
		}
		if !copied {
			s.broken = append(s.broken[:0], text...)
			plain, copied = s.broken, true
		}
		plain[i], plain[i+1] = ' ', ' '
	}
}
