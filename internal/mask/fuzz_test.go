package mask_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"unicode/utf8"

	"indelible/internal/mask"
)

// seeds are the cases of the recognisers.
func seeds(f *testing.F) {
	names, err := filepath.Glob("testdata/recognise/*.txt")
	if err != nil || len(names) == 0 {
		f.Fatal("no seeds: ", err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for line := range bytes.SplitSeq(text, []byte("\n")) {
			f.Add(line)
		}
	}
}

// FuzzScan: findings lie in the text, in order, beside each other.
func FuzzScan(f *testing.F) {
	seeds(f)
	p := compiled(f, &mask.Policy{Packs: mask.Packs()})
	f.Fuzz(func(t *testing.T, text []byte) {
		s := mask.NewScanner(p, true)
		before := bytes.Clone(text)
		found, notes := s.Scan(text)
		for _, list := range [][]mask.Finding{found, notes} {
			at := 0
			for _, x := range list {
				if x.Start < at || x.End <= x.Start || x.End > len(text) {
					t.Fatalf("%+v of %d bytes, behind %d", x, len(text), at)
				}
				at = x.End
			}
		}
		if !bytes.Equal(before, text) {
			t.Fatal("the text was changed")
		}
	})
}

// FuzzLine: what was JSON is JSON, what was UTF-8 is UTF-8, nothing that is
// masked is found again, and a second time changes nothing.
func FuzzLine(f *testing.F) {
	seeds(f)
	f.Add([]byte(`{"id":"x","a":[{"password":1},"{\"email\":\"b\"}"],"bob@example.com":null}`))
	f.Add([]byte(`{"a":"\ud83d\ude00 \ud800 \u0040 \" b@c.de"}`))
	f.Add([]byte(`{"user_id":"ann","m":"5th of May 2024, 2024-02-29T10:00:00Z, 1/2/24 and Monday","dob":19800309}`))
	p := compiled(f, mask.Strict())
	f.Fuzz(func(t *testing.T, line []byte) {
		redacting, err := mask.New(p, mask.Options{Redact: true, Report: true})
		if err != nil {
			t.Fatal(err)
		}
		fuzzLine(t, redacting, line)
		fuzzLine(t, shifting(t, mask.Strict(), 1, mask.Options{}), line)
	})
}

func fuzzLine(t *testing.T, m *mask.Masker, line []byte) {
	out, left := m.Record(nil, line, true)
	if len(left) > 0 {
		t.Fatalf("%q became %q: still %v", line, out, left)
	}
	if json.Valid(line) && !json.Valid(out) {
		t.Fatalf("%q became %q", line, out)
	}
	if utf8.Valid(line) && !utf8.Valid(out) {
		t.Fatalf("%q became %q", line, out)
	}
	if bytes.Count(line, []byte("\n")) != bytes.Count(out, []byte("\n")) && json.Valid(line) {
		t.Fatalf("%q became %q: lines were lost", line, out)
	}
}
