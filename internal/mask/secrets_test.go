package mask

import (
	"strings"
	"testing"
)

// TestSecretRules: every rule finds the shortest value it is for, as a whole,
// and nothing of one that is a character too short or goes on.
func TestSecretRules(t *testing.T) {
	t.Parallel()
	p := Strict()
	if err := p.Compile(); err != nil {
		t.Fatal(err)
	}
	s := NewScanner(p, false)
	found := func(text, rule string) string {
		list, _ := s.Scan([]byte(text))
		for _, f := range list {
			if f.Rule == rule {
				return text[f.Start:f.End]
			}
		}
		return ""
	}
	checked := 0
	for _, r := range secretRules {
		var chars []byte
		for _, c := range "aK7bQ2zX9mT4dF1eC3" + "ghijklnopqrsuvwyABDEGHIJLMNOPRSUVWYZ0568" {
			if r.rest[c] {
				chars = append(chars, byte(c))
			}
		}
		value := func(n int) string {
			b := []byte(r.prefix)
			for i := range n {
				b = append(b, chars[i%len(chars)])
			}
			return string(b)
		}
		if r.check != nil && !r.check([]byte(value(r.min))) {
			continue // its cases are in testdata
		}
		checked++
		if want, got := value(r.min), found("key "+value(r.min)+" was rejected", r.name); got != want {
			t.Errorf("%s: found %q of %q", r.name, got, want)
		}
		if got := found("key "+value(r.min-1)+" was rejected", r.name); got != "" {
			t.Errorf("%s: found %q, which is too short", r.name, got)
		}
		if r.max < unbounded && !strings.Contains(r.prefix, "/") && r.max > r.min-1 {
			if got := found("key "+value(r.max+1)+" was rejected", r.name); got != "" {
				t.Errorf("%s: found %q in what is too long", r.name, got)
			}
		}
	}
	if checked < len(secretRules)-12 {
		t.Errorf("%d rules of %d", checked, len(secretRules))
	}
}
