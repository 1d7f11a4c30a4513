package keyfile

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"indelible/internal/seal"
	"indelible/internal/seal/sealtest"
)

func TestSuite(t *testing.T) {
	t.Parallel()
	sealtest.Test(t, sealtest.Driver{New: func(t *testing.T) (seal.KeyWrapper, func() (seal.KeyWrapper, error)) {
		path := filepath.Join(t.TempDir(), "root.key")
		f, err := Create(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		return f, func() (seal.KeyWrapper, error) { return Open(path, nil) }
	}})
}

func TestPassphrase(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "root.key")
	f, err := Create(path, []byte("correct horse"))
	if err != nil {
		t.Fatal(err)
	}
	kc := seal.Context{{Name: "log", Value: "a"}}
	b, err := f.Wrap(t.Context(), make([]byte, 32), kc)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil || bytes.Contains(text, []byte("root key")) {
		t.Errorf("the file is readable without its passphrase: %q, %v", text, err)
	}
	if _, err := Open(path, nil); !errors.Is(err, seal.ErrDenied) {
		t.Errorf("opened without a passphrase: %v", err)
	}
	_, err = Open(path, func() ([]byte, error) { return []byte("battery staple"), nil })
	if !errors.Is(err, seal.ErrDenied) || strings.Contains(err.Error(), "battery") {
		t.Errorf("opened with another passphrase: %v", err)
	}
	again, err := Open(path, func() ([]byte, error) { return []byte("correct horse"), nil })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.Unwrap(t.Context(), b, kc); err != nil {
		t.Error(err)
	}
}

func TestOpenPermissions(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "root.key")
	if _, err := Create(path, nil); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("written with mode %v, %v", info.Mode(), err)
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o660} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path, nil); err == nil || !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("mode %04o: %v", mode, err)
		}
	}
}

func TestCreateTwice(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "root.key")
	if _, err := Create(path, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(path, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a root key was written over another: %v", err)
	}
}

// TestDestroyLeavesNothing: neither the file nor the bytes it had hold the key.
func TestDestroyLeavesNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "root.key")
	f, err := Create(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	old, err := os.Open(path) // the file as it was
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	if err := f.Destroy(t.Context()); err != nil {
		t.Fatal(err)
	}
	was := make([]byte, len(before))
	if _, err := old.ReadAt(was, 0); err != nil || len(bytes.Trim(was, "\x00")) > 0 {
		t.Errorf("the old file still holds %q, %v", was, err)
	}
	if after, err := os.ReadFile(path); err != nil || bytes.Contains(after, []byte(`"key"`)) {
		t.Errorf("the new file holds %q, %v", after, err)
	}
}

func TestDamagedFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "root.key")
	f, err := Create(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	good, err := f.keys.encode()
	if err != nil {
		t.Fatal(err)
	}
	for what, b := range map[string][]byte{
		"empty":         nil,
		"cut short":     good[:len(good)/2],
		"another kind":  bytes.Replace(good, []byte("root key"), []byte("log key"), 1),
		"unknown field": bytes.Replace(good, []byte(`"kind"`), []byte(`"kinds"`), 1),
		"no versions":   []byte(`{"version":1,"kind":"root key","id":"0011223344556677","created":"2026-01-01T00:00:00Z"}`),
		"newer":         bytes.Replace(good, []byte(`"version": 1,`), []byte(`"version": 2,`), 1),
		"twice":         append(bytes.Clone(good), good...),
	} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path, nil); err == nil {
			t.Errorf("%s: opened", what)
		}
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none"), nil); !errors.Is(err, seal.ErrUnknownKey) {
		t.Errorf("no file: %v", err)
	}
}
