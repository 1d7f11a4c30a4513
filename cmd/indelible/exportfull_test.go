//go:build linux

package main

import (
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestExportDiskFull: a disk that is really full, or a file that really may not
// grow, leaves nothing that looks like a dataset. With room the same command makes
// it.
func TestExportDiskFull(t *testing.T) {
	t.Parallel()
	m := newMachine(t, nil)
	m.run("init", "--origin", "test.example/log").want(exitOK)
	db := filepath.Join(t.TempDir(), "runs.db")
	m.run("sample", "runs", "--rows", "20000", "--sqlite", db).want(exitOK) // 12 MB as lines
	export := func(out string) []string {
		return []string{"export", "--sqlite", db, "--all-tenants", "--mask", "off", "--out", out}
	}
	then := func(m *machine, out, dir string, fails output, says string) {
		t := m.t
		t.Helper()
		fails.want(exitFailure, says)
		m.run("dataset", "verify", out).want(exitUsage, "manifest")
		for _, name := range leftIn(t, dir) {
			if !strings.HasSuffix(name, "plan.json") && !strings.HasSuffix(name, ".plan.json") {
				t.Errorf("left behind: %s", name)
			}
		}
	}
	for _, name := range []string{"data", "one/runs.jsonl", "one/runs.jsonl.zst", "one/runs.parquet"} {
		t.Run("limit "+name, func(t *testing.T) {
			t.Parallel()
			m := &machine{t: t, dir: m.dir, env: m.env}
			dir := t.TempDir()
			out := filepath.Join(dir, name)
			cmd := exec.Command("sh", append([]string{"-c", `ulimit -f 1024 && exec "$0" "$@"`, program(t), "--dir", m.dir}, export(out)...)...) // of 512 bytes
			cmd.Env = []string{"HOME=" + m.env["HOME"]}
			text, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) {
				t.Fatalf("%v\n%s", err, text)
			}
			then(m, out, dir, output{t, nil, exit.ExitCode(), "", string(text)}, "file too large")
			m.run(export(out)...).want(exitOK)
			m.run("dataset", "verify", out).want(exitOK)
		})
		t.Run("disk "+name, func(t *testing.T) {
			t.Parallel()
			m := &machine{t: t, dir: m.dir, env: m.env}
			dir := t.TempDir()
			if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=512k"); err != nil {
				// Whoever may not mount has tested the limit of a file above.
				t.Logf("no small disk can be mounted here: %v", err)
				return
			}
			t.Cleanup(func() {
				if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
					t.Error(err)
				}
			})
			out := filepath.Join(dir, name)
			then(m, out, dir, m.run(export(out)...), "no space left on device")
			if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size=64m"); err != nil {
				t.Fatal(err)
			}
			m.run(export(out)...).want(exitOK)
			m.run("dataset", "verify", out).want(exitOK)
		})
	}
}
