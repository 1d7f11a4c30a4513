package mask

// ibanLength is the length in each country of the IBAN registry (ISO 13616,
// SWIFT release 99).
var ibanLength = map[string]int{
	"AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BI": 27, "BR": 29, "BY": 28, "CH": 21, "CR": 22, "CY": 28,
	"CZ": 24, "DE": 22, "DJ": 27, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18, "FK": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23,
	"GL": 18, "GR": 27, "GT": 28, "HN": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28,
	"LC": 32, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MN": 20, "MR": 27, "MT": 31, "MU": 30, "NI": 28,
	"NL": 18, "NO": 15, "OM": 23, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "RU": 33, "SA": 24, "SC": 31, "SD": 18, "SE": 24,
	"SI": 19, "SK": 24, "SM": 27, "SO": 23, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20, "YE": 30,
}

// iban looks for a country, its length and the check modulo 97, in one piece
// or in groups.
func (s *Scanner) iban(b []byte, start int) int {
	country := [2]byte{b[start] &^ 0x20, b[start+1] &^ 0x20}
	want, ok := ibanLength[string(country[:])]
	if !ok {
		return 0
	}
	var text [34]byte
	n, end := 0, start
	for n < want && end < len(b) {
		switch c := b[end]; {
		case class[c]&(digit|letter) != 0:
			if class[c] == lower {
				c &^= 0x20
			}
			text[n] = c
			n++
		case (c == ' ' || c == '-') && n >= 4 && classAt(b, end+1)&(digit|letter) != 0:
		default:
			return 0
		}
		end++
	}
	if n < want || classAt(b, end)&word != 0 || !mod97(text[:want]) {
		return 0
	}
	s.add(IBAN, "iban", Validated, start, end)
	return end
}

// mod97 checks with letters as numbers from 10 on and the first four
// characters at the end (ISO/IEC 7064, MOD 97-10).
func mod97(b []byte) bool {
	rest := 0
	for i := range b {
		c := b[(i+4)%len(b)]
		if class[c] == digit {
			rest = (rest*10 + int(c-'0')) % 97
		} else {
			rest = (rest*100 + int(c-'A') + 10) % 97
		}
	}
	return rest == 1
}
