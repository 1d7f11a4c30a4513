package indelible

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"testing"
)

// The samples of RFC 8785, appendix B.
var rfc8785Numbers = []struct {
	bits uint64
	want string
}{
	{0x0000000000000000, "0"},
	{0x8000000000000000, "0"},
	{0x0000000000000001, "5e-324"},
	{0x8000000000000001, "-5e-324"},
	{0x7fefffffffffffff, "1.7976931348623157e+308"},
	{0xffefffffffffffff, "-1.7976931348623157e+308"},
	{0x4340000000000000, "9007199254740992"},
	{0xc340000000000000, "-9007199254740992"},
	{0x4430000000000000, "295147905179352830000"},
	{0x44b52d02c7e14af5, "9.999999999999997e+22"},
	{0x44b52d02c7e14af6, "1e+23"},
	{0x44b52d02c7e14af7, "1.0000000000000001e+23"},
	{0x444b1ae4d6e2ef4e, "999999999999999700000"},
	{0x444b1ae4d6e2ef4f, "999999999999999900000"},
	{0x444b1ae4d6e2ef50, "1e+21"},
	{0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"},
	{0x3eb0c6f7a0b5ed8d, "0.000001"},
	{0x41b3de4355555553, "333333333.3333332"},
	{0x41b3de4355555554, "333333333.33333325"},
	{0x41b3de4355555555, "333333333.3333333"},
	{0x41b3de4355555556, "333333333.3333334"},
	{0x41b3de4355555557, "333333333.33333343"},
	{0xbecbf647612f3696, "-0.0000033333333333333333"},
	{0x43143ff3c1cb0959, "1424953923781206.2"},
}

func TestNumbersOfRFC8785(t *testing.T) {
	t.Parallel()
	for _, tt := range rfc8785Numbers {
		f := math.Float64frombits(tt.bits)
		for _, lit := range []string{
			tt.want,
			strconv.FormatFloat(f, 'e', -1, 64),
			strconv.FormatFloat(f, 'f', -1, 64),
			strings.ToUpper(strconv.FormatFloat(f, 'g', -1, 64)),
		} {
			if got := canonical(t, lit); got != tt.want {
				t.Errorf("%s: got %s, want %s", lit, got, tt.want)
			}
		}
	}
	for _, lit := range []string{"NaN", "Infinity", "-Infinity"} {
		if _, err := AppendCanonicalJSON(nil, []byte(lit)); err == nil {
			t.Errorf("%s was accepted", lit)
		}
	}
}

func TestNumberForms(t *testing.T) {
	t.Parallel()
	for lit, want := range map[string]string{
		"-0":                          "0",
		"-0.0e5":                      "0",
		"0e400":                       "0",
		"0.0000":                      "0",
		"1.0":                         "1",
		"1e2":                         "100",
		"-1E+2":                       "-100",
		"100.50":                      "100.5",
		"0.1e1":                       "1",
		"123456789012345":             "123456789012345",
		"1000000000000000000000":      "1e+21",
		"100000000000000000000":       "100000000000000000000",
		"1" + strings.Repeat("0", 30): "1e+30",
		"0.000001":                    "0.000001",
		"0.0000001":                   "1e-7",
		"9007199254740994":            "9007199254740994",
		"4503599627370495.5":          "4503599627370495.5",
		"0." + strings.Repeat("0", 5000) + "1e5001":             "1",
		"1" + strings.Repeat("0", 5000) + "e-5000":              "1",
		"12.5" + strings.Repeat("0", 5000):                      "12.5",
		"1.2345678901234567" + strings.Repeat("0", 9) + "e-200": "1.2345678901234567e-200",
	} {
		if got := canonical(t, lit); got != want {
			t.Errorf("%s: got %s, want %s", shorten(lit), got, want)
		}
	}
}

func TestInexactNumbers(t *testing.T) {
	t.Parallel()
	for _, lit := range []string{
		"9007199254740993",
		"-9007199254740993",
		"18446744073709551615",
		"1e400", "-1e400", "1e-400",
		"1e99999999999999999999999999", "1e-99999999999999999999999999",
		"0.1000000000000000055511151231257827",
		"333333333.33333329", // in RFC 8785 §3.2.2, where it loses its last digit
		"4.9e-324",
		"2.4e-324",
		"1.7976931348623158e308",
		"1797693134862315708145274237317043567980705675258449965989174768031572607800285387605895586327668781715404589535143824642e190",
		"0.30000000000000004441",
		"1" + strings.Repeat("0", 400),
	} {
		_, err := AppendCanonicalJSON(nil, []byte(`{"a":[0,{"b c":`+lit+`}]}`))
		var fe *FieldError
		if !errors.As(err, &fe) {
			t.Errorf("%s: got error %v, want a *FieldError", shorten(lit), err)
			continue
		}
		if fe.Field != `a[1]["b c"]` || fe.Hint != "send it as a string" {
			t.Errorf("%s: got field %q, hint %q", shorten(lit), fe.Field, fe.Hint)
		}
		out, n, err := CanonicalizeLossless(nil, []byte(`[`+lit+`,1.0]`))
		if want := `["` + lit + `",1]`; err != nil || n != 1 || string(out) != want {
			t.Errorf("%s: lossless: got %s, %d, %v", shorten(lit), out, n, err)
		}
	}
}

// FuzzNumber compares with the shortest form that strconv finds.
func FuzzNumber(f *testing.F) {
	for _, tt := range rfc8785Numbers {
		f.Add(tt.bits, 17)
	}
	f.Fuzz(func(t *testing.T, bits uint64, precision int) {
		v := math.Float64frombits(bits)
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return
		}
		shortest := strconv.FormatFloat(v, 'e', -1, 64)
		got := canonical(t, shortest)
		if back, err := strconv.ParseFloat(got, 64); err != nil || back != v {
			t.Fatalf("%s became %s", shortest, got)
		}
		// Another number of digits is the same number, or it must be refused
		// unless it is itself the shortest form of what it reads as.
		lit := strconv.FormatFloat(v, 'e', min(max(precision, 0), 40), 64)
		w, err := strconv.ParseFloat(lit, 64)
		out, refused := AppendCanonicalJSON(nil, []byte(lit))
		same := err == nil && trimmed(lit) == trimmed(strconv.FormatFloat(w, 'e', -1, 64))
		if same != (refused == nil) {
			t.Fatalf("%s: same %v, but got %s, %v", lit, same, out, refused)
		}
	})
}

// trimmed brings the 'e' forms of strconv to the same number of digits.
func trimmed(s string) string {
	mantissa, exponent, _ := strings.Cut(s, "e")
	if strings.Contains(mantissa, ".") {
		mantissa = strings.TrimRight(strings.TrimRight(mantissa, "0"), ".")
	}
	if mantissa == "0" || mantissa == "-0" {
		return "0"
	}
	return mantissa + "e" + exponent
}

func canonical(t *testing.T, src string) string {
	t.Helper()
	out, err := AppendCanonicalJSON(nil, []byte(src))
	if err != nil {
		t.Errorf("%s: %v", shorten(src), err)
	}
	return string(out)
}
