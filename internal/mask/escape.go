package mask

import "bytes"

// breaks writes blanks for the escapes of line breaks and tabs that a log has
// left in its text, \n as two characters, so that what stands behind one begins
// there: places stay where they are. It returns text itself when there are none.
func (s *Scanner) breaks(text []byte) []byte {
	i := bytes.IndexByte(text, '\\')
	if i < 0 {
		return text
	}
	plain, from := text, 0
	for i >= 0 && i+1 < len(text) {
		next := i + 2
		switch c := text[i+1]; {
		case c == 'n', (c == 'r' || c == 't') && classAt(text, next)&letter == 0:
			if from == 0 {
				s.broken = append(s.broken[:0], text...)
				plain, from = s.broken, 1
			}
			plain[i], plain[i+1] = ' ', ' '
		}
		j := bytes.IndexByte(text[next:], '\\')
		if j < 0 {
			break
		}
		i = next + j
	}
	return plain
}
