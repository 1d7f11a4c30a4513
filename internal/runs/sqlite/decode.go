package sqlite

import (
	"database/sql/driver"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"indelible/internal/runs"
)

// decoder makes rows of what SQLite gives. The row is one and the same, filled
// anew.
type decoder struct {
	run    runs.Run
	cells  []cell
	maxRow int64
	size   int64
}

// cell is one value of the SELECT list and where it goes.
type cell struct {
	name     string
	bytes    *[]byte
	time     *runs.Time
	int      *runs.Int
	revision bool
	json     bool   // metadata
	extra    bool   // any value, as JSON
	text     []byte // space for it
}

func newDecoder(names []string, extra map[string]bool, maxRow int64) *decoder {
	d := &decoder{maxRow: maxRow, cells: make([]cell, len(names))}
	r := &d.run
	r.Extra = make([][]byte, len(extra))
	texts := map[string]*[]byte{
		"id": &r.ID, "tenant_id": &r.TenantID, "workflow_name": &r.WorkflowName, "workflow_version": &r.WorkflowVersion,
		"status": &r.Status, "error_message": &r.ErrorMessage, "metadata": &r.Metadata,
	}
	times := map[string]*runs.Time{"started_at": &r.StartedAt, "completed_at": &r.CompletedAt, "created_at": &r.CreatedAt}
	ints := map[string]*runs.Int{"duration_ms": &r.DurationMS, "steps_completed": &r.StepsCompleted, "steps_total": &r.StepsTotal}
	n := 0
	for i, name := range names {
		c := &d.cells[i]
		c.name, c.json = name, name == "metadata"
		if extra[name] {
			c.bytes, c.extra = &r.Extra[n], true
			n++
			continue
		}
		c.bytes, c.time, c.int, c.revision = texts[name], times[name], ints[name], name == revisionColumn
	}
	return d
}

// decode fills the row.
func (d *decoder) decode(values []driver.Value) error {
	d.size = 0
	for i := range d.cells {
		c := &d.cells[i]
		if problem := d.value(c, values[i]); problem != "" {
			return d.bad(c, problem)
		}
	}
	if d.run.ID == nil {
		return runs.Failf(runs.Data, "give it one, or leave it out with a filter", "a row has no id")
	}
	if d.size > d.maxRow {
		return tooLarge(string(d.run.ID), d.size, d.maxRow)
	}
	return nil
}

func (d *decoder) value(c *cell, v driver.Value) (problem string) {
	switch {
	case c.bytes != nil:
		return d.bytes(c, v)
	case c.time != nil:
		*c.time = runs.Time{}
		if v == nil {
			return ""
		}
		micros, ok := momentOf(v)
		if !ok {
			return "is no time known here: " + shown(v)
		}
		*c.time = runs.Time{Micros: micros, Valid: true}
	case c.int != nil:
		*c.int = runs.Int{}
		if v == nil {
			return ""
		}
		n, ok := wholeNumber(v)
		if !ok {
			return "is not a whole number: " + shown(v)
		}
		*c.int = runs.Int{N: n, Valid: true}
	case c.revision:
		n, ok := v.(int64)
		if !ok || n < 0 {
			return "is not a revision: " + shown(v)
		}
		d.run.Revision = uint64(n)
	}
	return ""
}

// bytes decodes a text, metadata, or an extra column.
func (d *decoder) bytes(c *cell, v driver.Value) (problem string) {
	switch v := v.(type) {
	case nil:
		*c.bytes = nil
		return ""
	case string:
		d.size += int64(len(v))
		if !utf8.ValidString(v) {
			return "is not valid UTF-8"
		}
		c.text = append(c.text[:0], v...)
	case []byte:
		d.size += int64(len(v))
		return "is a blob, not text"
	case int64:
		c.text = strconv.AppendInt(c.text[:0], v, 10)
		*c.bytes = c.text
		return ""
	case float64:
		if math.IsInf(v, 0) || math.IsNaN(v) {
			return "is infinity"
		}
		c.text = strconv.AppendFloat(c.text[:0], v, 'g', -1, 64)
		*c.bytes = c.text
		return ""
	default:
		return "is of a type not known here"
	}
	switch {
	case c.extra:
		b, err := json.Marshal(string(c.text))
		if err != nil {
			return "cannot be written as JSON"
		}
		*c.bytes = b
	case c.json:
		b, ok := runs.CompactValid(c.text)
		if !ok {
			return "is not JSON"
		}
		*c.bytes = b
	default:
		*c.bytes = c.text
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

func wholeNumber(v driver.Value) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case float64:
		return int64(v), v == math.Trunc(v) && math.Abs(v) < 1<<53
	case string:
		n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
		return n, err == nil
	}
	return 0, false
}

// shown is a value as an error shows it: short.
func shown(v driver.Value) string {
	switch v := v.(type) {
	case string:
		return strconv.Quote(clip(v))
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case []byte:
		return "a blob"
	}
	return "NULL"
}

// clip keeps what is shown of a value short.
func clip(s string) string {
	if len(s) > 64 {
		return strings.ToValidUTF8(s[:64], "") + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
