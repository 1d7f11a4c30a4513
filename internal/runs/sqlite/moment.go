package sqlite

import (
	"database/sql/driver"
	"strconv"
	"time"

	"modernc.org/sqlite"

	"indelible/internal/runs"
)

// function compares times by their moment, never by their text: offsets differ.
// It gives microseconds, NULL for what is no time.
const function = "indelible_micros"

func init() {
	err := sqlite.RegisterDeterministicScalarFunction(function, 1, func(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
		if micros, ok := momentOf(args[0]); ok {
			return micros, nil
		}
		return nil, nil
	})
	if err != nil {
		panic(err) // two functions of one name
	}
}

// momentOf reads a time in microseconds: RFC 3339 text or SQLite's own form of
// it (no zone is UTC), or a number of seconds, milliseconds or microseconds since
// 1970, told apart by their size.
func momentOf(v driver.Value) (micros int64, ok bool) {
	switch v := v.(type) {
	case string:
		if micros, ok := parseMoment(v); ok {
			return micros, true
		}
		// A column declared as text makes text of numbers. Shorter ones may be days,
		// as 20250106.
		if n, err := strconv.ParseInt(v, 10, 64); err == nil && len(v) >= 9 {
			return momentOf(n)
		}
	case int64:
		switch {
		case v > -100_000_000_000 && v < 100_000_000_000: // to the year 5138
			micros = v * 1_000_000
		case v > -100_000_000_000_000 && v < 100_000_000_000_000:
			micros = v * 1000
		default:
			micros = v
		}
		return micros, runs.Representable(micros)
	case float64: // seconds
		if v > -1e11 && v < 1e11 {
			micros = int64(v * 1e6)
			return micros, runs.Representable(micros)
		}
	}
	return 0, false
}

// parseMoment reads 2025-01-06T10:00:00.123456+02:00, with T or a space, with or
// without seconds, a fraction and a zone; or a day.
func parseMoment(s string) (int64, bool) {
	if len(s) < 10 || s[4] != '-' || s[7] != '-' {
		return 0, false
	}
	year, ok1 := digits(s[:4])
	month, ok2 := digits(s[5:7])
	day, ok3 := digits(s[8:10])
	if !ok1 || !ok2 || !ok3 || year < 1 || month < 1 || month > 12 || day < 1 || day > 31 {
		return 0, false
	}
	if day > 28 && time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC).Day() != day {
		return 0, false // the 30th of February
	}
	micros := daysSince1970(year, month, day) * 86_400_000_000
	rest := s[10:]
	if rest == "" {
		return micros, true
	}
	clock, rest, ok := parseClock(rest)
	if !ok {
		return 0, false
	}
	offset, ok := parseOffset(rest)
	micros += clock - offset
	return micros, ok && runs.Representable(micros)
}

// daysSince1970 counts in the Gregorian calendar, years beginning in March so
// that the leap day is the last of one.
func daysSince1970(year, month, day int) int64 {
	if month < 3 {
		year, month = year-1, month+12
	}
	return int64(365*year + year/4 - year/100 + year/400 + (153*(month-3)+2)/5 + day - 1 - 719_468)
}

// parseClock reads T10:00, T10:00:00 or T10:00:00.123456.
func parseClock(s string) (micros int64, rest string, ok bool) {
	if len(s) < 6 || s[0] != 'T' && s[0] != 't' && s[0] != ' ' || s[3] != ':' {
		return 0, "", false
	}
	hour, ok1 := digits(s[1:3])
	minute, ok2 := digits(s[4:6])
	if !ok1 || !ok2 || hour > 23 || minute > 59 {
		return 0, "", false
	}
	micros = int64(hour)*3_600_000_000 + int64(minute)*60_000_000
	s = s[6:]
	if len(s) < 3 || s[0] != ':' {
		return micros, s, true
	}
	second, ok := digits(s[1:3])
	if !ok || second > 59 {
		return 0, "", false
	}
	micros += int64(second) * 1_000_000
	s = s[3:]
	if len(s) < 2 || s[0] != '.' {
		return micros, s, true
	}
	unit := int64(100_000)
	i := 1
	for ; i < len(s) && s[i] >= '0' && s[i] <= '9'; i++ {
		micros += int64(s[i]-'0') * unit // what is finer than a microsecond is dropped
		unit /= 10
	}
	return micros, s[i:], i > 1
}

// parseOffset reads Z, +02:00, +0200, +02, or nothing, with a space before it as
// databases write it.
func parseOffset(s string) (micros int64, ok bool) {
	if len(s) > 1 && s[0] == ' ' {
		s = s[1:]
	}
	if s == "" || s == "Z" || s == "z" || s == "UTC" {
		return 0, true
	}
	sign := int64(1)
	switch s[0] {
	case '+':
	case '-':
		sign = -1
	default:
		return 0, false
	}
	s = s[1:]
	if len(s) == 5 && s[2] == ':' {
		s = s[:2] + s[3:]
	}
	if len(s) == 2 {
		s += "00"
	}
	if len(s) != 4 {
		return 0, false
	}
	hour, ok1 := digits(s[:2])
	minute, ok2 := digits(s[2:])
	return sign * (int64(hour)*3_600_000_000 + int64(minute)*60_000_000), ok1 && ok2 && hour < 24 && minute < 60
}

func digits(s string) (n int, ok bool) {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, true
}
