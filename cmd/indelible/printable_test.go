package main

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestField(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                      "-",
		"-":                     `"-"`,
		"acme":                  "acme",
		"müller-gmbh":           "müller-gmbh",
		"a b":                   `"a b"`,
		"\x1b[2J":               `"\x1b[2J"`,
		"\u202eevil":            `"\u202eevil"`,
		"\u009b31m":             `"\u009b31m"`,
		"two\nlines":            `"two\nlines"`,
		`back\slash`:            `"back\\slash"`,
		"\xff":                  `"\xff"`,
		strings.Repeat("é", 61): strings.Repeat("é", 60) + "…",
		"really…":               `"really…"`,
	} {
		if got := field(in); got != want {
			t.Errorf("field(%q) = %s, want %s", in, got, want)
		}
	}
}

func TestVisible(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`plain "text", ä…`:        `plain "text", ä…`,
		"\x1b]0;title\a\nhint: x": `\x1b]0;title\a\nhint: x`,
		"\"\u009b31m\"":           `"\u009b31m"`,
	} {
		if got := visible(in); got != want {
			t.Errorf("visible(%q) = %s, want %s", in, got, want)
		}
	}
}

// FuzzSafeJSON: the same JSON, and nothing in it that acts on a terminal.
func FuzzSafeJSON(f *testing.F) {
	f.Add("plain")
	f.Add("\x7f\u009b\u202e\ufeff\U000e0041 é \"\\ \n")
	f.Fuzz(func(t *testing.T, s string) {
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		safe := safeJSON(text)
		for _, r := range string(safe) {
			if !strconv.IsPrint(r) || r == utf8.RuneError {
				t.Fatalf("%q stays in %q", r, safe)
			}
		}
		var was, is string
		if err := json.Unmarshal(text, &was); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(safe, &is); err != nil || is != was {
			t.Fatalf("%q became %q: %v", was, is, err)
		}
	})
}
