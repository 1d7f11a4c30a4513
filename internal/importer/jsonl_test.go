package importer

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

const line = `{"timestamp":"2024-10-25T14:03:11Z","event_type":"t","tenant_id":"acme","resource_type":"r","action":"a","outcome":"o","details":{"b":1,"a":2}}`

func sha256Hex(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func TestJSONL(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", MaxRecord+1)
	for name, tt := range map[string]struct {
		file    string
		events  []int64
		refused map[int64]string
	}{
		"nothing":            {"", nil, nil},
		"blank":              {"\n\r\n \t\n", nil, nil},
		"no last line feed":  {line + "\n" + line, []int64{1, 2}, nil},
		"blank lines count":  {"\n" + line + "\r\n\r\n  " + line + "  \n", []int64{2, 4}, nil},
		"byte order mark":    {"\ufeff" + line, []int64{1}, nil},
		"mark further on":    {line + "\n\ufeff" + line, []int64{1}, map[int64]string{2: "not valid JSON"}},
		"refused":            {"{}\n" + line + "\n[1]\nx", []int64{2}, map[int64]string{1: "timestamp: required", 3: "an event", 4: "not valid"}},
		"two in a line":      {line + line + "\n" + line, []int64{2}, map[int64]string{1: "the end of the input"}},
		"strict numbers":     {strings.Replace(line, `"b":1`, `"b":9007199254740993`, 1), nil, map[int64]string{1: "details.b: the number"}},
		"over-long":          {line + "\n" + long + "\n" + line, []int64{1, 3}, map[int64]string{2: "4194304 bytes"}},
		"over-long at end":   {line + "\n" + long, []int64{1}, map[int64]string{2: "4194304 bytes"}},
		"many times limit":   {strings.Repeat(long, 5) + "\n" + line, []int64{2}, map[int64]string{1: "4194304 bytes"}},
		"longest":            {long[1:] + "\n" + line, []int64{2}, map[int64]string{1: "not valid JSON"}},
		"longest, then over": {long[1:] + "\n" + long + "\n", nil, map[int64]string{1: "not valid JSON", 2: "4194304 bytes"}},
	} {
		for how, r := range map[string]io.Reader{
			"whole":  strings.NewReader(tt.file),
			"halves": iotest.HalfReader(strings.NewReader(tt.file)),
			"eof":    iotest.DataErrReader(strings.NewReader(tt.file)),
		} {
			events, refused := outcomes(t, JSONL(r))
			var numbers []int64
			for _, rec := range events {
				numbers = append(numbers, rec.Number)
				if string(rec.Raw) != line {
					t.Errorf("%s, %s: line %d is %s", name, how, rec.Number, rec.Raw)
				}
			}
			if !slices.Equal(numbers, tt.events) || len(refused) != len(tt.refused) {
				t.Errorf("%s, %s: events %v, refused %v", name, how, numbers, refused)
			}
			for n, want := range tt.refused {
				if !strings.Contains(refused[n], want) {
					t.Errorf("%s, %s: line %d: %q, want %q", name, how, n, refused[n], want)
				}
			}
		}
	}
}

func TestKeptRaw(t *testing.T) {
	t.Parallel()
	long := `{"a":"` + strings.Repeat("x", 3*MaxRecord)
	for name, records := range map[string]func(func(Record, error) bool){
		"jsonl":      JSONL(strings.NewReader(long)),
		"legacy":     Legacy(strings.NewReader(long), false),
		"cloudtrail": CloudTrail(strings.NewReader("[" + long)),
	} {
		seen := 0
		for rec := range records {
			if seen++; seen == 1 && (len(rec.Raw) != KeptRaw || string(rec.Raw) != long[:KeptRaw]) {
				t.Errorf("%s: %d bytes", name, len(rec.Raw))
			}
		}
		if seen == 0 {
			t.Errorf("%s: nothing", name)
		}
	}
}
