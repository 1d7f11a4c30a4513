package mask

import (
	"bytes"
	"testing"
)

// FuzzValidators: whatever they are given, checks of digits and structure do not
// panic, change nothing, and are of one mind.
func FuzzValidators(f *testing.F) {
	for _, s := range []string{
		"4111111111111111", "GB82WEST12345698765432", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
		"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "RSSMRA85T10A562S", "1HGCM82633A004352", "9434765919", "eyJhbGciOiJIUzI1NiJ9.e30.x",
		"5th of May 2024", "2024-02-29T10:00", "1/2/24", "%2B442071838750",
	} {
		f.Add([]byte(s))
	}
	checks := []func([]byte) bool{
		base58check, bech32, luhn, isJWT, isJWTHead, uuid, isClock, isShifted, isGeneral,
		func(b []byte) bool { return len(b) > 10 && githubCRC(b) },
		func(b []byte) bool { return len(b) == 42 && NewScanner(Strict(), false).ethereum(b, 0, 42) },
		func(b []byte) bool { d, ok := readDay(b, "US"); return ok && len(d.shift(nil, b, 1)) > 0 },
		func(b []byte) bool { d, ok := readDay(b, "DE"); return ok && len(d.shift(nil, b, -1)) > 0 },
		func(b []byte) bool { return normalPhone(string(b), "US") != "" },
	}
	for _, n := range nationals {
		checks = append(checks, func(b []byte) bool {
			b = bytes.ToUpper(bytes.Map(func(r rune) rune {
				if r < 0x80 && class[r]&(digit|letter) != 0 {
					return r
				}
				return -1
			}, b))
			for _, size := range n.sizes {
				if len(b) == size {
					return n.valid(b)
				}
			}
			return false
		})
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for i, check := range checks {
			before := bytes.Clone(text)
			first := check(text)
			if again := check(text); first != again || !bytes.Equal(before, text) {
				t.Fatalf("check %d of %q: %v, then %v; it is %q now", i, before, first, again, text)
			}
		}
	})
}
