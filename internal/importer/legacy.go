package importer

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"

	"indelible"
)

// Legacy reads what the former Python logger wrote: compact JSON objects,
// separated by line feeds or, after an old bug, by a backslash and an "n". A
// record carries the SHA-256 of its own bytes, so it is checked as it was
// written, not as a JSON library reads it. The hash stays in the event, as
// details.legacy_audit_hash. Records whose hash fails are refused, or, with
// keepFailed, kept and marked with details.legacy_audit_hash_verified: false.
// An error comes last and says that r failed.
func Legacy(r io.Reader, keepFailed bool) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		in := legacyReading{
			reading:    reading{source: newSource(r), yield: yield},
			scanner:    scanner{oneLine: true},
			keepFailed: keepFailed,
		}
		in.skipBOM()
		if in.indented() {
			in.number++
			in.refuse(in.window()[:min(len(in.window()), KeptRaw)], errIndented)
			return
		}
		for in.record() {
		}
		in.end()
	}
}

// errIndented refuses a file as a whole that is JSON written for people: each
// of its lines would be refused otherwise.
var errIndented = errors.New("not a log of the former logger: its records are on one line each, and this file begins with an opened brace alone")

// indented reports whether the stream begins with a brace that ends its line.
func (in *legacyReading) indented() bool {
	if b, ok := in.skipSpace(); !ok || b != '{' {
		return false
	}
	b, ok := in.at(1)
	return ok && (b == '\n' || b == '\r')
}

type legacyReading struct {
	reading
	scanner    scanner
	keepFailed bool
}

// record reads the next record. It returns false when there is none.
func (in *legacyReading) record() bool {
	for {
		b, ok := in.skipSpace()
		if !ok {
			return false
		}
		if b == '\\' {
			if b, ok := in.at(1); ok && b == 'n' {
				in.pos += len(`\n`)
				continue
			}
		}
		break
	}
	in.number++
	in.scanner.begin()
	for {
		n, v := in.scanner.scan(in.window())
		switch {
		case v == unfinished && in.more():
			continue
		case v == whole && n <= MaxRecord:
			raw := in.window()[:n]
			in.pos += n
			return in.take(raw)
		case v != broken && len(in.window()) > MaxRecord:
			return in.skip(errTooLong)
		case v == broken:
			return in.skip(fmt.Errorf("not valid JSON (byte %d of the record)", n+1))
		case in.err != io.EOF:
			return false
		}
		return in.skip(errCutOff)
	}
}

// take reports the record raw, whose beginning and end are known.
func (in *legacyReading) take(raw []byte) bool {
	rec := Record{Raw: raw}
	rec.Event, rec.Stringified, rec.Unverified, rec.Err = in.event(raw)
	return in.give(rec)
}

// skip refuses what cannot be read and goes on where the next record seems to
// begin. It looks from the beginning of the refused one: after a write that
// was cut off, the next record may be inside what looks like a string.
func (in *legacyReading) skip(err error) bool {
	return in.refuse(in.drop(len(`x{"timestamp":`), nextRecord), err)
}

// nextRecord finds a line feed, the other separator before an object, or what
// every record begins with. Within a string the quotes would be escaped; as a
// value of a member an object would stand behind a colon, comma or bracket.
func nextRecord(window []byte) int {
	for i, c := range window {
		switch c {
		case '\n':
			return i
		case '\\':
			if bytes.HasPrefix(window[i:], []byte(`\n{"`)) {
				return i
			}
		case '{':
			if i > 0 && bytes.IndexByte([]byte(":,["), window[i-1]) < 0 && bytes.HasPrefix(window[i:], []byte(`{"timestamp":`)) {
				return i
			}
		}
	}
	return -1
}

const (
	legacyHash     = "legacy_audit_hash"
	legacyVerified = "legacy_audit_hash_verified"
)

// event makes an event of a record.
func (in *legacyReading) event(raw []byte) (e *indelible.Event, stringified int, unverified bool, err error) {
	if raw[0] != '{' {
		return nil, 0, false, errors.New("not a JSON object")
	}
	var details span
	for p := range parts(raw) {
		if p.named("details") {
			details = p.value
		}
	}
	object := raw[details.start:details.end]
	if len(object) == 0 || object[0] != '{' {
		object = nil
	}
	hash, others := splitHash(object)
	for _, p := range others {
		if p.named(legacyHash) || p.named(legacyVerified) {
			return nil, 0, false, fmt.Errorf("details has a member %s already, and the record's own hash would take its place", p.name)
		}
	}
	failed := verify(raw, details.start, object, hash)
	if failed != nil && !in.keepFailed {
		return nil, 0, false, failed
	}

	// The details are read apart, since only they may hold numbers that have
	// to become strings.
	text := raw
	if object != nil {
		text = bytes.Join([][]byte{raw[:details.start], []byte("{}"), raw[details.end:]}, nil)
	}
	if e, err = indelible.ParseEvent(text); err != nil {
		return nil, 0, false, err
	}
	if object == nil { // a name written with escapes was looked past
		object = e.Details
		hash, others = splitHash(object)
	}
	e.Details, stringified, err = indelible.CanonicalizeLossless(nil, carried(object, hash, others, failed != nil))
	if err != nil {
		var fe *indelible.FieldError
		if errors.As(err, &fe) {
			err = &indelible.FieldError{Field: "details." + fe.Field, Problem: fe.Problem, Hint: fe.Hint}
		}
		return nil, 0, false, err
	}
	if e.ID == "" { // the logger gave none
		e.ID = stableID("indelible/import/legacy/v1", raw)
	}
	if err := e.Validate(); err != nil {
		return nil, 0, false, err
	}
	return e, stringified, failed != nil, nil
}

// splitHash finds audit_hash among the members of details. Deeper ones, and
// those in strings, are none of ours.
func splitHash(object []byte) (hash *part, others []part) {
	for p := range parts(object) {
		if p.named("audit_hash") && hash == nil {
			hash = &p
		} else {
			others = append(others, p)
		}
	}
	return hash, others
}

// verify says why the record's hash does not hold, or nil. The logger hashed
// the record before it put the hash at the end of details.
func verify(raw []byte, start int, object []byte, hash *part) error {
	if hash == nil {
		return errors.New("details has no audit_hash, so the record cannot be checked")
	}
	claim, isText := asText(object[hash.value.start:hash.value.end])
	if _, err := hex.DecodeString(claim); !isText || err != nil || len(claim) != 2*sha256.Size {
		return errors.New("details.audit_hash does not match: it is not a SHA-256 in hex")
	}
	if hash.value.end != len(object)-1 {
		return errors.New("details.audit_hash does not match: it is not the last member of details, where the logger puts it")
	}
	cut := hash.at
	if object[cut-1] == ',' {
		cut--
	}
	h := sha256.New()
	h.Write(raw[:start+cut])
	h.Write(raw[start+hash.value.end:])
	if sum := hex.EncodeToString(h.Sum(nil)); sum != claim {
		return fmt.Errorf("details.audit_hash does not match: it says %s, the record hashes to %s", claim, sum)
	}
	return nil
}

// carried writes details as the event carries them.
func carried(object []byte, hash *part, others []part, failed bool) []byte {
	b := make([]byte, 0, len(object)+64)
	b = append(b, '{')
	member := func(name string, value []byte) {
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(b, name...)
		b = append(b, ':')
		b = append(b, value...)
	}
	for _, p := range others {
		member(string(p.name), object[p.value.start:p.value.end])
	}
	if hash != nil {
		member(`"`+legacyHash+`"`, object[hash.value.start:hash.value.end])
	}
	if failed {
		member(`"`+legacyVerified+`"`, []byte("false"))
	}
	return append(b, '}')
}
