package kanon

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"indelible/internal/runs"
)

// A quasi is something of a row that together with others may tell whose it is,
// and how coarse it is made.
type quasi struct {
	text   string // as it was asked for
	name   string // a column
	member string // of metadata; then name is metadata
	how    how
	step   int // of a band, or the length of a prefix
}

type how uint8

const (
	exact how = iota
	year
	month
	day
	prefix
	band
	network
)

// What a generalisation may be called; prefix and band go on with a number.
var hows = map[string]how{"exact": exact, "year": year, "month": month, "day": day, "prefix": prefix, "band": band, "network": network}

const hint = "write FIELD or FIELD:exact, :year, :month, :day, :network, :prefixN, :bandN; FIELD is a column or metadata.NAME"

// Parse reads what makes groups: FIELD or FIELD:GENERALISATION each.
func Parse(texts []string) ([]quasi, error) {
	var all []quasi
	for _, text := range texts {
		q, err := parse(text)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(all, func(o quasi) bool { return o.name == q.name && o.member == q.member }) {
			return nil, runs.Failf(runs.Usage, "name each field once", "--quasi %s: the field stands there twice", text)
		}
		all = append(all, q)
	}
	return all, nil
}

func parse(text string) (quasi, error) {
	field, called, _ := strings.Cut(text, ":")
	q := quasi{text: text, name: field}
	if member, ok := strings.CutPrefix(field, "metadata."); ok {
		q.name, q.member = "metadata", member
	}
	fail := func(format string, args ...any) (quasi, error) {
		return q, runs.Failf(runs.Usage, hint, "--quasi %s: %s", text, fmt.Sprintf(format, args...))
	}
	kind := strings.TrimRight(called, "0123456789")
	h, known := hows[kind]
	if q.how = h; called != "" && !known {
		return fail("no generalisation is called %q", called)
	}
	if number := called[len(kind):]; number != "" || h == prefix || h == band {
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 || n > 1e9 || h != prefix && h != band {
			return fail("no generalisation is called %q", called)
		}
		q.step = n
	}
	fits := true // the generalisation goes with the column
	switch q.name {
	case "workflow_name", "workflow_version", "status":
		fits = h == exact || h == prefix
	case "started_at", "completed_at", "created_at":
		fits = h == exact || h == year || h == month || h == day
	case "duration_ms", "steps_completed", "steps_total":
		fits = h == exact || h == band
	case "", "id", "tenant_id", "error_message":
		return fail("rows are not grouped by it")
	case "metadata":
		if q.member == "" {
			return fail("name a member of metadata")
		}
	}
	if !fits {
		return fail("%q does not go with this column", called)
	}
	return q, nil
}

// time makes a moment coarser: the beginning of its day, month or year.
func (q *quasi) time(t *runs.Time) {
	if t.Valid {
		*t = runs.TimeOf(q.begin(t.UTC()))
	}
}

func (q *quasi) begin(t time.Time) time.Time {
	switch q.how {
	case year:
		return time.Date(t.Year(), 1, 1, 0, 0, 0, 0, time.UTC)
	case month:
		return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
	case day:
		return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
	}
	return t
}

func (q *quasi) int(n *runs.Int) {
	if q.how == band && n.Valid {
		step := int64(q.step)
		if r := n.N % step; r < 0 {
			n.N -= r + step
		} else {
			n.N -= r
		}
	}
}

func (q *quasi) string(s []byte) []byte {
	if q.how == prefix {
		return cut(s, q.step)
	}
	return s
}

// cut is the beginning of a text, n characters of it.
func cut(s []byte, n int) []byte {
	at := 0
	for ; n > 0 && at < len(s); n-- {
		_, size := utf8.DecodeRune(s[at:])
		at += size
	}
	return s[:at]
}

var null = []byte("null")

// json makes a JSON value coarser; null where it cannot be: what is no number
// has no band.
func (q *quasi) json(v []byte) []byte {
	if q.how == exact || bytes.Equal(v, null) {
		return v
	}
	if v[0] != '"' {
		if q.how != band {
			return null
		}
		n, ok := q.floor(string(v))
		if !ok {
			return null
		}
		return []byte(n)
	}
	var s string
	if json.Unmarshal(v, &s) != nil {
		return null
	}
	coarse := ""
	switch q.how {
	case prefix:
		coarse = string(cut([]byte(s), q.step))
	case band:
		coarse, _ = q.floor(s)
	case network:
		coarse = networkOf(s)
	default:
		coarse = q.date(s)
	}
	if coarse == "" && s != "" {
		return null
	}
	text, err := json.Marshal(coarse)
	if err != nil {
		return null
	}
	return text
}

// floor is the lower end of a number's band.
func (q *quasi) floor(s string) (string, bool) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.Abs(f) > 1e15 || f != f {
		return "", false
	}
	return strconv.FormatInt(int64(math.Floor(f/float64(q.step)))*int64(q.step), 10), true
}

// networkOf is the /24 or the /48 of an IP address.
func networkOf(s string) string {
	a, err := netip.ParseAddr(s)
	if err != nil {
		return ""
	}
	a = a.Unmap().WithZone("")
	bits := 48
	if a.Is4() {
		bits = 24
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return ""
	}
	return p.String()
}

// date is the year, the month or the day of a date or a moment as RFC 3339
// writes them.
func (q *quasi) date(s string) string {
	for _, layout := range []string{time.DateOnly, time.RFC3339Nano, time.DateTime} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.Format(map[how]string{year: "2006", month: "2006-01", day: time.DateOnly}[q.how])
		}
	}
	return ""
}
