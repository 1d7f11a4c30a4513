package mask

import (
	"bytes"
	"strconv"
)

// The checks of the national numbers. They are given letters and digits only,
// in capitals, in one of the lengths of the number.

// weighted is the sum of digits times weights, or -1 where there is no digit.
func weighted(b []byte, weights ...int) int {
	sum := 0
	for i, w := range weights {
		if class[b[i]] != digit {
			return -1
		}
		sum += w * int(b[i]-'0')
	}
	return sum
}

// number reads digits, or -1.
func number(b []byte) int {
	if !allDigits(b) {
		return -1
	}
	n, err := strconv.Atoi(string(b))
	if err != nil {
		return -1
	}
	return n
}

// isDay: two digits of a month and two of a day.
func isDay(b []byte) bool {
	m, d := number(b[:2]), number(b[2:4])
	return m >= 1 && m <= 12 && d >= 1 && d <= 31
}

func oneDigit(b []byte) bool { return bytes.Count(b, b[:1]) == len(b) }

func tfn(b []byte) bool { return allDigits(b) && weighted(b, 1, 4, 3, 7, 5, 8, 6, 9, 10)%11 == 0 }

func abn(b []byte) bool {
	return allDigits(b) && b[0] != '0' && (weighted(b, 10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19)-10)%89 == 0
}

func aba(b []byte) bool {
	p := number(b[:2])
	return allDigits(b) && (p <= 12 || p >= 21 && p <= 32 || p >= 61 && p <= 72 || p == 80) && weighted(b, 3, 7, 1, 3, 7, 1, 3, 7, 1)%10 == 0 && !oneDigit(b)
}

func bic(b []byte) bool {
	for _, c := range b[:6] {
		if class[c] != upper {
			return false
		}
	}
	_, country := ibanLength[string(b[4:6])]
	return country || bytes.Contains([]byte("US CA AU NZ JP CN HK SG IN KR ZA MX ID TH MY PH VN TW"), b[4:6])
}

// check11 is the check digit of Brazil: the sum with weights that fall from the
// left, modulo 11.
func check11(b []byte, first int) byte {
	sum, w := 0, first
	for _, c := range b {
		sum += w * int(c-'0')
		if w--; w < 2 {
			w = 9
		}
	}
	if r := sum % 11; r >= 2 {
		return byte('0' + 11 - r)
	}
	return '0'
}

func cpf(b []byte) bool {
	return allDigits(b) && !oneDigit(b) && b[9] == check11(b[:9], 10) && b[10] == check11(b[:10], 11)
}

func cnpj(b []byte) bool {
	return allDigits(b) && !oneDigit(b) && b[12] == check11(b[:12], 5) && b[13] == check11(b[:13], 6)
}

func sin(b []byte) bool { return allDigits(b) && b[0] != '0' && b[0] != '8' && luhn(b) }

func residentID(b []byte) bool {
	sum := weighted(b, 7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
	year := number(b[6:10])
	return sum >= 0 && year >= 1900 && year < 2100 && isDay(b[10:]) && "10X98765432"[sum%11] == b[17]
}

func nir(b []byte) bool {
	month := number(b[3:5])
	if b[0] != '1' && b[0] != '2' || month < 1 || month > 12 && (month < 20 || month > 42) && month < 50 {
		return false
	}
	body := bytes.Clone(b[:13])
	switch string(body[5:7]) { // Corsica counts as 19 and 18
	case "2A":
		body[5], body[6] = '1', '9'
	case "2B":
		body[5], body[6] = '1', '8'
	}
	n, key := number(body), number(b[13:])
	return n >= 0 && key > 0 && key == 97-n%97
}

func steuerID(b []byte) bool {
	if !allDigits(b) || b[0] == '0' {
		return false
	}
	var seen [10]int
	twice := 0
	for _, c := range b[:10] {
		if seen[c-'0']++; seen[c-'0'] == 2 {
			twice++
		}
		if seen[c-'0'] > 3 {
			return false
		}
	}
	product := 10
	for _, c := range b[:10] {
		sum := (int(c-'0') + product) % 10
		if sum == 0 {
			sum = 10
		}
		product = 2 * sum % 11
	}
	return twice == 1 && (11-product)%10 == int(b[10]-'0')
}

// aadhaar has Verhoeff's check digit.
func aadhaar(b []byte) bool {
	if !allDigits(b) || b[0] < '2' {
		return false
	}
	// Multiplication in the dihedral group of order ten, and its permutation.
	times := func(a, b int) int {
		switch {
		case a < 5 && b < 5:
			return (a + b) % 5
		case a < 5:
			return (a+b)%5 + 5
		case b < 5:
			return (a-b)%5 + 5
		}
		return (a - b + 5) % 5
	}
	turn := [10]int{1, 5, 7, 6, 2, 8, 3, 0, 9, 4}
	sum := 0
	for i := range b {
		d := int(b[len(b)-1-i] - '0')
		for range i % 8 {
			d = turn[d]
		}
		sum = times(sum, d)
	}
	return sum == 0
}

func pan(b []byte) bool {
	for i, c := range b {
		if (i < 5 || i == 9) != (class[c] == upper) {
			return false
		}
	}
	return bytes.IndexByte([]byte("ABCFGHJLPT"), b[3]) >= 0 && allDigits(b[5:9])
}

func codiceFiscale(b []byte) bool {
	const odd = "\x01\x00\x05\x07\x09\x0d\x0f\x11\x13\x15\x02\x04\x12\x14\x0b\x03\x06\x08\x0c\x0e\x10\x0a\x16\x19\x18\x17"
	sum := 0
	for i, c := range b {
		isLetter := class[c] == upper
		// Digits may be written as letters where two people had one code.
		wantLetter := i < 6 || i == 8 || i == 11 || i == 15
		if wantLetter && !isLetter || !wantLetter && isLetter && bytes.IndexByte([]byte("LMNPQRSTUV"), c) < 0 {
			return false
		}
		v := int(c - '0')
		if isLetter {
			v = int(c - 'A')
		}
		switch {
		case i == 15:
			return sum%26 == v && bytes.IndexByte([]byte("ABCDEHLMPRST"), b[8]) >= 0
		case i%2 == 0:
			sum += int(odd[v])
		default:
			sum += v
		}
	}
	return false
}

func rrn(b []byte) bool {
	sum := weighted(b, 2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)
	return sum >= 0 && isDay(b[2:]) && b[6] >= '1' && b[6] <= '8' && class[b[12]] == digit && (11-sum%11)%10 == int(b[12]-'0')
}

func bsn(b []byte) bool {
	return allDigits(b) && !oneDigit(b) && (weighted(b, 9, 8, 7, 6, 5, 4, 3, 2)-int(b[8]-'0'))%11 == 0
}

func pesel(b []byte) bool {
	if !allDigits(b) {
		return false
	}
	month, day := number(b[2:4])%20, number(b[4:6]) // the century is in the month
	return month >= 1 && month <= 12 && day >= 1 && day <= 31 && weighted(b, 1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)%10 == 0
}

func dni(b []byte) bool {
	body := bytes.Clone(b[:8])
	if i := bytes.IndexByte([]byte("XYZ"), body[0]); i >= 0 {
		body[0] = byte('0' + i)
	}
	n := number(body)
	return n > 0 && "TRWAGMYFPDXBNJZSQVHLCKE"[n%23] == b[8]
}

func personnummer(b []byte) bool {
	b = b[len(b)-10:]
	if !allDigits(b) {
		return false
	}
	month, day := number(b[2:4]), number(b[4:6])
	return month >= 1 && month <= 12 && day >= 1 && day <= 91 && (day <= 31 || day > 60) && luhn(b)
}

func nhs(b []byte) bool {
	return allDigits(b) && !oneDigit(b) && (weighted(b, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1))%11 == 0
}

// utr has its check digit in front.
func utr(b []byte) bool {
	sum := 0
	if allDigits(b) {
		sum = weighted(b[1:], 6, 7, 8, 9, 10, 5, 4, 3, 2)
	}
	return sum > 0 && "21987654321"[sum%11] == b[0]
}

func nino(b []byte) bool {
	const first, second = "ABCEGHJKLMNOPRSTWXYZ", "ABCEGHJKLMNPRSTWXYZ"
	switch string(b[:2]) {
	case "BG", "GB", "KN", "NK", "NT", "TN", "ZZ":
		return false
	}
	return bytes.IndexByte([]byte(first), b[0]) >= 0 && bytes.IndexByte([]byte(second), b[1]) >= 0 && allDigits(b[2:8]) && b[8] >= 'A' && b[8] <= 'D'
}

func itin(b []byte) bool {
	g := number(b[3:5])
	return allDigits(b) && b[0] == '9' && (g >= 50 && g <= 65 || g >= 70 && g <= 88 || g >= 90 && g <= 92 || g >= 94)
}

func ein(b []byte) bool {
	switch p := number(b[:2]); {
	case p < 1, p >= 7 && p <= 9, p >= 17 && p <= 19, p >= 28 && p <= 29, p == 49, p >= 69 && p <= 70, p >= 78 && p <= 79, p == 89, p >= 96 && p <= 97:
		return false
	}
	return allDigits(b)
}

func npi(b []byte) bool {
	return allDigits(b) && (b[0] == '1' || b[0] == '2') && luhn(append([]byte("80840"), b...))
}

func mbi(b []byte) bool {
	for i, c := range b {
		isLetter := class[c] == upper && bytes.IndexByte([]byte("SLOIBZ"), c) < 0
		switch i {
		case 0:
			if c < '1' || c > '9' {
				return false
			}
		case 1, 4, 7, 8:
			if !isLetter {
				return false
			}
		case 2, 5:
			if !isLetter && class[c] != digit {
				return false
			}
		default:
			if class[c] != digit {
				return false
			}
		}
	}
	return true
}

func vin(b []byte) bool {
	const value = "12345678.12345.7.923456789" // A to Z; I, O and Q are not used
	weights := [17]int{8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2}
	sum, letters := 0, 0
	for i, c := range b {
		v := int(c - '0')
		if class[c] == upper {
			letters++
			if v = int(value[c-'A'] - '0'); v < 0 {
				return false
			}
		}
		sum += v * weights[i]
	}
	return letters >= 3 && letters < 17 && "0123456789X"[sum%11] == b[8]
}
