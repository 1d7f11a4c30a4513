package api

import "strings"

// eventID reads the id of an event: a UUID with hyphens, in lower case when it
// returns.
func eventID(s string) (id string, ok bool) {
	if len(s) != 36 {
		return "", false
	}
	for i := range len(s) {
		c := s[i] | 0x20
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if s[i] != '-' {
				return "", false
			}
		case s[i] >= '0' && s[i] <= '9', c >= 'a' && c <= 'f' && s[i] != '-':
		default:
			return "", false
		}
	}
	return strings.ToLower(s), true
}
