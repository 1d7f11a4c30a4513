package indelible

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// FieldError says which member of an event was refused, and why.
type FieldError struct {
	Field   string // path of the member, such as "tenant_id" or "details.items[3].price"; "" is the whole input
	Problem string // what is wrong, with the limit where there is one
	Hint    string // what to do about it; may be empty
}

func (e *FieldError) Error() string {
	if e.Field == "" {
		return e.Problem
	}
	return e.Field + ": " + e.Problem
}

// within puts a step, made by keyStep or indexStep, in front of the path.
func (e *FieldError) within(step string) *FieldError {
	switch {
	case e.Field == "" || e.Field[0] == '[':
		e.Field = step + e.Field
	default:
		e.Field = step + "." + e.Field
	}
	return e
}

func indexStep(i int) string { return "[" + strconv.Itoa(i) + "]" }

// keyStep is a member's name as it stands in a path. Names that would blur
// the path are quoted, and long ones are cut: a name can be a megabyte long.
func keyStep(name []byte) string {
	s := shorten(string(name[:min(len(name), 2*shownLength)]))
	for _, r := range s {
		if r < '0' && r != '-' || strings.ContainsRune(":;<=>?@[\\]^`{|}~\"\u007f", r) {
			return "[" + strconv.Quote(s) + "]"
		}
	}
	if s == "" {
		return `[""]`
	}
	return s
}

// shownLength is how much of the caller's text an error message repeats.
const shownLength = 64

func shorten(s string) string {
	if len(s) <= shownLength {
		return s
	}
	n := shownLength
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
