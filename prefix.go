package indelible

import (
	"errors"
	"fmt"
)

const (
	formatVersion = 1
	suite1        = 1
)

// ErrNewerFormat is wrapped by errors about a structure made by a later version.
var ErrNewerFormat = errors.New("written by a newer version of indelible; update this program")

// checkPrefix checks magic, version and suite at the start of a structure.
func checkPrefix(what, magic string, b []byte) error {
	if len(b) < 6 || string(b[:4]) != magic {
		return fmt.Errorf("%s: does not begin with %s", what, magic)
	}
	if b[4] > formatVersion {
		return fmt.Errorf("%s: format version %d: %w", what, b[4], ErrNewerFormat)
	}
	if b[4] != formatVersion || b[5] != suite1 {
		return fmt.Errorf("%s: unknown format version %d, suite %d", what, b[4], b[5])
	}
	return nil
}

// CheckPrefix checks the magic, version and suite that every binary structure
// of the format begins with.
func CheckPrefix(what, magic string, b []byte) error { return checkPrefix(what, magic, b) }

// AppendPrefix appends magic, version and suite.
func AppendPrefix(dst []byte, magic string) []byte {
	return append(append(dst, magic...), formatVersion, suite1)
}
