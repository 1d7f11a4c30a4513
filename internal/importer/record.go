// Package importer turns the logs of other programs into events. It reads
// streams of any length with bounded memory, and what it cannot take it
// reports record by record: nothing is dropped in silence.
package importer

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/google/uuid"

	"indelible"
)

const (
	// MaxRecord is how long one record may be, in bytes.
	MaxRecord = 4 << 20
	// KeptRaw is how much of a longer one is shown in Record.Raw.
	KeptRaw = 64 << 10
)

// A Record is one record of the foreign log: an event, or why it is none.
type Record struct {
	Event       *indelible.Event // nil when refused
	Number      int64            // of the record, from 1; for JSONL that of the line
	Raw         []byte           // as it was read; valid until the next record
	Err         error            // why it was refused
	Stringified int              // numbers a JSON double cannot hold exactly, which became strings
	Unverified  bool             // kept although its own hash fails; see Legacy
}

var errTooLong = fmt.Errorf("the record is longer than the limit of %d bytes", MaxRecord)

var errCutOff = errors.New("the file ends in the middle of this record")

// A reading is one run over a stream.
type reading struct {
	*source
	number  int64
	yield   func(Record, error) bool
	stopped bool // the caller wants no more
}

// give hands a record to the caller; it returns false to stop.
func (r *reading) give(rec Record) bool {
	rec.Number = r.number
	r.stopped = !r.yield(rec, nil)
	return !r.stopped
}

// refuse reports a record that is no event; it returns false to stop.
func (r *reading) refuse(raw []byte, err error) bool {
	return r.give(Record{Raw: raw, Err: err})
}

// end reports the error of the reader, if there was one.
func (r *reading) end() {
	if !r.stopped && r.err != nil && !errors.Is(r.err, io.EOF) {
		r.yield(Record{}, fmt.Errorf("read after record %d: %w", r.number, r.err))
	}
}

// stableID is the id of a record that has none of its own: a UUID version 8
// (RFC 9562 §5.8) from a hash, so that a second import finds the same event.
func stableID(domain string, record []byte) string {
	h := sha256.New()
	io.WriteString(h, domain)
	h.Write([]byte{0})
	h.Write(record)
	id := uuid.UUID(h.Sum(nil)[:16])
	id[6] = id[6]&0x0F | 0x80
	id[8] = id[8]&0x3F | 0x80
	return id.String()
}
