package mask

import (
	"encoding/base32"
)

// What a mask leaves has one form, so that it is recognised and never masked
// again: [TYPE], or [TYPE:rest] with the rest of an operator:
//
//	[EMAIL_ADDRESS:k5ivq3zpl2yx6cmt4wz7hb2fne]   pseudonym: 26 letters and digits, base 32
//	[CREDIT_CARD:*1111]                          the last four
//	[IP_ADDRESS:203.0.113.0/24]                  generalised
//	[DATE_TIME:~2023-05-10T10:00:00Z]            shifted
//
// The rest is checked strictly: nothing that a person wrote between brackets
// passes as masked, except by looking like nothing.

const (
	pseudonymLen = 26
	maxRest      = 48
)

var base32Lower = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// maskedToken returns the length of the token b begins with, or 0.
func maskedToken(b []byte) int {
	if len(b) < 4 || b[0] != '[' || class[b[1]] != upper {
		return 0
	}
	i := 2
	for i < len(b) && i < 42 && class[b[i]]&(upper|digit|under) != 0 {
		i++
	}
	if i < 3 || i == len(b) {
		return 0
	}
	if b[i] == ']' {
		if !knownType(b[1:i]) {
			return 0
		}
		return i + 1
	}
	if b[i] != ':' || !knownType(b[1:i]) {
		return 0
	}
	from := i + 1
	for i = from; i < len(b) && i-from < maxRest && b[i] != ']'; i++ {
	}
	if at(b, i) != ']' || !isRest(b[from:i]) {
		return 0
	}
	return i + 1
}

// knownType: letters of a type's name, and long enough to be one. Own types
// are not listed anywhere, and a name alone gives nothing away.
func knownType(name []byte) bool {
	for _, c := range name {
		if class[c] == digit && len(name) < 6 {
			return false
		}
	}
	return len(name) >= 2
}

func isRest(b []byte) bool {
	switch {
	case len(b) == pseudonymLen:
		for _, c := range b {
			if class[c] != lower && (c < '2' || c > '7') {
				return false
			}
		}
		return true
	case len(b) >= 1 && len(b) <= 5 && b[0] == '*':
		for _, c := range b[1:] {
			if class[c]&(digit|upper|lower) == 0 {
				return false
			}
		}
		return true
	}
	return isGeneral(b) || isShifted(b)
}
