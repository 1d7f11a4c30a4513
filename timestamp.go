package indelible

import "time"

const timestampHint = "write it as 2024-10-25T14:03:11.25Z or 2024-10-25T16:03:11+02:00"

// ParseTimestamp reads a timestamp as ParseEvent does: RFC 3339 with at most
// nine fraction digits. The result is in UTC, the error a *FieldError.
func ParseTimestamp(s string) (time.Time, error) {
	t, err := parseTimestamp(s)
	if err != nil {
		return time.Time{}, err
	}
	return t, nil
}

// parseTimestamp reads an RFC 3339 timestamp. It is stricter than time.Parse:
// no comma, no hour of one digit, no leap second (time.Time cannot hold one),
// and no digits beyond the nanosecond, which would be lost in silence.
func parseTimestamp[T string | []byte](s T) (time.Time, *FieldError) {
	bad := func(problem string) (time.Time, *FieldError) {
		return time.Time{}, &FieldError{"timestamp", problem, timestampHint}
	}
	notRFC3339 := func() (time.Time, *FieldError) {
		return bad("\"" + shorten(string(s[:min(len(s), 2*shownLength)])) + "\" is not an RFC 3339 timestamp")
	}
	if len(s) < len("2006-01-02T15:04:05Z") ||
		s[4] != '-' || s[7] != '-' || s[10] != 'T' && s[10] != 't' || s[13] != ':' || s[16] != ':' {
		return notRFC3339()
	}
	year := twoDigits(s, 0)*100 + twoDigits(s, 2)
	month, day := twoDigits(s, 5), twoDigits(s, 8)
	hour, minute, second := twoDigits(s, 11), twoDigits(s, 14), twoDigits(s, 17)
	if twoDigits(s, 0)|twoDigits(s, 2)|month|day|hour|minute|second < 0 {
		return notRFC3339()
	}
	if second == 60 {
		return bad("second 60 (a leap second) cannot be recorded")
	}
	if month < 1 || month > 12 || day < 1 || day > daysIn(year, month) || hour > 23 || minute > 59 || second > 59 {
		return bad("no such date or time of day")
	}

	i, nanos := 19, 0
	if s[i] == '.' {
		scale := 1_000_000_000
		for i++; i < len(s) && s[i]-'0' <= 9; i++ {
			if scale == 1 {
				return bad("more than 9 fraction digits")
			}
			scale /= 10
			nanos += int(s[i]-'0') * scale
		}
		if scale == 1_000_000_000 {
			return notRFC3339()
		}
	}

	offset := 0
	switch rest := s[i:]; {
	case len(rest) == 1 && (rest[0] == 'Z' || rest[0] == 'z'):
	case len(rest) == 6 && (rest[0] == '+' || rest[0] == '-') && rest[3] == ':':
		h, m := twoDigits(rest, 1), twoDigits(rest, 4)
		if h|m < 0 || h > 23 || m > 59 {
			return notRFC3339()
		}
		offset = (h*60 + m) * 60
		if rest[0] == '-' {
			offset = -offset
		}
	default:
		return notRFC3339()
	}

	t := time.Date(year, time.Month(month), day, hour, minute, second-offset, nanos, time.UTC)
	if err := checkYear(t); err != nil {
		return time.Time{}, err
	}
	return t, nil
}

func checkYear(t time.Time) *FieldError {
	if y := t.Year(); y < 1 || y > 9999 {
		return &FieldError{"timestamp", "the year in UTC is not between 0001 and 9999", ""}
	}
	return nil
}

// twoDigits returns the number s[i:i+2], or a negative one if that is none.
func twoDigits[T string | []byte](s T, i int) int {
	a, b := s[i]-'0', s[i+1]-'0'
	if a > 9 || b > 9 {
		return -1
	}
	return int(a)*10 + int(b)
}

func daysIn(year, month int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// appendTimestamp appends the canonical form: UTC, "Z", a fraction of at most
// nine digits without trailing zeros, none at all when it is zero.
func appendTimestamp(dst []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	two := func(dst []byte, v int) []byte { return append(dst, byte('0'+v/10), byte('0'+v%10)) }
	dst = two(two(dst, year/100), year%100)
	dst = two(append(dst, '-'), int(month))
	dst = two(append(dst, '-'), day)
	dst = two(append(dst, 'T'), hour)
	dst = two(append(dst, ':'), minute)
	dst = two(append(dst, ':'), second)
	if n := t.Nanosecond(); n != 0 {
		digits := 9
		for n%10 == 0 {
			n /= 10
			digits--
		}
		dst = append(dst, ".000000000"[:1+digits]...)
		for i := len(dst) - 1; n > 0; i-- {
			dst[i] = byte('0' + n%10)
			n /= 10
		}
	}
	return append(dst, 'Z')
}
