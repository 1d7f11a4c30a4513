package storetest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"indelible/internal/store"
)

func testCreateAndRead(t *testing.T, s store.Store) {
	contents := map[string]string{
		"empty":                              "",
		"one":                                "x",
		"wal/00000000000000000000":           "text\r\n\x00\xff",
		"tile/0/x001/x234/567.p/255":         "deep",
		strings.Repeat("d/", 100) + "a._-Z9": "deeper",
		"long/" + strings.Repeat("n", store.MaxElement):    "long element",
		strings.Repeat("0123456789abcde/", 31) + "longest": "long name",
		"large": string(pattern(5 << 20)),
	}
	for name, data := range contents {
		create(t, s, name, data)
	}
	for name, data := range contents {
		wantContent(t, s, name, data)
	}
}

func testCreateOnce(t *testing.T, s store.Store) {
	create(t, s, "a/b", "first")
	for _, second := range []string{"second", "first", ""} {
		wantIs(t, "create again", s.Create(t.Context(), "a/b", []byte(second), never), store.ErrExist)
	}
	wantContent(t, s, "a/b", "first")
	wantNames(t, s, "", "", []string{"a/b"})
}

// testCreateConcurrently: the name is a compare-and-swap.
func testCreateConcurrently(t *testing.T, s store.Store) {
	for round := range 4 {
		name := fmt.Sprintf("race/%d/x", round)
		winner := race(t, round, store.ErrExist, func(data []byte) error { return s.Create(t.Context(), name, data, never) })
		wantContent(t, s, name, winner)
	}
}

// race lets several writers write at once, checks that one succeeds and the
// others get lost, and returns what the one wrote. No content returns in a later
// round: over its own content an ETag does not change, and two may succeed.
func race(t *testing.T, round int, lost error, write func(data []byte) error) string {
	t.Helper()
	const writers = 8
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		won   []string
		start = make(chan struct{})
	)
	for i := range writers {
		data := strings.Repeat(fmt.Sprintf("writer %d in round %d ", i, round), 1000*i+1)
		wg.Go(func() {
			<-start
			err := write([]byte(data))
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won = append(won, data)
			} else if !errors.Is(err, lost) {
				t.Errorf("lost the race with %v, want %v", err, lost)
			}
		})
	}
	close(start)
	wg.Wait()
	if len(won) != 1 {
		t.Fatalf("%d of %d writers succeeded, want 1", len(won), writers)
	}
	return won[0]
}

// testNoReference: what was written or read is nobody else's memory.
func testNoReference(t *testing.T, s store.Store) {
	data := []byte("content")
	if err := s.Create(t.Context(), "a", data, never); err != nil {
		t.Fatal(err)
	}
	clear(data)
	clear(read(t, s, "a").Data)
	wantContent(t, s, "a", "content")
}

func testReplace(t *testing.T, s store.Store) {
	ctx := t.Context()
	wantIs(t, "replace what is not there", s.Replace(ctx, "checkpoint", []byte("0"), `"0123456789abcdef0123456789abcdef"`), store.ErrChanged)
	if err := s.Replace(ctx, "checkpoint", []byte("one"), ""); err != nil {
		t.Fatal(err)
	}
	wantIs(t, "replace with no etag", s.Replace(ctx, "checkpoint", []byte("two"), ""), store.ErrChanged)
	first := read(t, s, "checkpoint").ETag
	if first == "" {
		t.Fatal("no ETag")
	}
	if err := s.Replace(ctx, "checkpoint", []byte("two!"), first); err != nil {
		t.Fatal(err)
	}
	wantContent(t, s, "checkpoint", "two!")
	wantIs(t, "replace with an old etag", s.Replace(ctx, "checkpoint", []byte("three"), first), store.ErrChanged)
	wantContent(t, s, "checkpoint", "two!")
	second := read(t, s, "checkpoint").ETag
	if second == first {
		t.Errorf("the ETag %s stayed over a change", first)
	}
	if err := s.Replace(ctx, "checkpoint", nil, second); err != nil {
		t.Fatal(err)
	}
	wantContent(t, s, "checkpoint", "")

	create(t, s, "created", "1")
	if err := s.Replace(ctx, "created", []byte("2"), read(t, s, "created").ETag); err != nil {
		t.Fatal(err)
	}
	wantContent(t, s, "created", "2")
}

func testReplaceConcurrently(t *testing.T, s store.Store) {
	etag := ""
	for round := range 4 {
		winner := race(t, round, store.ErrChanged, func(data []byte) error { return s.Replace(t.Context(), "checkpoint", data, etag) })
		wantContent(t, s, "checkpoint", winner)
		etag = read(t, s, "checkpoint").ETag
	}
}
