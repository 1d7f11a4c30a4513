package storetest

import (
	"context"
	"iter"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"indelible/internal/store"
)

// A versionLister is a driver that lists the versions of many objects at once.
type versionLister interface {
	ListVersions(ctx context.Context, prefix string) iter.Seq2[store.NamedVersion, error]
}

// testListVersions: a driver that lists versions says of every name what
// Versions says of it, in byte order, and ends when told to or when it fails.
func testListVersions(t *testing.T, s store.Store) {
	l, ok := s.(versionLister)
	if !ok {
		return
	}
	names := []string{"a", "tile/0/001", "tile/0/001.p/3", "tile/0/001.p/5", "wal/1", "wal/10", "wal/2", "walrus"}
	for _, name := range names {
		create(t, s, name, name)
	}
	if err := s.Replace(t.Context(), "wal/10", []byte("second"), read(t, s, "wal/10").ETag); err != nil {
		t.Fatal(err)
	}
	for _, prefix := range []string{"", "wal/", "wal/1", "tile/", "tile/0/001.p/", "none"} {
		var want, got []store.NamedVersion
		for _, name := range slices.Sorted(slices.Values(names)) {
			if len(name) < len(prefix) || name[:len(prefix)] != prefix {
				continue
			}
			for _, v := range versions(t, s, name) {
				want = append(want, store.NamedVersion{Name: name, Version: v})
			}
		}
		for v, err := range l.ListVersions(t.Context(), prefix) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, v)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("versions below %q (-want +got):\n%s", prefix, diff)
		}
	}
	for v, err := range l.ListVersions(t.Context(), "") {
		if err != nil || v.Name != "a" {
			t.Errorf("first version %+v, %v", v, err)
		}
		break
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var listErr error
	for _, err := range l.ListVersions(ctx, "") {
		listErr = err
	}
	wantIs(t, "list versions", listErr, context.Canceled)
}
