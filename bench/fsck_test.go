package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"
)

// tilesCopy makes a ledger of n events and copies its tree with `indelible tiles`.
func tilesCopy(t *testing.T, n int) (dir string, verifier note.Verifier) {
	t.Helper()
	ledgerDir, _, err := bigLedger(t.Context(), &env{dir: t.TempDir(), n: n})
	if err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(t.TempDir(), "tiles")
	cmd := exec.CommandContext(t.Context(), "go", "run", "./cmd/indelible", "--dir", ledgerDir, "tiles", dir)
	cmd.Dir = ".."
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("tiles: %v\n%s", err, out)
	}
	vkey, err := os.ReadFile(filepath.Join(dir, "log.vkey"))
	if err != nil {
		t.Fatal(err)
	}
	if verifier, err = note.NewVerifier(strings.TrimSpace(string(vkey))); err != nil {
		t.Fatal(err)
	}
	return dir, verifier
}

func check(ctx context.Context, dir string, verifier note.Verifier) error {
	return fsck.New(verifier.Name(), verifier, &client.FileFetcher{Root: dir}, leafHashes, fsck.Opts{N: 2}).Check(ctx)
}

// TestFsck has Tessera's own checker judge what `indelible tiles` writes, at
// sizes around the tiles' width, and makes sure that it can say no.
func TestFsck(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 250, 1000, 70_000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			dir, verifier := tilesCopy(t, n)
			if err := check(t.Context(), dir, verifier); err != nil {
				t.Fatalf("fsck of %d events: %v", n, err)
			}
			fetcher := &client.FileFetcher{Root: dir}
			cp, _, _, err := client.FetchCheckpoint(t.Context(), fetcher.ReadCheckpoint, verifier, verifier.Name())
			if err != nil {
				t.Fatalf("client: %v", err)
			}
			if cp.Size <= uint64(n) {
				t.Fatalf("client sees %d leaves, %d events were recorded", cp.Size, n)
			}
			damage(t, dir)
			if err := check(t.Context(), dir, verifier); err == nil {
				t.Fatal("fsck accepts a changed entry")
			}
		})
	}
}

// damage changes one byte of the first bundle.
func damage(t *testing.T, dir string) {
	t.Helper()
	entries := filepath.Join(dir, "tile", "entries")
	var name string
	err := filepath.WalkDir(entries, func(path string, e os.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() && name == "" {
			name = path
		}
		return err
	})
	if err != nil || name == "" {
		t.Fatalf("no bundle below %s: %v", entries, err)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}
