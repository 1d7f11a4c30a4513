package indelible

import (
	"strings"
	"testing"
	"time"
)

func TestTimestamp(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"2024-10-25T14:03:11Z":                "2024-10-25T14:03:11Z",
		"2024-10-25t14:03:11z":                "2024-10-25T14:03:11Z",
		"2024-10-25T14:03:11.250000+00:00":    "2024-10-25T14:03:11.25Z",
		"2024-10-25T14:03:11.000000000Z":      "2024-10-25T14:03:11Z",
		"2024-10-25T14:03:11.000000001Z":      "2024-10-25T14:03:11.000000001Z",
		"2024-10-25T14:03:11.1Z":              "2024-10-25T14:03:11.1Z",
		"2024-10-25T14:03:11.010Z":            "2024-10-25T14:03:11.01Z",
		"2024-10-25T00:30:00+02:00":           "2024-10-24T22:30:00Z",
		"2024-12-31T23:59:59.999999999-05:30": "2025-01-01T05:29:59.999999999Z",
		"2024-10-25T14:03:11-00:00":           "2024-10-25T14:03:11Z",
		"2024-02-29T00:00:00+23:59":           "2024-02-28T00:01:00Z",
		"2000-02-29T12:00:00Z":                "2000-02-29T12:00:00Z",
		"0001-01-01T00:00:00Z":                "0001-01-01T00:00:00Z",
		"0000-12-31T23:59:59-00:01":           "0001-01-01T00:00:59Z",
		"9999-12-31T23:59:59.999999999Z":      "9999-12-31T23:59:59.999999999Z",
	} {
		got, err := parseTimestamp(in)
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if s := string(appendTimestamp(nil, got)); s != want {
			t.Errorf("%s: got %s, want %s", in, s, want)
		}
		if std, err := time.Parse(time.RFC3339Nano, strings.ToUpper(in)); err != nil || !std.Equal(got) || got.Location() != time.UTC {
			t.Errorf("%s: got %s, time.Parse says %s", in, got, std)
		}
	}
}

func TestTimestampRefuses(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"yesterday":                       "not an RFC 3339 timestamp",
		"2024-10-25":                      "not an RFC 3339 timestamp",
		"2024-10-25T14:03:11":             "not an RFC 3339 timestamp",
		"2024-10-25 14:03:11Z":            "not an RFC 3339 timestamp",
		"2024-10-25T14:03Z":               "not an RFC 3339 timestamp",
		"2024-10-25T14:03:11,5Z":          "not an RFC 3339 timestamp",
		"2024-10-25T14:03:11.Z":           "not an RFC 3339 timestamp",
		"2024-10-25T14:03:11.5":           "not an RFC 3339 timestamp",
		"2024-10-25T14:03:11+0200":        "not an RFC 3339 timestamp",
		"2024-10-25T14:03:11+02":          "not an RFC 3339 timestamp",
		"2024-10-25T14:03:11+24:00":       "not an RFC 3339 timestamp",
		"2024-10-25T14:03:11+02:60":       "not an RFC 3339 timestamp",
		"2024-10-25T14:03:11ZZ":           "not an RFC 3339 timestamp",
		"24-10-25T14:03:11.123456789Z":    "not an RFC 3339 timestamp",
		"2024-1a-25T14:03:11Z":            "not an RFC 3339 timestamp",
		"2024-10-25T1:03:11.00Z":          "not an RFC 3339 timestamp",
		"+2024-10-25T14:03:11Z":           "not an RFC 3339 timestamp",
		"2024-10-25T14:03:11.1234567890Z": "more than 9 fraction digits",
		"2024-10-25T14:03:60Z":            "second 60",
		"2024-10-25T14:03:61Z":            "no such date",
		"2024-10-25T14:60:11Z":            "no such date",
		"2024-10-25T24:00:00Z":            "no such date",
		"2024-13-25T14:03:11Z":            "no such date",
		"2024-00-25T14:03:11Z":            "no such date",
		"2024-10-00T14:03:11Z":            "no such date",
		"2024-04-31T14:03:11Z":            "no such date",
		"2023-02-29T14:03:11Z":            "no such date",
		"1900-02-29T14:03:11Z":            "no such date",
		"0000-12-31T23:59:59Z":            "not between 0001 and 9999",
		"0001-01-01T00:00:00+00:01":       "not between 0001 and 9999",
		"9999-12-31T23:59:59-00:01":       "not between 0001 and 9999",
	} {
		got, err := parseTimestamp([]byte(in))
		if err == nil {
			t.Errorf("%s became %s", in, got)
		} else if err.Field != "timestamp" || !strings.Contains(err.Problem, want) {
			t.Errorf("%s: got %q, want %q", in, err, want)
		}
	}
}
