package compat

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

const root = "../.."

var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "indelible-compat-")
	if err != nil {
		return "", err
	}
	// The go command takes an old result unless it sees the sources used.
	err = filepath.WalkDir(root, func(name string, _ fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(name) == ".go" {
			_, err = os.Stat(name)
		}
		return err
	})
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-o", filepath.Join(dir, "indelible"), "./cmd/indelible")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", errors.New(string(out))
	}
	return filepath.Join(dir, "indelible"), nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if program, err := build(); err == nil {
		os.RemoveAll(filepath.Dir(program))
	}
	os.Exit(code)
}

// user runs the program with a home of its own.
type user struct {
	t    *testing.T
	home string
	dir  string // data directory
}

// run returns what a command printed and its exit code.
func (u *user) run(stdin string, args ...string) (stdout, stderr string, code int) {
	u.t.Helper()
	program, err := build()
	if err != nil {
		u.t.Fatal(err)
	}
	cmd := exec.Command(program, append([]string{"--dir", u.dir}, args...)...)
	cmd.Env = []string{"HOME=" + u.home, "PATH=" + os.Getenv("PATH")}
	cmd.Stdin = bytes.NewReader([]byte(stdin))
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		u.t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// must is run for commands that have to succeed.
func (u *user) must(stdin string, args ...string) string {
	u.t.Helper()
	stdout, stderr, code := u.run(stdin, args...)
	if code != 0 {
		u.t.Fatalf("indelible %v: exit code %d\n%s%s", args, code, stdout, stderr)
	}
	return stdout
}

// copyLedger copies a stored ledger to a place where it can be written, with
// the modes that version control does not keep.
func copyLedger(t *testing.T, from string) *user {
	t.Helper()
	u := &user{t: t, home: t.TempDir(), dir: filepath.Join(t.TempDir(), "ledger")}
	if err := os.CopyFS(u.dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(u.dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() {
			return os.Chmod(name, 0o700)
		}
		return os.Chmod(name, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	return u
}
