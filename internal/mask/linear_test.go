package mask_test

import (
	"strings"
	"testing"
	"time"

	"indelible/internal/mask"
)

// hostile are texts that would cost the square of their length if some
// recogniser looked around without a bound.
var hostile = map[string]string{
	"at signs":         "@",
	"locals":           "a@",
	"domains":          "a@b.",
	"a long local":     "a",
	"digits":           "4",
	"groups":           "4111 ",
	"dotted":           "1.",
	"colons":           "a:",
	"more colons":      "::",
	"schemes":          "a://",
	"userinfo":         "a://b@",
	"one authority":    "x://aaaaaaaaaaaa",
	"assignments":      "token=",
	"placeholders":     "token={",
	"quoted":           `token="`,
	"escaped":          `token=\"`,
	"keys":             "-----BEGIN PRIVATE KEY-----",
	"jwt":              "eyJ.",
	"joined jwt":       "eyJhbGciOiJIUzI1NiJ9-",
	"long jwt":         "eyJhbGciOiJIUzI1NiJ9",
	"brackets":         "[",
	"masks":            "[EMAIL_ADDRESS:",
	"plus":             "+1 ",
	"parentheses":      "(1",
	"iban":             "GB82 ",
	"full width":       "４",
	"zero width":       "1\u200b",
	"backslashes":      `\`,
	"objects":          `{"a":`,
	"json in a string": `"{\"a\":`,
	"dates":            "2023-05-10 ",
	"months":           "May 5, ",
	"options":          "--token ",
	"bearer":           "Bearer ",
	"base64 parts":     "IQoJb3JpZ2lu/",
	"base64":           "IQoJb3JpZ2lu",
}

// TestLinear compares a text with one eight times as long, in the same run.
func TestLinear(t *testing.T) {
	const n, times = 64 << 10, 8
	m, err := mask.New(compiled(t, mask.Strict()), mask.Options{Redact: true, Report: true})
	if err != nil {
		t.Fatal(err)
	}
	for name, piece := range hostile {
		for _, form := range []string{`{"m":"`, ``} {
			short := []byte(form + strings.Repeat(piece, n/len(piece)))
			long := []byte(form + strings.Repeat(piece, times*n/len(piece)))
			if form != "" && !strings.ContainsAny(piece, `"\`) {
				short, long = append(short, `"}`...), append(long, `"}`...)
			}
			var out []byte
			fastest := func(line []byte) time.Duration {
				best := time.Hour
				for range 3 {
					start := time.Now()
					out = m.Line(out[:0], line)
					best = min(best, time.Since(start))
				}
				return best
			}
			// A machine that is busy with something else can be slow once, not
			// each time; the square of the length is slow each time.
			var a, b time.Duration
			square := true
			for try := 0; square && try < 5; try++ {
				a, b = fastest(short), fastest(long)
				square = b > 4*times*a && b > 50*time.Millisecond
			}
			if square {
				t.Errorf("%s: %d bytes in %v, %d in %v", name, len(short), a, len(long), b)
			}
		}
	}
}
