package sqlite

import (
	"database/sql/driver"
	"slices"
	"strings"

	"indelible/internal/runs"
)

// statement is a SELECT's conditions with their parameters.
type statement struct {
	sql  strings.Builder
	args []driver.NamedValue
}

func (s *statement) and(condition string, args ...any) {
	if s.sql.Len() == 0 {
		s.sql.WriteString(" WHERE ")
	} else {
		s.sql.WriteString(" AND ")
	}
	s.sql.WriteString(condition)
	for _, a := range args {
		s.args = append(s.args, driver.NamedValue{Ordinal: len(s.args) + 1, Value: a})
	}
}

func (s *statement) anyOf(expr string, values []string) {
	args := make([]any, len(values))
	for i, v := range values {
		args[i] = v
	}
	s.and(expr+" IN ("+strings.TrimSuffix(strings.Repeat("?, ", len(values)), ", ")+")", args...)
}

// filter writes the conditions of a query, all but the range of rows.
func (t *table) filter(s *statement, q *runs.Query, tenant string) error {
	if tenant != "" {
		s.and("CAST(tenant_id AS TEXT) = ?", tenant)
	}
	if q.Since.Valid || q.Until.Valid {
		name := q.TimeColumn
		if name == "" {
			name = "created_at"
		}
		if _, ok := t.column(name); !ok {
			return missing(name)
		}
		// What is no time is not passed over in silence: it is read, and refused.
		at := function + "(" + quote(name) + ")"
		none := " OR (" + at + " IS NULL AND " + quote(name) + " IS NOT NULL))"
		if q.Since.Valid {
			s.and("("+at+" >= ?"+none, q.Since.Micros)
		}
		if q.Until.Valid {
			s.and("("+at+" < ?"+none, q.Until.Micros)
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
		s.anyOf(f.name, f.values)
	}
	for _, m := range q.Metadata {
		if _, ok := t.column("metadata"); !ok {
			return missing("metadata")
		}
		s.and("EXISTS (SELECT 1 FROM json_each(CASE WHEN json_valid(metadata) THEN metadata END) m WHERE m.key = ? AND CASE m.type WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE CAST(m.value AS TEXT) END = ?)", m.Name, m.Value)
	}
	return nil
}

// selection plans the SELECT list: id and tenant_id first, which are needed
// whether asked for or not. The names are as Run has them; extra ones come after.
func (t *table) selection(columns []string) (names []string, extra map[string]bool, info []runs.Column, err error) {
	if len(columns) == 0 {
		columns = runs.Columns
	}
	extra = make(map[string]bool)
	for _, name := range runs.Columns {
		asked := slices.Contains(columns, name)
		if !asked && name != "id" && name != "tenant_id" {
			continue
		}
		c, ok := t.column(name)
		if !ok {
			return nil, nil, nil, missing(name)
		}
		names = append(names, name)
		if asked {
			info = append(info, runs.Column{Name: name, Type: c.typ, Nullable: c.nullable})
		}
	}
	for i, name := range columns {
		if slices.Contains(columns[:i], name) {
			return nil, nil, nil, runs.Failf(runs.Usage, "name each column once", "column %s is asked for twice", name)
		}
		if slices.Contains(runs.Columns, name) {
			continue
		}
		c, ok := t.column(name)
		if !ok {
			return nil, nil, nil, missing(name)
		}
		names, extra[name] = append(names, name), true
		info = append(info, runs.Column{Name: name, Type: c.typ, Nullable: c.nullable, Extra: true})
	}
	if t.stamped {
		names = append(names, revisionColumn)
	}
	return names, extra, info, nil
}
