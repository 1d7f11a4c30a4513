package main

import (
	"bytes"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"indelible"
)

// alignAhead is how many lines are looked at together to align their columns.
const alignAhead = 256

// eventTable writes events a line each, in columns, which only ever grow.
type eventTable struct {
	w       io.Writer
	widths  [6]int
	rows    [][6]string
	indexes []string
}

func (t *eventTable) add(e *indelible.Event, index uint64) error {
	t.rows, t.indexes = append(t.rows, columns(e)), append(t.indexes, strconv.FormatUint(index, 10))
	if len(t.rows) < alignAhead {
		return nil
	}
	return t.flush()
}

func columns(e *indelible.Event) [6]string {
	resource := e.ResourceType
	if e.ResourceID != "" {
		resource += "/" + e.ResourceID
	}
	return [6]string{
		e.Timestamp.UTC().Format("2006-01-02T15:04:05.000Z07:00"), field(e.TenantID), field(e.UserID),
		field(e.Action), field(resource), field(e.Outcome),
	}
}

// flush writes the lines that were added.
func (t *eventTable) flush() error {
	for _, row := range t.rows {
		for i, s := range row {
			t.widths[i] = max(t.widths[i], utf8.RuneCountInString(s))
		}
	}
	var b bytes.Buffer
	for i, row := range t.rows {
		for k, s := range row {
			b.WriteString(s)
			b.WriteString(strings.Repeat(" ", t.widths[k]-utf8.RuneCountInString(s)+2))
		}
		b.WriteString(t.indexes[i])
		b.WriteByte('\n')
	}
	t.rows, t.indexes = t.rows[:0], t.indexes[:0]
	_, err := b.WriteTo(t.w)
	return err
}
