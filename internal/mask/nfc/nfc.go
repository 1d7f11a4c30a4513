// Package nfc brings text into Unicode normalization form C (UAX #15), so that
// what looks the same is the same when it becomes a pseudonym.
package nfc

import "golang.org/x/text/unicode/norm"

// String is s in form C.
func String(s string) string { return norm.NFC.String(s) }
