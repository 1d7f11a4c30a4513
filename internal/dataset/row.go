package dataset

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"indelible/internal/runs"
)

// RowSchema is the version of the row's form, _export_version of each row.
const RowSchema = 1

// A rowEncoder writes rows as lines of JSON: the columns in the order of
// Info.Columns, `_revision` where the source has revisions, `_export_timestamp`
// and `_export_version`. A column that is NULL is null. One encoder serves one
// goroutine.
type rowEncoder struct {
	columns  []encodedColumn
	revision bool
	suffix   []byte // from after the content to the end of the line
	clock    clock
}

// An encodedColumn is a column with its name as it stands in a line.
type encodedColumn struct {
	name string
	head []byte // `,"name":`
	kind columnKind
	at   int // of an extra column: its index
}

type columnKind uint8

const (
	colID columnKind = iota
	colTenant
	colName
	colVersion
	colStatus
	colStarted
	colCompleted
	colDuration
	colStepsCompleted
	colStepsTotal
	colError
	colMetadata
	colCreated
	colExtra
)

// contentEnd ends a line of content: what stands there without _export_*.
const contentEnd = "}\n"

func newRowEncoder(columns []runs.Column, revision bool, exported time.Time) (*rowEncoder, error) {
	e := &rowEncoder{revision: revision}
	extra := 0
	for _, c := range columns {
		name, err := appendString(nil, []byte(c.Name))
		if err != nil {
			return nil, fmt.Errorf("name of a column: %w", err)
		}
		col := encodedColumn{name: c.Name, head: append(append([]byte{','}, name...), ':'), kind: colExtra, at: extra}
		if c.Extra {
			extra++
		} else if i := index(runs.Columns, c.Name); i >= 0 {
			col.kind = columnKind(i)
		} else {
			return nil, fmt.Errorf("column %q is neither one of workflow_runs nor an extra one", c.Name)
		}
		e.columns = append(e.columns, col)
	}
	if len(e.columns) == 0 {
		return nil, errors.New("no column to export")
	}
	e.columns[0].head[0] = '{'
	e.suffix = exportSuffix(exported)
	return e, nil
}

// exportSuffix ends every line of an export.
func exportSuffix(exported time.Time) []byte {
	var c clock
	b := c.append([]byte(`,"_export_timestamp":"`), exported.UnixMicro())
	return fmt.Appendf(b, `","_export_version":%d}`+"\n", RowSchema)
}

func index(list []string, s string) int {
	for i, v := range list {
		if v == s {
			return i
		}
	}
	return -1
}

// appendContent appends a row without the end of its line.
func (e *rowEncoder) appendContent(dst []byte, r *runs.Run) ([]byte, error) {
	for i := range e.columns {
		c := &e.columns[i]
		dst = append(dst, c.head...)
		var err error
		switch c.kind {
		case colID:
			dst, err = appendText(dst, r.ID)
		case colTenant:
			dst, err = appendText(dst, r.TenantID)
		case colName:
			dst, err = appendText(dst, r.WorkflowName)
		case colVersion:
			dst, err = appendText(dst, r.WorkflowVersion)
		case colStatus:
			dst, err = appendText(dst, r.Status)
		case colStarted:
			dst = e.appendTime(dst, r.StartedAt)
		case colCompleted:
			dst = e.appendTime(dst, r.CompletedAt)
		case colDuration:
			dst = appendNumber(dst, r.DurationMS)
		case colStepsCompleted:
			dst = appendNumber(dst, r.StepsCompleted)
		case colStepsTotal:
			dst = appendNumber(dst, r.StepsTotal)
		case colError:
			dst, err = appendText(dst, r.ErrorMessage)
		case colMetadata:
			dst = appendJSON(dst, r.Metadata)
		case colCreated:
			dst = e.appendTime(dst, r.CreatedAt)
		default:
			dst = appendJSON(dst, r.Extra[c.at])
		}
		if err != nil {
			return dst, fmt.Errorf("row %s: column %s: %w", rowName(r), c.name, err)
		}
	}
	if e.revision {
		dst = append(dst, `,"_revision":"`...)
		dst = strconv.AppendUint(dst, r.Revision, 10)
		dst = append(dst, '"')
	}
	return dst, nil
}

// rowName is a row's id as an error may show it.
func rowName(r *runs.Run) string { return strconv.QuoteToASCII(string(r.ID[:min(len(r.ID), 64)])) }

func appendText(dst, s []byte) ([]byte, error) {
	if s == nil {
		return append(dst, "null"...), nil
	}
	return appendString(dst, s)
}

func appendJSON(dst, s []byte) []byte {
	if s == nil {
		return append(dst, "null"...)
	}
	return append(dst, s...)
}

func (e *rowEncoder) appendTime(dst []byte, t runs.Time) []byte {
	if !t.Valid {
		return append(dst, "null"...)
	}
	dst = append(dst, '"')
	dst = e.clock.append(dst, t.Micros)
	return append(dst, '"')
}

func appendNumber(dst []byte, n runs.Int) []byte {
	if !n.Valid {
		return append(dst, "null"...)
	}
	return appendInt(dst, n.N)
}

// member finds a member of a line that rowEncoder wrote: its value as JSON.
// Other members before it are skipped without looking into them.
func member(line []byte, name string) (json.RawMessage, bool) {
	d := json.NewDecoder(bytes.NewReader(line))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, false
	}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, false
		}
		var v json.RawMessage
		if d.Decode(&v) != nil {
			return nil, false
		}
		if t == name {
			return v, true
		}
	}
	return nil, false
}
