package postgres

import (
	"slices"
	"strconv"
	"strings"

	"indelible/internal/runs"
)

// Object ids of types, from pg_type.dat.
const (
	typeBytea       = 17
	typeInt8        = 20
	typeInt2        = 21
	typeInt4        = 23
	typeText        = 25
	typeJSON        = 114
	typeFloat4      = 700
	typeFloat8      = 701
	typeBPChar      = 1042
	typeVarchar     = 1043
	typeDate        = 1082
	typeTimestamp   = 1114
	typeTimestampTZ = 1184
	typeNumeric     = 1700
	typeUUID        = 2950
	typeJSONB       = 3802
	typeXID8        = 5069
)

// form is how a value comes over the wire and what is made of it.
type form uint8

const (
	asText     form = iota // bytes as they are
	asUUID                 // 16 bytes, written in the usual form
	asInt2                 // big-endian
	asInt4                 //
	asInt8                 //
	asDecimal              // a number as text
	asMoment               // microseconds since 2000
	asJSON                 // JSON, with white space
	asJSONB                // the same after a version byte
	asJSONText             // text that should be JSON
	asRevision             // xid8
)

// selected is a column of the SELECT list: its expression and the form of its
// values.
type selected struct {
	name string
	expr string
	form form
	// extra columns go to Run.Extra, in order.
	extra bool
}

// selection plans the SELECT list: id and tenant_id first, which are needed
// whether asked for or not, then what was asked for.
func (t *table) selection(columns []string) (list []selected, info []runs.Column, err error) {
	if len(columns) == 0 {
		columns = runs.Columns
	}
	wanted := slices.Concat([]string{"id", "tenant_id"}, runs.Columns[2:])
	for _, name := range wanted {
		asked := slices.Contains(columns, name)
		if !asked && name != "id" && name != "tenant_id" {
			continue
		}
		c, ok := t.column(name)
		if !ok {
			return nil, nil, missing(name)
		}
		s, err := c.standard()
		if err != nil {
			return nil, nil, err
		}
		list = append(list, s)
		if asked {
			info = append(info, c.describe(false))
		}
	}
	for i, name := range columns {
		if slices.Contains(columns[:i], name) {
			return nil, nil, runs.Failf(runs.Usage, "name each column once", "column %s is asked for twice", name)
		}
		if slices.Contains(runs.Columns, name) {
			continue
		}
		c, ok := t.column(name)
		if !ok {
			return nil, nil, missing(name)
		}
		list = append(list, selected{name, "pg_catalog.to_jsonb(" + ident(name) + ")", asJSONB, true})
		info = append(info, c.describe(true))
	}
	if t.stamped {
		list = append(list, selected{revisionColumn, revisionColumn, asRevision, false})
	}
	return list, info, nil
}

// standard is how a column of Run is read, by what it is here.
func (c column) standard() (selected, error) {
	s := selected{name: c.name, expr: ident(c.name)}
	wrong := func(want string) (selected, error) {
		return s, runs.Failf(runs.Schema, "cast it in a generated column, or leave it out with --columns", "column %s is %s, not %s", c.name, c.typ, want)
	}
	switch c.name {
	case "started_at", "completed_at", "created_at":
		switch c.oid {
		case typeTimestampTZ, typeTimestamp:
		case typeDate:
			s.expr += "::timestamp"
		default:
			return wrong("a time")
		}
		s.form = asMoment
	case "duration_ms", "steps_completed", "steps_total":
		switch c.oid {
		case typeInt2:
			s.form = asInt2
		case typeInt4:
			s.form = asInt4
		case typeInt8:
			s.form = asInt8
		case typeNumeric, typeFloat4, typeFloat8:
			s.form, s.expr = asDecimal, s.expr+"::text"
		default:
			return wrong("a number")
		}
	case "metadata":
		switch c.oid {
		case typeJSONB:
			s.form = asJSONB
		case typeJSON:
			s.form = asJSON
		case typeText, typeVarchar, typeBPChar:
			s.form = asJSONText
		default:
			return wrong("jsonb, json or text")
		}
	default:
		switch {
		case c.oid == typeUUID:
			s.form = asUUID
		case c.oid == typeBytea:
			return wrong("text")
		case c.oid != typeText && c.oid != typeVarchar && c.oid != typeBPChar:
			s.expr += "::text"
		}
	}
	return s, nil
}

// statement is a SELECT with its parameters.
type statement struct {
	sql  strings.Builder
	args [][]byte
}

// bind adds a parameter and gives its place.
func (s *statement) bind(value string) string {
	s.args = append(s.args, []byte(value))
	return "$" + strconv.Itoa(len(s.args))
}

// bindList adds an array of texts.
func (s *statement) bindList(values []string) string {
	var b strings.Builder
	for i, v := range values {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('"')
		b.WriteString(strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v))
		b.WriteByte('"')
	}
	return s.bind("{"+b.String()+"}") + "::text[]"
}

func (s *statement) and(condition string) {
	if s.sql.Len() == 0 {
		s.sql.WriteString(" WHERE ")
	} else {
		s.sql.WriteString(" AND ")
	}
	s.sql.WriteString(condition)
}

// filter writes the conditions of a query, all but the range of rows: every
// value is bound.
func (t *table) filter(s *statement, q *runs.Query) error {
	if q.Since.Valid || q.Until.Valid {
		name := q.TimeColumn
		if name == "" {
			name = "created_at"
		}
		c, ok := t.column(name)
		if !ok {
			return missing(name)
		}
		if c.oid != typeTimestampTZ && c.oid != typeTimestamp && c.oid != typeDate {
			return runs.Failf(runs.Usage, "name a column that holds a time with --time-column", "column %s is %s, not a time", name, c.typ)
		}
		if q.Since.Valid {
			s.and(ident(name) + " >= " + s.bind(moment(q.Since)) + c.momentCast())
		}
		if q.Until.Valid {
			s.and(ident(name) + " < " + s.bind(moment(q.Until)) + c.momentCast())
		}
	}
	for _, f := range []struct {
		name   string
		values []string
	}{{"status", q.Statuses}, {"workflow_name", q.Workflows}} {
		if len(f.values) == 0 {
			continue
		}
		if _, ok := t.column(f.name); !ok {
			return missing(f.name)
		}
		s.and(f.name + "::text = ANY (" + s.bindList(f.values) + ")")
	}
	if len(q.Metadata) > 0 {
		c, ok := t.column("metadata")
		if !ok {
			return missing("metadata")
		}
		expr := "metadata"
		if c.oid != typeJSON && c.oid != typeJSONB {
			expr = "metadata::json"
		}
		for _, m := range q.Metadata {
			s.and("(" + expr + " ->> " + s.bind(m.Name) + "::text) = " + s.bind(m.Value) + "::text")
		}
	}
	return nil
}

// moment writes a time as the database reads it, whatever its settings.
func moment(t runs.Time) string { return t.UTC().Format("2006-01-02 15:04:05.999999Z07:00") }

// momentCast keeps a comparison in the column's own type, so that an index on it
// serves. Columns without a zone hold UTC.
func (c column) momentCast() string {
	if c.oid == typeTimestampTZ {
		return "::timestamptz"
	}
	return "::timestamptz AT TIME ZONE 'UTC'"
}
