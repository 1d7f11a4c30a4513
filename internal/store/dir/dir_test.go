package dir_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"indelible/internal/disk"
	"indelible/internal/disk/disktest"
	"indelible/internal/store"
	"indelible/internal/store/dir"
	"indelible/internal/store/storetest"
)

func open(t *testing.T, fsys disk.FS, root string) *dir.Store {
	t.Helper()
	s, err := dir.Open(fsys, root)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestOperatingSystem(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) store.Store {
		return open(t, disk.OS, filepath.Join(t.TempDir(), "store", "audit-logs"))
	})
}

func TestMemory(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, disktest.New(), "/store/audit-logs") })
}

func TestOpen(t *testing.T) {
	t.Parallel()
	if _, err := dir.Open(disk.OS, ""); err == nil {
		t.Error("no error for no directory")
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := dir.Open(disk.OS, file); !errors.Is(err, store.ErrDenied) {
		t.Errorf("error %v for a file, want ErrDenied", err)
	}
	root := filepath.Join(t.TempDir(), "new")
	open(t, disk.OS, root)
	if _, err := os.Stat(root); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Open made the directory: %v", err)
	}
}

// TestOddFiles: what is no regular file below real directories is no object, is
// neither followed nor waited for, and is not removed.
func TestOddFiles(t *testing.T) {
	t.Parallel()
	root, outside := t.TempDir(), t.TempDir()
	s := open(t, disk.OS, root)
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(s.Create(ctx, "wal/1", []byte("1"), time.Time{}))
	must(os.WriteFile(filepath.Join(outside, "x"), []byte("outside"), 0o600))
	must(os.Symlink(filepath.Join(outside, "x"), filepath.Join(root, "wal", "2")))
	must(os.Symlink(filepath.Join(outside, "none"), filepath.Join(root, "wal", "3")))
	must(os.Symlink(outside, filepath.Join(root, "linked")))
	must(syscall.Mkfifo(filepath.Join(root, "wal", "4"), 0o600))
	must(os.MkdirAll(filepath.Join(root, "wal", "5"), 0o700))
	must(os.WriteFile(filepath.Join(root, "wal", "with space"), nil, 0o600))
	must(os.WriteFile(filepath.Join(root, "wal", disk.TempPrefix+"1"), nil, 0o600))

	var got []string
	for name, err := range s.List(ctx, "", "") {
		must(err)
		got = append(got, name)
	}
	if diff := cmp.Diff([]string{"wal/1"}, got); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
	for name, err := range s.List(ctx, "linked/", "") {
		t.Errorf("list through a link gave %q, %v", name, err)
	}
	for _, name := range []string{"wal/2", "wal/3", "wal/4", "wal/5", "linked/x"} {
		if _, err := s.Read(ctx, name, store.ReadOptions{}); !errors.Is(err, store.ErrNotExist) {
			t.Errorf("read %s: %v, want ErrNotExist", name, err)
		}
		if v, err := s.Versions(ctx, name); len(v) != 0 || err != nil {
			t.Errorf("versions of %s: %v, %v, want none", name, v, err)
		}
		must(s.Remove(ctx, name))
		if _, err := os.Lstat(filepath.Join(root, name)); err != nil {
			t.Errorf("remove touched %s: %v", name, err)
		}
		if err := s.Create(ctx, name, nil, time.Time{}); !errors.Is(err, store.ErrDenied) && name != "linked/x" {
			t.Errorf("create %s: %v, want ErrDenied", name, err)
		}
	}
	if err := s.Create(ctx, "linked/y", nil, time.Time{}); !errors.Is(err, store.ErrDenied) {
		t.Errorf("create through a link: %v, want ErrDenied", err)
	}
	if err := s.Create(ctx, "wal/1/below", nil, time.Time{}); !errors.Is(err, store.ErrDenied) {
		t.Errorf("create below an object: %v, want ErrDenied", err)
	}
}

// TestLinkedRoot: the store as a whole may be moved to another disk.
func TestLinkedRoot(t *testing.T) {
	t.Parallel()
	real := t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	s := open(t, disk.OS, link)
	if err := s.Create(t.Context(), "wal/1", []byte("1"), time.Time{}); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, disk.OS, real).Read(t.Context(), "wal/1", store.ReadOptions{}); err != nil {
		t.Error(err)
	}
}

func TestSweep(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	s := open(t, disk.OS, root)
	if err := s.Create(t.Context(), "wal/1", []byte("1"), time.Time{}); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for name, age := range map[string]time.Duration{"wal/.tmp-old": time.Hour, ".tmp-old": time.Hour, "wal/.tmp-new": 0} {
		path := filepath.Join(root, name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, now.Add(-age), now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := s.Sweep(t.Context(), now.Add(-time.Minute)); n != 2 || err != nil {
		t.Errorf("swept %d, %v, want 2", n, err)
	}
	if _, err := os.Stat(filepath.Join(root, "wal/.tmp-new")); err != nil {
		t.Error(err)
	}
	if _, err := s.Read(t.Context(), "wal/1", store.ReadOptions{}); err != nil {
		t.Error(err)
	}
}
