package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"indelible"
	"indelible/internal/ledger"
)

// Every member that is printed is described in docs/cli-json.md.
func TestJSONIsDescribed(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "cli-json.md"))
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[reflect.Type]bool)
	n := 0
	var walk func(reflect.Type)
	walk = func(typ reflect.Type) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || seen[typ] {
			return
		}
		seen[typ] = true
		for f := range typ.Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name != "" {
				n++
				if !strings.Contains(string(text), "`"+name+"`") {
					t.Errorf("%s: member %s is not described", typ, name)
				}
			}
			walk(f.Type)
		}
	}
	for _, v := range []any{
		indelible.Receipt{}, reject{}, ledger.Report{}, entry{}, indelible.Evidence{}, indelible.Completeness{}, checked{},
	} {
		walk(reflect.TypeOf(v))
	}
	if n < 80 {
		t.Errorf("saw %d members", n)
	}
}
