package sqlite_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"indelible/internal/search"
	"indelible/internal/search/searchtest"
	"indelible/internal/search/sqlite"
)

func open(t *testing.T) search.Index {
	t.Helper()
	x, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "search", "index.db"), "a log")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Close() })
	return x
}

func TestIndex(t *testing.T) {
	t.Parallel()
	searchtest.Run(t, open)
}

// TestOfAnotherLog: an index is never taken for that of another log.
func TestOfAnotherLog(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "index.db")
	x, err := sqlite.Open(t.Context(), path, "one")
	if err != nil {
		t.Fatal(err)
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(t.Context(), path, "two"); !errors.Is(err, search.ErrOther) {
		t.Errorf("opened for another log: %v", err)
	}
	if err := sqlite.Remove(path); err != nil {
		t.Fatal(err)
	}
	x, err = sqlite.Open(t.Context(), path, "two")
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	x.Close()
	if err := os.WriteFile(path, bytes.Repeat([]byte("no index "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	if x, err := sqlite.Open(t.Context(), path, "two"); err == nil {
		x.Close()
		t.Error("a file that is no index was opened")
	}
}

// TestForgottenIsOverwritten: nothing of a forgotten person stays in the file.
func TestForgottenIsOverwritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	x, err := sqlite.Open(t.Context(), filepath.Join(dir, "index.db"), "a log")
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	log := searchtest.Events(500)
	for i := range log {
		log[i].Event.TenantID, log[i].Event.UserID = "acme", "maria"
		log[i].Event.ResourceID = "Wolkenkuckucksheim"
	}
	if _, err := search.CatchUp(t.Context(), x, log, nil); err != nil {
		t.Fatal(err)
	}
	// FTS5 leaves out how a word begins if the one before it begins the same.
	holds := func() bool {
		names, _ := filepath.Glob(filepath.Join(dir, "*"))
		for _, name := range names {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(b, []byte("kuckucksheim")) {
				return true
			}
		}
		return false
	}
	if !holds() {
		t.Fatal("the word is not in the file to begin with")
	}
	user := "maria"
	if err := x.Forget(t.Context(), "acme", &user); err != nil {
		t.Fatal(err)
	}
	if holds() {
		t.Error("a word of a forgotten person's events is in the file")
	}
}
