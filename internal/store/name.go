package store

import (
	"errors"
	"fmt"
	"strings"
)

// Limits that every driver keeps.
const (
	MaxName    = 512     // bytes of a name
	MaxElement = 255     // bytes between two slashes: what file systems allow
	MaxObject  = 1 << 28 // bytes of one Create, Replace or Read
)

// ErrTooLarge: more than MaxObject bytes at once. Somebody else's object may be
// of any size; it can still be read in ranges.
var ErrTooLarge = errors.New("object too large")

// ErrName: not a name an object can have.
var ErrName = errors.New("invalid object name")

// unfinished begins the file names that a directory gives to what it has not
// finished writing, so no object may be called that in any driver.
const unfinished = ".tmp-"

// CheckName says whether an object may have this name. Both drivers apply it to
// every name, so that a ledger can move from a directory to a bucket and back.
func CheckName(name string) error {
	if name == "" || len(name) > MaxName {
		return fmt.Errorf("%w: %d bytes, not 1 to %d", ErrName, len(name), MaxName)
	}
	for i := range len(name) {
		if !allowed(name[i]) {
			return fmt.Errorf("%w: %q holds a byte outside [a-zA-Z0-9._/-]", ErrName, name)
		}
	}
	for element := range strings.SplitSeq(name, "/") {
		switch {
		case element == "", element == ".", element == "..":
			return fmt.Errorf("%w: %q has the element %q", ErrName, name, element)
		case len(element) > MaxElement:
			return fmt.Errorf("%w: %q has an element of %d bytes, more than %d", ErrName, name, len(element), MaxElement)
		case strings.HasPrefix(element, unfinished):
			return fmt.Errorf("%w: %q has an element beginning with %s", ErrName, name, unfinished)
		}
	}
	return nil
}

// CheckSize refuses what is too large to be written at once.
func CheckSize(name string, data []byte) error {
	if len(data) > MaxObject {
		return fmt.Errorf("%s: %w: %d bytes, more than %d", name, ErrTooLarge, len(data), MaxObject)
	}
	return nil
}

// CheckRange refuses a range no object can have.
func CheckRange(name string, opt ReadOptions) error {
	if opt.Offset < 0 || opt.Length < 0 || opt.Offset+opt.Length < 0 {
		return fmt.Errorf("read %s: invalid range: offset %d, length %d", name, opt.Offset, opt.Length)
	}
	return nil
}

func allowed(b byte) bool {
	switch {
	case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9':
		return true
	}
	return b == '.' || b == '_' || b == '/' || b == '-'
}
