package sqlite

import (
	"os"
	"strconv"
	"testing"

	"indelible/internal/runs"
	"indelible/internal/runs/runstest"
)

func number(n int64) string { return strconv.FormatInt(n, 10) }

func write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestBadRows(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, column, value, says string }{
		{"invalid UTF-8", "workflow_name", "CAST(x'66ff' AS TEXT)", "row r7: workflow_name is not valid UTF-8"},
		{"blob", "error_message", "x'00'", "row r7: error_message is a blob"},
		{"no JSON", "metadata", "'{\"a\":'", "row r7: metadata is not JSON"},
		{"metadata in a blob", "metadata", "x'7b7d'", "row r7: metadata is a blob"},
		{"infinite duration", "duration_ms", "9e999", "row r7: duration_ms is not a whole number"},
		{"half a step", "steps_total", "1.5", "row r7: steps_total is not a whole number: 1.5"},
		{"words for a number", "steps_total", "'many'", "row r7: steps_total is not a whole number"},
		{"words for a time", "started_at", "'yesterday'", `row r7: started_at is no time known here: "yesterday"`},
		{"infinity for a time", "started_at", "'infinity'", "row r7: started_at is no time"},
		{"the 30th of February", "started_at", "'2025-02-30'", "row r7: started_at is no time"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			file := newFile(t, 1, 0)
			exec1(t, file, runstest.Row("r7", c.column, c.value))
			_, _, err := runstest.Try(t.Context(), source(t, file), everything)
			runstest.WantError(t, err, runs.Data, c.says)
		})
	}
}

func TestStrangeRows(t *testing.T) {
	t.Parallel()
	file := newFile(t, 1, 0)
	exec1(t, file, runstest.Row("nul", "error_message", "'a' || char(0) || 'b'")+
		runstest.Row("empty", "error_message", "''")+
		runstest.Row("spaced", "metadata", "' { \"a\" : [ 1 , \"x y\" ] , \"b\\\"\" : 1.50 } '")+
		runstest.Row("seconds", "created_at", "1736121600")+
		runstest.Row("millis", "created_at", "1736121600123")+
		runstest.Row("offset", "created_at", "'2025-01-05 14:00:00.25-10:00'")+
		runstest.Row("real", "duration_ms", "12.0")+
		runstest.Row("array", "metadata", "'[]'"))
	got, _ := runstest.Read(t, source(t, file), everything)
	if len(got) != 8 {
		t.Fatalf("%d rows", len(got))
	}
	base := int64(1736121600_000_000)
	checks := map[string]bool{
		"NUL":     string(got[0].ErrorMessage) == "a\x00b",
		"empty":   got[1].ErrorMessage != nil && len(got[1].ErrorMessage) == 0,
		"absent":  got[0].Metadata == nil,
		"spaced":  string(got[2].Metadata) == `{"a":[1,"x y"],"b\"":1.50}`,
		"seconds": got[3].CreatedAt.Micros == base,
		"millis":  got[4].CreatedAt.Micros == base+123_000,
		"offset":  got[5].CreatedAt.Micros == base+250_000,
		"real":    got[6].DurationMS == runs.Int{N: 12, Valid: true},
		"array":   string(got[7].Metadata) == "[]",
	}
	for name, ok := range checks {
		if !ok {
			t.Errorf("%s: wrong in %+v", name, got)
		}
	}
}

func FuzzMoment(f *testing.F) {
	for _, s := range []string{"2025-01-06T10:00:00.123456789+02:00", "2025-01-06 10:00", "2025-01-06", "0001-01-01T00:00:00+23:59", "9999-12-31 23:59:59.9 UTC", "2025-01-06T10:00:00 +0200"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if micros, ok := parseMoment(s); ok && !runs.Representable(micros) {
			t.Errorf("%q is %d", s, micros)
		}
	})
}
