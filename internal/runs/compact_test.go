package runs

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"
)

// FuzzCompact compares with the standard library.
func FuzzCompact(f *testing.F) {
	for _, s := range []string{
		`{"a": 1, "b": [true, null, "x y"]}`, ` [ ] `, `{}`, `"\u00e9 \\" `, `"a\\\""`, `-0.5e+10`, `01`, `1.`, `{"a":}`, `[1,]`, `nul`, `"` + "\n" + `"`, `"` + "\xff" + `"`,
		`{"a" : {"b" :	[1 ,
2]}}`, `tru`, `"\u12g4"`, ``, ` `, `1 2`, `{"a":1 "b":2}`, `"é漢🚀"`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		got, ok := CompactValid(bytes.Clone(in))
		if want := json.Valid(in) && utf8.Valid(in); ok != want && !deep(in) {
			t.Fatalf("%q is JSON: %v, want %v", in, ok, want)
		}
		if !ok {
			return
		}
		var want bytes.Buffer
		if err := json.Compact(&want, in); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want.Bytes()) {
			t.Fatalf("%q became %q, want %q", in, got, want.Bytes())
		}
		if got := Compact(bytes.Clone(in)); !bytes.Equal(got, want.Bytes()) {
			t.Fatalf("without checks %q became %q, want %q", in, got, want.Bytes())
		}
	})
}

// deep says whether a text is nested deeper than is accepted here.
func deep(b []byte) bool { return bytes.Count(b, []byte("["))+bytes.Count(b, []byte("{")) > maxDepth }

func TestDeepJSON(t *testing.T) {
	t.Parallel()
	nested := func(n int) []byte { return append(bytes.Repeat([]byte("["), n), bytes.Repeat([]byte("]"), n)...) }
	if _, ok := CompactValid(nested(maxDepth)); !ok {
		t.Error("what may be nested is refused")
	}
	if _, ok := CompactValid(nested(maxDepth + 2)); ok {
		t.Error("too deep, and accepted")
	}
}

func BenchmarkCompactValid(b *testing.B) {
	text := []byte(`{"node":"worker-12","pool":"standard","tags":["nightly","pii"],"queue":"default","region":"eu-central","attempt":1,"trigger":"schedule","resources":{"bytes_read":123456789,"cpu_seconds":12.25,"bytes_written":1234567,"memory_peak_mb":420}}`)
	space := make([]byte, len(text))
	for b.Loop() {
		copy(space, text)
		if _, ok := CompactValid(space); !ok {
			b.Fatal("not JSON")
		}
	}
}
