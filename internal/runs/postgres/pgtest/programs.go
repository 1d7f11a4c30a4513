package pgtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
)

// Programs is the directory of PostgreSQL's programs, the newest there is.
// Where there is none, scripts/tools installs it: tests never skip.
func Programs() (string, error) {
	if dir := find(); dir != "" {
		return dir, nil
	}
	if err := install("postgresql"); err != nil {
		return "", err
	}
	if dir := find(); dir != "" {
		return dir, nil
	}
	return "", errors.New("PostgreSQL was installed, and its programs are nowhere to be found")
}

// install has scripts/tools install something.
func install(name string) error {
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	if out, err := exec.Command(filepath.Join(root, "scripts", "tools"), name).CombinedOutput(); err != nil {
		return fmt.Errorf("install %s: %w: %s", name, err, out)
	}
	return nil
}

func find() string {
	// Debian keeps them off the path, one directory a version.
	names, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	version := func(name string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(name))))
		return n
	}
	slices.SortFunc(names, func(a, b string) int { return version(b) - version(a) })
	if name, err := exec.LookPath("initdb"); err == nil {
		names = append(names, name)
	}
	for _, name := range names {
		dir := filepath.Dir(name)
		if has(dir, "postgres") && has(dir, "psql") && has(dir, "pg_basebackup") {
			return dir
		}
	}
	return ""
}

func has(dir, program string) bool {
	_, err := os.Stat(filepath.Join(dir, program))
	return err == nil
}

func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "scripts", "tools")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no scripts/tools at or above the working directory")
		}
		dir = parent
	}
}
