package seal

import (
	"path/filepath"
	"testing"

	"indelible"
)

func TestSuppress(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys.db")
	if err := Create(t.Context(), path, "log"); err != nil {
		t.Fatal(err)
	}
	k, err := Open(t.Context(), path, Options{Origin: "log"})
	if err != nil {
		t.Fatal(err)
	}
	acme, bolt := indelible.Ref{1}, indelible.Ref{2}
	want := func(k *Keys, ref indelible.Ref, n int) {
		t.Helper()
		if got, err := k.Suppressed(t.Context(), ref); err != nil || len(got) != n {
			t.Errorf("%d tokens, %v; want %d", len(got), err, n)
		}
	}
	want(k, acme, 0) // before there is a table
	for range 2 {
		if err := k.Suppress(t.Context(), acme, []string{"a", "b"}); err != nil {
			t.Fatal(err)
		}
	}
	want(k, acme, 2)
	want(k, bolt, 0)
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Open(t.Context(), path, Options{Origin: "log", ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	want(again, acme, 2)
}
