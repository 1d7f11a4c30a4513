package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"indelible/internal/runs/postgres/pgtest"
)

func TestMain(m *testing.M) {
	testscript.Main(withDatabase{m}, map[string]func(){"indelible": main, "indelible-at": mainAt})
}

// withDatabase ends the database some tests share.
type withDatabase struct{ m *testing.M }

func (w withDatabase) Run() int { return pgtest.Main(w.m.Run) }

// TestScripts runs the program as its users do. What a script may rely on, a
// script outside may rely on too: flags, JSON members and exit codes.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(env *testscript.Env) error {
			// Nothing of the machine: no state, no bucket, no ledger.
			env.Setenv("HOME", filepath.Join(env.WorkDir, "home"))
			env.Setenv("XDG_STATE_HOME", filepath.Join(env.WorkDir, "state"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code": exitCode, "flip": flipByte, "replace": replaceText, "json": compareJSON, "get": getJSON, "lines": countLines,
			"copydir": copyDir, "word": getWord, "postgres": newPostgres, "psql": runPSQL, "dsn": useRole, "appendto": appendTo, "tree": treeOf,
		},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

// code N command args…: the command ends with exit code N.
func exitCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N command args...")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit code %d, want %s", got, args[0])
	}
}

// flip FILE OFFSET: change one bit; a negative offset counts from the end.
func flipByte(ts *testscript.TestScript, neg bool, args []string) {
	b := []byte(ts.ReadFile(args[0]))
	i, err := strconv.Atoi(args[1])
	ts.Check(err)
	if i < 0 {
		i += len(b)
	}
	b[i] ^= 1
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o600))
}

// replace FILE OLD NEW: change the one place where OLD stands.
func replaceText(ts *testscript.TestScript, neg bool, args []string) {
	b := []byte(ts.ReadFile(args[0]))
	if n := bytes.Count(b, []byte(args[1])); n != 1 {
		ts.Fatalf("%q stands %d times in %s", args[1], n, args[0])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), bytes.Replace(b, []byte(args[1]), []byte(args[2]), 1), 0o600))
}

// valueAt reads the member at a dotted path of the JSON value on a line of a
// file; line 0 is the whole file. It gives strings as they are, other values
// as JSON, and "(absent)".
func valueAt(ts *testscript.TestScript, file, line, path string) string {
	text := ts.ReadFile(file)
	if n, err := strconv.Atoi(line); err != nil {
		ts.Check(err)
	} else if n > 0 {
		text = strings.Split(text, "\n")[n-1]
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	ts.Check(d.Decode(&v))
	for step := range strings.SplitSeq(path, ".") {
		switch at := v.(type) {
		case map[string]any:
			member, ok := at[step]
			if !ok {
				return "(absent)"
			}
			v = member
		case []any:
			i, err := strconv.Atoi(step)
			ts.Check(err)
			if i >= len(at) {
				return "(absent)"
			}
			v = at[i]
		default:
			return "(absent)"
		}
	}
	if s, ok := v.(string); ok {
		return s
	}
	b, err := json.Marshal(v)
	ts.Check(err)
	return string(b)
}

// json FILE LINE PATH WANT: the member is WANT.
func compareJSON(ts *testscript.TestScript, neg bool, args []string) {
	if got := valueAt(ts, args[0], args[1], args[2]); (got == args[3]) == neg {
		ts.Fatalf("%s is %s, want %s", args[2], got, args[3])
	}
}

// get VAR FILE LINE PATH: put the member into an environment variable.
func getJSON(ts *testscript.TestScript, neg bool, args []string) {
	ts.Setenv(args[0], valueAt(ts, args[1], args[2], args[3]))
}

// word VAR FILE: put what a file holds, one word, into an environment variable.
func getWord(ts *testscript.TestScript, neg bool, args []string) {
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile(args[1])))
}

// tree SIZE WIDTH CHECKPOINT: put the size of the tree, and the width of its last,
// partial tile of level 0, into environment variables.
func treeOf(ts *testscript.TestScript, neg bool, args []string) {
	size, err := strconv.Atoi(strings.Split(ts.ReadFile(args[2]), "\n")[1])
	ts.Check(err)
	ts.Setenv(args[0], strconv.Itoa(size))
	ts.Setenv(args[1], strconv.Itoa(size%256))
}

// appendto FILE MORE: append a file to another.
func appendTo(ts *testscript.TestScript, neg bool, args []string) {
	text := ts.ReadFile(args[0]) + ts.ReadFile(args[1])
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}

// lines FILE N: the file has N lines.
func countLines(ts *testscript.TestScript, neg bool, args []string) {
	if n := strings.Count(ts.ReadFile(args[0]), "\n"); strconv.Itoa(n) != args[1] {
		ts.Fatalf("%s has %d lines, want %s", args[0], n, args[1])
	}
}

// postgres NAME: a PostgreSQL of the script's own with an empty database. Roles
// belong to the whole of it, so scripts do not share one.
func newPostgres(ts *testscript.TestScript, neg bool, args []string) {
	c, err := pgtest.Start()
	ts.Check(err)
	ts.Defer(func() { ts.Check(c.Stop()) })
	_, err = c.PSQL(c.DSN("postgres", ""), "CREATE DATABASE "+args[0])
	ts.Check(err)
	ts.Setenv("POSTGRES_DSN", c.DSN(args[0], ""))
	ts.Setenv("PSQL_DSN", c.DSN(args[0], ""))
	ts.Setenv("PSQL", filepath.Join(c.Programs, "psql"))
}

// psql NAME SQL|FILE: run it as the superuser.
func runPSQL(ts *testscript.TestScript, neg bool, args []string) {
	command := "-c"
	if strings.HasSuffix(args[1], ".sql") {
		command, args[1] = "-f", ts.MkAbs(args[1])
	}
	ts.Check(ts.Exec(ts.Getenv("PSQL"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", ts.Getenv("PSQL_DSN"), command, args[1]))
}

// dsn ROLE: connect as it.
func useRole(ts *testscript.TestScript, neg bool, args []string) {
	ts.Setenv("POSTGRES_DSN", strings.Replace(ts.Getenv("PSQL_DSN"), "user=postgres", "user="+args[0], 1))
}

// copydir FROM TO
func copyDir(ts *testscript.TestScript, neg bool, args []string) {
	ts.Check(os.CopyFS(ts.MkAbs(args[1]), os.DirFS(ts.MkAbs(args[0]))))
	// Keys that others can read are refused, and CopyFS keeps no modes.
	keys, err := filepath.Glob(filepath.Join(ts.MkAbs(args[1]), "keys", "*"))
	ts.Check(err)
	for _, name := range keys {
		ts.Check(os.Chmod(name, 0o600))
	}
}

// Every command is documented in --help, and no flag is without a description.
func TestHelp(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"--help"}, nil, &out, &errs, func(string) string { return "" }); code != exitOK {
		t.Fatalf("exit code %d: %s", code, &errs)
	}
	var missing []string
	for _, name := range []string{"append", "check", "completion", "init", "prove", "sample", "show", "tail", "tiles", "verify", "version"} {
		if !strings.Contains(out.String(), fmt.Sprintf("\n  %s ", name)) {
			missing = append(missing, name)
		}
	}
	slices.Sort(missing)
	if len(missing) > 0 {
		t.Errorf("commands missing from --help: %v", missing)
	}
}
