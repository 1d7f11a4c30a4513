package storetest

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"indelible/internal/store"
)

func testReadRanges(t *testing.T, s store.Store) {
	content := pattern(1000)
	create(t, s, "a", string(content))
	create(t, s, "empty", "")
	tests := []struct {
		name           string
		offset, length int64
		want           []byte
	}{
		{"a", 0, 0, content},
		{"a", 0, 1, content[:1]},
		{"a", 0, 999, content[:999]},
		{"a", 0, 1000, content},
		{"a", 0, 5000, content},
		{"a", 1, 0, content[1:]},
		{"a", 250, 500, content[250:750]},
		{"a", 999, 1, content[999:]},
		{"a", 999, 100, content[999:]},
		{"a", 1000, 0, nil},
		{"a", 1000, 1, nil},
		{"a", 5000, 7, nil},
		{"empty", 0, 1, nil},
		{"empty", 3, 0, nil},
	}
	for _, test := range tests {
		what := fmt.Sprintf("%s from %d, %d bytes", test.name, test.offset, test.length)
		obj, err := s.Read(t.Context(), test.name, store.ReadOptions{Offset: test.offset, Length: test.length})
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		size := int64(len(content))
		if test.name == "empty" {
			size = 0
		}
		if !bytes.Equal(obj.Data, test.want) || obj.Size != size {
			t.Errorf("%s: %d bytes of %d, want %d of %d", what, len(obj.Data), obj.Size, len(test.want), size)
		}
	}
	for _, opt := range []store.ReadOptions{{Offset: -1}, {Length: -1}} {
		if obj, err := s.Read(t.Context(), "a", opt); err == nil {
			t.Errorf("read %+v gave %d bytes, want an error", opt, len(obj.Data))
		}
	}
}

func testReadMissing(t *testing.T, s store.Store) {
	create(t, s, "a/b", "1")
	for _, name := range []string{"a", "a/c", "a/bb", "b", "c/d/e"} {
		for _, opt := range []store.ReadOptions{{}, {Offset: 5}, {Length: 5}} {
			_, err := s.Read(t.Context(), name, opt)
			wantIs(t, "read "+name, err, store.ErrNotExist)
		}
	}
	_, err := s.Read(t.Context(), "a/b", store.ReadOptions{Version: "01ARZ3NDEKTSV4RRFFQ69G5FAV"})
	wantIs(t, "read a version that never was", err, store.ErrNotExist)
}

// names are chosen so that the order of directories differs from the order of
// names: '-' and '.' sort before '/', digits and letters after.
var names = []string{
	"a-b", "a.b", "a/b", "a/b-c/d", "a/b.c", "a/c/d/e", "a0", "aa", "b", "checkpoint", "checkpoints/1", "checkpoints/10",
	"checkpoints/2", "d-/x", "d./x", "d/x", "d0/x", "d_/x", "dA/x", "heads/1", "tile/0/000", "tile/0/001", "tile/0/x001/000", "tile/0/x001/000.p/7",
	"wal/00000000000000000000", "wal/00000000000000000001", "wal/00000000000000000009", "wal/00000000000000000010", "z/z/z/z",
}

// testList compares every prefix and every place to start after with a sorted
// slice.
func testList(t *testing.T, s store.Store) {
	shuffled := slices.Clone(names)
	rand.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	for _, name := range shuffled {
		create(t, s, name, name)
	}
	prefixes := []string{"", "a", "a/", "a/b", "a/b-", "a-", "ab", "aa", "c", "checkpoint", "checkpoint/", "checkpoints/1", "d", "d/", "d/x", "d/xy", "tile/0/x", "w", "wal/", "wal/0000000000000000000", "zz", "/", "..", "a//", "ä"}
	afters := []string{"", "a", "a-b", "a/", "a/b", "a/b-c", "a/b-c/d", "a/b.c", "a0", "checkpoints/1", "checkpoints/10", "d-", "d/x", "d/", "dA", "tile/0/x001", "wal/00000000000000000009", "wal/00000000000000000010", "zzz", "~"}
	for _, prefix := range prefixes {
		for _, after := range afters {
			wantNames(t, s, prefix, after, matching(prefix, after))
		}
	}
}

func matching(prefix, after string) []string {
	var want []string
	for _, name := range slices.Sorted(slices.Values(names)) {
		if strings.HasPrefix(name, prefix) && name > after {
			want = append(want, name)
		}
	}
	return want
}

func wantNames(t *testing.T, s store.Store, prefix, after string, want []string) {
	t.Helper()
	if diff := cmp.Diff(want, list(t, s, prefix, after)); diff != "" {
		t.Errorf("list %q after %q (-want +got):\n%s", prefix, after, diff)
	}
}

func list(t *testing.T, s store.Store, prefix, after string) []string {
	t.Helper()
	var got []string
	for name, err := range s.List(t.Context(), prefix, after) {
		if err != nil {
			t.Fatalf("list %q after %q: %v", prefix, after, err)
		}
		got = append(got, name)
	}
	return got
}

// testListStops: the caller may leave the loop, or end the context inside it.
func testListStops(t *testing.T, s store.Store) {
	for _, name := range names {
		create(t, s, name, "")
	}
	for name, err := range s.List(t.Context(), "a", "") {
		if err != nil || name != "a-b" {
			t.Fatalf("first name %q, %v", name, err)
		}
		break
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var got []string
	for name, err := range s.List(ctx, "a", "") {
		if err != nil {
			wantIs(t, "list", err, context.Canceled)
			continue
		}
		got = append(got, name)
		if name == "a.b" {
			cancel()
		}
	}
	if diff := cmp.Diff([]string{"a-b", "a.b"}, got); diff != "" {
		t.Errorf("names around the end of the context (-want +got):\n%s", diff)
	}
}
