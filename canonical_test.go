package indelible

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/gowebpki/jcs"
)

func TestCanonicalJSON(t *testing.T) {
	t.Parallel()
	for src, want := range map[string]string{
		// RFC 8785 §3.2.2, but for the number that a double cannot hold.
		`{"numbers": [1E30, 4.50, 2e-3, 0.000000000000000000000000001],
		  "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}`: //
		`{"literals":[null,true,false],"numbers":[1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`,
		// RFC 8785 §3.2.3: sorted by UTF-16 code units.
		`{"\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh", "1": "One",
		  "\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control", "\u00f6": "Latin Small Letter O With Diaeresis"}`: //
		"{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u0080\":\"Control\",\"ö\":\"Latin Small Letter O With Diaeresis\"," +
			"\"€\":\"Euro Sign\",\"😀\":\"Emoji: Grinning Face\",\"\ufb33\":\"Hebrew Letter Dalet With Dagesh\"}",

		` [ ] `:                         `[]`,
		"\t{\r\n}":                      `{}`,
		`""`:                            `""`,
		` true `:                        `true`,
		`{"b":1,"a":{"d":[],"c":null}}`: `{"a":{"c":null,"d":[]},"b":1}`,
		`{"aa":1,"a":2,"":3}`:           `{"":3,"a":2,"aa":1}`,
		`{"a\u0000":1,"a":2}`:           `{"a":2,"a\u0000":1}`,
		`{"\"":1,"!":2,"#":3,"\\":4,"[":5,"]":6}`:                    `{"!":2,"\"":1,"#":3,"[":5,"\\":4,"]":6}`,
		`{"aaaaaaaa\ud83d\ude00":1,"aaaaaaaa\ue000":2,"aaaaaaaa":3}`: "{\"aaaaaaaa\":3,\"aaaaaaaa😀\":1,\"aaaaaaaa\ue000\":2}",
		`"\b\f\n\r\t\u0000\u001F\u007f\/\u2028"`:                     "\"\\b\\f\\n\\r\\t\\u0000\\u001f\u007f/\u2028\"",
		`"<>&` + "\u2029" + `ÿ🎉"`:                                    `"<>&` + "\u2029" + `ÿ🎉"`,
		`"\ud834\udd1e\uD834\uDD1E"`:                                 `"𝄞𝄞"`,
	} {
		if got := canonical(t, src); got != want {
			t.Errorf("%s\n got %s\nwant %s", src, got, want)
		}
	}
}

func TestCanonicalJSONRefuses(t *testing.T) {
	t.Parallel()
	nested := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	canonical(t, nested(MaxDepth))
	for src, want := range map[string]string{
		``:                         "not valid JSON: the input ends where a value should stand",
		`{`:                        "the input ends where a member's name",
		`[1`:                       "the input ends where a comma or the end of an array",
		`[1,]`:                     `']' where a value should stand (byte 4)`,
		`{"a":1,}`:                 `'}' where a member's name in quotes should stand (byte 8)`,
		`{"a" 1}`:                  "where a colon should stand",
		`{a:1}`:                    "where a member's name in quotes should stand",
		`[1 2]`:                    "where a comma",
		`1 2`:                      "where the end of the input should stand",
		`01`:                       "where the end of the input should stand",
		`[-]`:                      "where a number should stand",
		`[1.]`:                     "where a number should stand",
		`[.5]`:                     "where a value should stand",
		`[1e]`:                     "where a number should stand",
		`[+1]`:                     "where a value should stand",
		`tru`:                      "where a value should stand",
		`nul`:                      "where a value should stand",
		"\ufeff{}":                 "where a value should stand",
		`"abc`:                     "the end of a string",
		`"abc\"`:                   "the end of a string",
		`"abc\`:                    "the end of a string",
		`"\x"`:                     "unknown escape",
		`"\u12g4"`:                 "without four hex digits",
		`"\u12"`:                   "without four hex digits",
		"\"a\nb\"":                 "control character stands unescaped in a string (byte 3)",
		"\"a\xffb\"":               "not valid UTF-8 (byte 3)",
		"\"\xed\xa0\x80\"":         "not valid UTF-8",
		"\"\\\xff\"":               "unknown escape",
		`{"a":"\ud800"}`:           `a: the lone surrogate \ud800`,
		`"\ud800\u0041"`:           `lone surrogate \ud800`,
		`"\udc00\ud800"`:           `lone surrogate \udc00`,
		`{"a":[NaN]}`:              "a[0]: NaN and Infinity are not JSON",
		`[-Infinity]`:              "NaN and Infinity are not JSON",
		`{"a":1,"a":1}`:            "a: appears more than once",
		`{"b":1,"a":1,"b":1}`:      "b: appears more than once",
		`{"x":{"a":1,"\u0061":2}}`: "x.a: appears more than once",
		`[{"":{"y.z":[0,nope]}}]`:  `[0][""]["y.z"][1]: not valid JSON: 'n'`,
		nested(MaxDepth + 1):       "nested deeper than the limit of 32 levels",
		`"` + strings.Repeat("x", MaxEventSize-1) + `"`: "larger than the limit of 1048576 bytes",
		`[` + strings.Repeat("1,", MaxEventSize) + `1]`: "larger than the limit of 1048576 bytes",
		strings.Repeat(" ", MaxInputSize) + "1":         "the input has 8388609 bytes, the limit is 8388608",
	} {
		out, err := AppendCanonicalJSON([]byte("kept"), []byte(src))
		var fe *FieldError
		if !errors.As(err, &fe) || string(out) != "kept" {
			t.Errorf("%s: got %q, %v", shorten(src), out, err)
			continue
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %q, want %q", shorten(src), err, want)
		}
	}
}

func TestCanonicalSizeLimit(t *testing.T) {
	t.Parallel()
	src := `"` + strings.Repeat("\\u0041", MaxEventSize-2) + `"`
	if got := canonical(t, src); len(got) != MaxEventSize {
		t.Errorf("%d bytes", len(got))
	}
}

// A name or a path from the caller must not make an error as large as itself.
func TestErrorsAreShort(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 100_000)
	for _, src := range []string{
		`{"` + long + `":1,"` + long + `":2}`,
		`{"` + long + `":nope}`,
		`[9007199254740993.` + strings.Repeat("1", 100_000) + `]`,
	} {
		if _, err := AppendCanonicalJSON(nil, []byte(src)); err == nil || len(err.Error()) > 400 {
			t.Errorf("an error of %d bytes", len(err.Error()))
		}
	}
}

func TestCompareNames(t *testing.T) {
	t.Parallel()
	runes := []rune{0, 'a', 'b', 0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xe000, 0xefff, 0xf000, 0xffff, 0x10000, 0x1f600, 0x10ffff}
	rng := rand.New(rand.NewPCG(1, 2))
	name := func() string {
		var b strings.Builder
		for range rng.IntN(12) {
			b.WriteRune(runes[rng.IntN(len(runes))])
		}
		return b.String()
	}
	for range 20_000 {
		a, b := name(), name()
		if rng.IntN(2) == 0 { // names with much in common are the harder ones
			common := name()
			a, b = common+a, common+b
		}
		want := slices.Compare(utf16.Encode([]rune(a)), utf16.Encode([]rune(b)))
		if got := compareNames([]byte(a), []byte(b)); sign(got) != want {
			t.Fatalf("%q, %q: got %d, want %d", a, b, got, want)
		}
		if ha, hb := nameHead([]byte(a)), nameHead([]byte(b)); ha != hb && (ha < hb) != (want < 0) {
			t.Fatalf("%q, %q: heads %x, %x, want %d", a, b, ha, hb, want)
		}
	}
}

func sign(n int) int { return min(max(n, -1), 1) }

// Objects with many members, in an order that is bad for naive sorting, and
// the worst nesting take time in proportion; the test would not end otherwise.
func TestManyMembers(t *testing.T) {
	t.Parallel()
	const n = 40_000
	var src, want bytes.Buffer
	for i := range n {
		fmt.Fprintf(&src, `,"k%06d":%d`, n-i, i)
		fmt.Fprintf(&want, `,"k%06d":%d`, i+1, n-1-i)
	}
	wrap := func(b *bytes.Buffer) string { b.Bytes()[0] = '{'; return b.String() + "}" }
	inner, wanted := wrap(&src), wrap(&want)
	for range MaxDepth - 1 {
		inner, wanted = `{"z":`+inner+`,"a":0}`, `{"a":0,"z":`+wanted+`}`
	}
	if canonical(t, inner) != wanted {
		t.Error("not in order")
	}
}

func FuzzCanonical(f *testing.F) {
	for _, s := range []string{
		benchEvent, `{}`, `[]`, `{"b":[1,2.50,-0,1e30,9007199254740993],"a":"\u20ac\ud83d\ude00\n\"\\"}`,
		`{"a":1,"a":2}`, `{"\ufb33":1,"\ud83d\ude00":2,"a":{"":null}}`, `["\ud800"]`, "[\"\xff\"]", `[1e400]`, `[[[[[{}]]]]]`, ` [true , false] `,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		got, err := AppendCanonicalJSON(nil, src)
		theirs, theirErr := jcs.Transform(src)
		if err != nil {
			var fe *FieldError
			if !errors.As(err, &fe) {
				t.Fatalf("%T", err)
			}
			if !json.Valid(src) {
				return
			}
			for _, documented := range []string{"more than once", "UTF-8", "lone surrogate", "held exactly", "the limit"} {
				if strings.Contains(fe.Problem, documented) {
					return
				}
			}
			t.Fatalf("%q is valid JSON but refused: %v", src, err)
		}
		if !json.Valid(src) {
			t.Fatalf("%q is not JSON but accepted", src)
		}
		if theirErr == nil && !bytes.Equal(got, theirs) {
			t.Fatalf("%q\nours   %q\ntheirs %q", src, got, theirs)
		}
		again, err := AppendCanonicalJSON(nil, got)
		if err != nil || !bytes.Equal(again, got) {
			t.Fatalf("%q is not stable: %q, %v", got, again, err)
		}
		lossless, n, err := CanonicalizeLossless(nil, src)
		if err != nil || n != 0 || !bytes.Equal(lossless, got) {
			t.Fatalf("lossless differs: %q, %d, %v", lossless, n, err)
		}
	})
}
