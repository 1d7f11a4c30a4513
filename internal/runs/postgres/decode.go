package postgres

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"indelible/internal/runs"
)

// decoder makes rows of what came over the wire. The row is one and the same,
// filled anew.
type decoder struct {
	run   runs.Run
	cells []cell
	// checkText is set where the database does not know what its texts are
	// encoded in.
	checkText bool
	maxRow    int64
}

// cell is one value of the SELECT list and where it goes.
type cell struct {
	name  string
	form  form
	bytes *[]byte
	time  *runs.Time
	int   *runs.Int
	text  []byte // space for what is written out
}

func newDecoder(list []selected, maxRow int64, checkText bool) *decoder {
	d := &decoder{maxRow: maxRow, checkText: checkText}
	extras := 0
	for _, s := range list {
		if s.extra {
			extras++
		}
	}
	d.run.Extra = make([][]byte, extras)
	r := &d.run
	texts := map[string]*[]byte{
		"id": &r.ID, "tenant_id": &r.TenantID, "workflow_name": &r.WorkflowName, "workflow_version": &r.WorkflowVersion,
		"status": &r.Status, "error_message": &r.ErrorMessage, "metadata": &r.Metadata,
	}
	times := map[string]*runs.Time{"started_at": &r.StartedAt, "completed_at": &r.CompletedAt, "created_at": &r.CreatedAt}
	ints := map[string]*runs.Int{"duration_ms": &r.DurationMS, "steps_completed": &r.StepsCompleted, "steps_total": &r.StepsTotal}
	extras = 0
	for _, s := range list {
		c := cell{name: s.name, form: s.form, bytes: texts[s.name], time: times[s.name], int: ints[s.name]}
		if s.extra {
			c.bytes, c.time, c.int = &r.Extra[extras], nil, nil
			extras++
		}
		d.cells = append(d.cells, c)
	}
	return d
}

// pgEpoch is 2000-01-01 in microseconds since 1970: where the database counts
// from.
const pgEpoch = 946_684_800_000_000

// decode fills the row. Values are the caller's to overwrite: JSON is compacted
// where it lies.
func (d *decoder) decode(values [][]byte) error {
	if len(values) != len(d.cells) {
		return fmt.Errorf("the database sent %d values, not %d", len(values), len(d.cells))
	}
	size := int64(0)
	for i := range d.cells {
		c := &d.cells[i]
		v := values[i]
		size += int64(len(v))
		if v == nil {
			c.null()
			continue
		}
		if problem := d.value(c, v); problem != "" {
			return d.bad(c, problem)
		}
	}
	if d.run.ID == nil {
		return runs.Failf(runs.Data, "give it one, or leave it out with a filter", "a row has no id")
	}
	if size > d.maxRow {
		return tooLarge(string(d.run.ID), size, d.maxRow)
	}
	return nil
}

func (c *cell) null() {
	switch {
	case c.bytes != nil:
		*c.bytes = nil
	case c.time != nil:
		*c.time = runs.Time{}
	case c.int != nil:
		*c.int = runs.Int{}
	}
}

// value decodes one value; it says what is wrong with it.
func (d *decoder) value(c *cell, v []byte) (problem string) {
	switch c.form {
	case asText:
		if d.checkText && !utf8.Valid(v) {
			return "is not valid UTF-8"
		}
		*c.bytes = v
	case asMoment:
		if len(v) != 8 {
			return "is not a time as the database sends it"
		}
		micros := int64(binary.BigEndian.Uint64(v))
		if micros == math.MaxInt64 || micros == math.MinInt64 {
			return "is infinity, which no JSON time is"
		}
		micros += pgEpoch
		if !runs.Representable(micros) {
			return "is outside the years 1 to 9999"
		}
		*c.time = runs.Time{Micros: micros, Valid: true}
	case asInt2, asInt4, asInt8:
		n, ok := integer(c.form, v)
		if !ok {
			return "is not a number as the database sends it"
		}
		*c.int = runs.Int{N: n, Valid: true}
	case asJSONB:
		if len(v) < 2 || v[0] != 1 {
			return "is not jsonb of a version known here"
		}
		*c.bytes = runs.Compact(v[1:])
	case asJSON:
		*c.bytes = runs.Compact(v)
	case asJSONText:
		b, ok := runs.CompactValid(v)
		if !ok {
			return "is not JSON"
		}
		*c.bytes = b
	case asUUID:
		if len(v) != 16 {
			return "is not a UUID as the database sends it"
		}
		c.text = appendUUID(c.text[:0], v)
		*c.bytes = c.text
	case asDecimal:
		n, ok := wholeNumber(string(v))
		if !ok {
			return "is " + clip(string(v)) + ", not a whole number"
		}
		*c.int = runs.Int{N: n, Valid: true}
	case asRevision:
		if len(v) != 8 {
			return "is not an xid8 as the database sends it"
		}
		d.run.Revision = binary.BigEndian.Uint64(v)
	}
	return ""
}

// bad names the row and the column of a value that cannot be exported.
func (d *decoder) bad(c *cell, problem string) error {
	if c.name == "id" || d.run.ID == nil {
		return runs.Failf(runs.Data, "mend it, or leave it out with a filter", "%s of a row %s", c.name, problem)
	}
	return runs.Failf(runs.Data, "mend it, or leave the row out with a filter", "row %s: %s %s", clip(string(d.run.ID)), c.name, problem)
}

func tooLarge(id string, size, limit int64) error {
	return runs.Failf(runs.Data, "allow larger ones with --max-row, or leave it out with a filter", "row %s has %d bytes, more than %d", clip(id), size, limit)
}

// clip keeps what is shown of a value short.
func clip(s string) string {
	if len(s) > 64 {
		return strings.ToValidUTF8(s[:64], "") + "…"
	}
	return s
}

func integer(f form, v []byte) (int64, bool) {
	switch {
	case f == asInt2 && len(v) == 2:
		return int64(int16(binary.BigEndian.Uint16(v))), true
	case f == asInt4 && len(v) == 4:
		return int64(int32(binary.BigEndian.Uint32(v))), true
	case f == asInt8 && len(v) == 8:
		return int64(binary.BigEndian.Uint64(v)), true
	}
	return 0, false
}

// wholeNumber reads numeric and double precision as text: 12, 12.00, 1e+06.
func wholeNumber(s string) (int64, bool) {
	whole, fraction, _ := strings.Cut(s, ".")
	if n, err := strconv.ParseInt(whole, 10, 64); err == nil && strings.Trim(fraction, "0") == "" {
		return n, true
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) >= 1<<53 {
		return 0, false
	}
	return int64(f), true
}

func appendUUID(dst, raw []byte) []byte {
	var text [36]byte
	hex.Encode(text[:8], raw[:4])
	hex.Encode(text[9:13], raw[4:6])
	hex.Encode(text[14:18], raw[6:8])
	hex.Encode(text[19:23], raw[8:10])
	hex.Encode(text[24:], raw[10:])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return append(dst, text[:]...)
}
