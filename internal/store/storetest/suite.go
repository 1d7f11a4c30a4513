// Package storetest holds the suite that every driver of package store passes,
// and Faulty, a store that fails on demand for the tests of those who use one.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"indelible/internal/store"
)

// Run proves that a driver keeps the contract of store.Store. Every call of
// open gives a store with no objects in it.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	tests := []struct {
		name string
		run  func(*testing.T, store.Store)
	}{
		{"CreateAndRead", testCreateAndRead},
		{"CreateOnce", testCreateOnce},
		{"CreateConcurrently", testCreateConcurrently},
		{"CreateKeepsNoReference", testNoReference},
		{"ReadRanges", testReadRanges},
		{"ReadMissing", testReadMissing},
		{"Replace", testReplace},
		{"ReplaceConcurrently", testReplaceConcurrently},
		{"List", testList},
		{"ListStops", testListStops},
		{"Versions", testVersions},
		{"ListVersions", testListVersions},
		{"Remove", testRemove}, {"Hold", testHold},
		{"Lock", testLock},
		{"InvalidNames", testInvalidNames},
		{"Cancelled", testCancelled},
		{"TooLarge", testTooLarge},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, open(t))
		})
	}
}

// never is the lock time of an object that is not locked.
var never time.Time

func create(t *testing.T, s store.Store, name, data string) {
	t.Helper()
	if err := s.Create(t.Context(), name, []byte(data), never); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, s store.Store, name string) store.Object {
	t.Helper()
	obj, err := s.Read(t.Context(), name, store.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return obj
}

func wantContent(t *testing.T, s store.Store, name, want string) {
	t.Helper()
	obj := read(t, s, name)
	if string(obj.Data) != want || obj.Size != int64(len(want)) {
		t.Errorf("%s holds %d bytes, size %d, want the %d written: %.40q", name, len(obj.Data), obj.Size, len(want), obj.Data)
	}
}

func wantIs(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: error %v, want %v", what, err, want)
	}
}

// testInvalidNames: a bad name is refused by every call, as nothing else.
func testInvalidNames(t *testing.T, s store.Store) {
	ctx := t.Context()
	for _, name := range []string{"", "/a", "a/", "a//b", "../a", "a/../b", "a b", "a\x00b", "ü", "a/.tmp-1"} {
		_, readErr := s.Read(ctx, name, store.ReadOptions{})
		_, versionsErr := s.Versions(ctx, name)
		for what, err := range map[string]error{
			"create":   s.Create(ctx, name, nil, never),
			"replace":  s.Replace(ctx, name, nil, ""),
			"read":     readErr,
			"versions": versionsErr,
			"remove":   s.Remove(ctx, name),
		} {
			wantIs(t, fmt.Sprintf("%s %q", what, name), err, store.ErrName)
		}
	}
}

// testCancelled: a call whose context has ended says so.
func testCancelled(t *testing.T, s store.Store) {
	create(t, s, "a", "1")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, readErr := s.Read(ctx, "a", store.ReadOptions{})
	_, versionsErr := s.Versions(ctx, "a")
	var listErr error
	for _, err := range s.List(ctx, "", "") {
		listErr = err
	}
	for what, err := range map[string]error{
		"create":   s.Create(ctx, "b", nil, never),
		"replace":  s.Replace(ctx, "b", nil, ""),
		"read":     readErr,
		"list":     listErr,
		"versions": versionsErr,
		"remove":   s.Remove(ctx, "a"),
	} {
		wantIs(t, what, err, context.Canceled)
	}
	wantContent(t, s, "a", "1")
	wantNames(t, s, "", "", []string{"a"})
}

func testTooLarge(t *testing.T, s store.Store) {
	large := make([]byte, store.MaxObject+1) // never touched, so it costs no memory
	wantIs(t, "create", s.Create(t.Context(), "a", large, never), store.ErrTooLarge)
	wantIs(t, "replace", s.Replace(t.Context(), "a", large, ""), store.ErrTooLarge)
	wantNames(t, s, "", "", nil)
}

// pattern fills a buffer so that no range of it looks like another.
func pattern(n int) []byte {
	b := make([]byte, 0, n+16)
	for i := int64(0); len(b) < n; i++ {
		b = append(strconv.AppendInt(b, i, 16), ',')
	}
	return b[:n]
}
