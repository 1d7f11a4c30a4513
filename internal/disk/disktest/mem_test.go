package disktest

import (
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"

	"indelible/internal/disk"

	"github.com/google/go-cmp/cmp"
)

var _ disk.FS = (*Mem)(nil)

func write(t *testing.T, fsys disk.FS, name, data string, sync bool) {
	t.Helper()
	f, err := fsys.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.WriteString(f, data); err != nil {
		t.Fatal(err)
	}
	if sync {
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
	}
}

func names(t *testing.T, fsys disk.FS, dir string) []string {
	t.Helper()
	entries, err := fsys.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := []string{}
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func TestCrashKeepsOnlyWhatWasSynced(t *testing.T) {
	m := New()
	if err := m.MkdirAll("/a/b"); err != nil {
		t.Fatal(err)
	}
	write(t, m, "/a/b/both", "kept", true)
	write(t, m, "/a/b/name-only", "lost", false)
	if err := m.SyncDir("/a/b"); err != nil {
		t.Fatal(err)
	}
	write(t, m, "/a/b/data-only", "lost", true)

	c := m.Crash(nil)
	if diff := cmp.Diff([]string{"both", "name-only"}, names(t, c, "/a/b")); diff != "" {
		t.Error(diff)
	}
	for name, want := range map[string]string{"/a/b/both": "kept", "/a/b/name-only": ""} {
		got, err := disk.ReadFile(c, name, 100)
		if err != nil || string(got) != want {
			t.Errorf("%s after the crash: %q, %v", name, got, err)
		}
	}
	if got := len(names(t, m, "/a/b")); got != 3 {
		t.Errorf("the crash changed the running disk: %d names", got)
	}
}

func TestCrashKeepsSomeOfTheRest(t *testing.T) {
	m := New()
	write(t, m, "x", "unsynced", false)
	kept := 0
	rng := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		kept += len(names(t, m.Crash(rng), "/"))
	}
	if kept == 0 || kept == 100 {
		t.Errorf("an unsynced name survived %d of 100 crashes", kept)
	}
}

func TestErrors(t *testing.T) {
	m := New()
	write(t, m, "x", "1", true)
	if _, err := m.Create("x"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("create over a file: %v", err)
	}
	if err := m.Link("x", "x"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("link over a file: %v", err)
	}
	for what, err := range map[string]error{
		"open":   second(m.Open("none")),
		"create": second(m.Create("none/x")),
		"rename": m.Rename("none", "y"),
		"remove": m.Remove("none"),
		"list":   second(m.List("none")),
		"over":   second(m.OpenOver("none")),
		"sync":   m.SyncDir("none"),
	} {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s of a missing name: %v", what, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestSyncHooks(t *testing.T) {
	m := New()
	boom := errors.New("boom")
	var seen []string
	m.OnSync(func(n int, name string) error {
		seen = append(seen, name)
		if n == 2 {
			return boom
		}
		return nil
	})
	m.AfterSync(func(n int, name string) error {
		if n == 3 {
			return boom
		}
		return nil
	})
	f, err := m.Create("x")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := m.SyncDir("/"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(f, "data"); err != nil {
		t.Fatal(err)
	}
	size := func() int {
		got, err := disk.ReadFile(m.Crash(nil), "x", 10)
		if err != nil {
			t.Fatal(err)
		}
		return len(got)
	}
	if err := f.Sync(); !errors.Is(err, boom) || size() != 0 {
		t.Errorf("failed sync: %v, %d bytes durable", err, size())
	}
	if err := f.Sync(); !errors.Is(err, boom) || size() != 4 {
		t.Errorf("sync with a lost answer: %v, %d bytes durable", err, size())
	}
	if diff := cmp.Diff([]string{"/", "x", "x"}, seen); diff != "" || m.Syncs() != 3 {
		t.Errorf("%d syncs: %s", m.Syncs(), diff)
	}
}

func TestFullDisk(t *testing.T) {
	m := New()
	m.FailWrites(6, syscall.ENOSPC)
	f, err := m.Create("x")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.WriteString(f, "four"); err != nil {
		t.Fatal(err)
	}
	if n, err := io.WriteString(f, "four"); n != 2 || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("wrote %d bytes, %v", n, err)
	}
	m.FailWrites(0, nil)
	if _, err := io.WriteString(f, "four"); err != nil {
		t.Error(err)
	}
}

// Bytes written over others are lost or kept block by block, as those behind
// the end are: the old ones come back.
func TestCrashBringsOldBytesBack(t *testing.T) {
	const block = 4096
	m := New()
	write(t, m, "x", strings.Repeat("o", 4*block), true)
	if err := m.SyncDir("/"); err != nil {
		t.Fatal(err)
	}
	f, err := m.OpenOver("x")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	over := func(n int) {
		if _, err := io.WriteString(f, strings.Repeat("n", n)); err != nil {
			t.Fatal(err)
		}
	}
	content := func(rng *rand.Rand) string {
		got, err := disk.ReadFile(m.Crash(rng), "x", 10*block)
		if err != nil {
			t.Fatal(err)
		}
		return string(got)
	}
	over(block)
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	over(2 * block)
	if got, want := content(nil), strings.Repeat("n", block)+strings.Repeat("o", 3*block); got != want {
		t.Error("unsynced bytes survived, synced ones did not, or the size is another")
	}
	rng := rand.New(rand.NewPCG(1, 2))
	seen := map[string]bool{}
	for range 200 {
		got := content(rng)
		seen[got[block:block+1]+got[2*block:2*block+1]] = true
		if got[:block] != strings.Repeat("n", block) || got[3*block:] != strings.Repeat("o", block) {
			t.Fatal("a crash changed what was synced or not written")
		}
	}
	if len(seen) != 4 {
		t.Errorf("of two blocks these were seen after crashes: %v", seen)
	}
}
