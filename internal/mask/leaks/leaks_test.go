package leaks_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"indelible/internal/mask"
	"indelible/internal/mask/leaks"
)

const example = `
title = "example"
[[rules]]
id = "acme-token"
description = "ACME"
regex = '''(?i)\b(acme_[a-z0-9]{8})(?:['"\s]|$)'''
entropy = 2
keywords = ["acme_"]
[[rules.allowlists]]
regexes = ["acme_00000000"]
[[rules]]
id = "path-only"
path = '''\.p12$'''
[[rules]]
id = "whole"
regex = '''zz-[()]{3}(?:[0-9]+)'''
[[rules]]
id = "second"
regex = '''(key)=([a-z]+)'''
secretGroup = 2
`

func TestRead(t *testing.T) {
	t.Parallel()
	rules, err := leaks.Read([]byte(example))
	if err != nil {
		t.Fatal(err)
	}
	want := []mask.Rule{
		{ID: "acme-token", Type: mask.Secret, Pattern: `(?i)\b(acme_[a-z0-9]{8})(?:['"\s]|$)`, Group: 1, Words: []string{"acme_"}, Entropy: 2},
		{ID: "whole", Type: mask.Secret, Pattern: `zz-[()]{3}(?:[0-9]+)`},
		{ID: "second", Type: mask.Secret, Pattern: `(key)=([a-z]+)`, Group: 2},
	}
	if d := cmp.Diff(want, rules); d != "" {
		t.Fatal(d)
	}
	p := &mask.Policy{Rules: rules}
	if err := p.Compile(); err != nil {
		t.Fatal(err)
	}
	m, err := mask.New(p, mask.Options{Redact: true})
	if err != nil {
		t.Fatal(err)
	}
	got, left := m.Record(nil, []byte(`{"m":"acme_k3j9x2w1 acme_aaaaaaaa zz-(()12 key=abc"}`), true)
	if string(got) != `{"m":"[SECRET] acme_aaaaaaaa [SECRET] key=[SECRET]"}` || len(left) > 0 {
		t.Errorf("%s, left %v", got, left)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"no toml": "=", "no rules": "title = 'x'", "no regex": "[[rules]]\nid='x'\npath='y'", "too long": strings.Repeat("#\n", 3<<20)} {
		if _, err := leaks.Read([]byte(text)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(example))
	f.Fuzz(func(t *testing.T, text []byte) {
		rules, err := leaks.Read(text)
		if err == nil {
			_ = (&mask.Policy{Rules: rules}).Compile()
		}
	})
}
