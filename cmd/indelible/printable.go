package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// What stands in an event was written by whoever sent it. Before a person sees
// it, everything that could move the cursor, hide text, turn its direction or
// look like another column is written as an escape.

// maxField is how many characters of one field are shown in a line.
const maxField = 60

// field is one value in a line of columns: never empty, without spaces unless
// it is quoted, and of limited length.
func field(s string) string {
	if s == "" {
		return "-"
	}
	cut := ""
	if i := runeOffset(s, maxField); i < len(s) {
		s, cut = s[:i], "…"
	}
	if s != "-" && !strings.ContainsFunc(s, func(r rune) bool {
		return r == ' ' || r == '"' || r == '\\' || r == '…' || r == utf8.RuneError || !strconv.IsPrint(r)
	}) {
		return s + cut
	}
	return strconv.Quote(s) + cut
}

// visible is text within a line: what could act on a terminal is escaped.
func visible(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return r == utf8.RuneError || !strconv.IsPrint(r) }) {
		return s
	}
	quoted := strconv.Quote(s)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

func runeOffset(s string, n int) int {
	for i := range s {
		if n == 0 {
			return i
		}
		n--
	}
	return len(s)
}

// safeJSON rewrites JSON text so that it can be shown: what is not printable
// can only stand in strings, where an escape means the same.
func safeJSON(text []byte) []byte {
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		switch {
		case r == '\n' || r == ' ' || r < utf8.RuneSelf && strconv.IsPrint(r) || r >= utf8.RuneSelf && r != utf8.RuneError && strconv.IsPrint(r):
			out = append(out, text[i:i+n]...)
		case r >= 0x10000:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		i += n
	}
	return out
}

// writeJSON writes JSON text: as it is to a file or another program, without
// what could act on a terminal to a terminal.
func writeJSON(w io.Writer, text []byte) error {
	if isTerminal(w) {
		text = safeJSON(text)
	}
	_, err := w.Write(text)
	return err
}
