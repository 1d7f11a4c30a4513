package main

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestErasedPersonInExports: after an erasure the person's pseudonym is in no
// data set any more, and others' are as they were.
func TestErasedPersonInExports(t *testing.T) {
	t.Parallel()
	l := newTestLog(t, 0)
	l.run(`{"timestamp":"2025-01-02T03:04:05Z","event_type":"login","user_id":"ann.lee@example.com","tenant_id":"acme","resource_type":"door","resource_id":"d","action":"open","outcome":"success","details":{}}`+"\n", "append", "-q")
	l.run("", "keys", "operator", "add", "bob")
	db := filepath.Join(t.TempDir(), "runs.db")
	l.run("", "sample", "runs", "--rows", "10", "--sqlite", db)
	execSQLite(t, db, `UPDATE workflow_runs SET tenant_id = 'acme', metadata = '{}', error_message = 'mail to ann.lee@example.com and ben@example.com bounced'`)
	export := func(name string) (all string, tokens []string) {
		t.Helper()
		out := filepath.Join(t.TempDir(), name)
		l.run("", "export", "--sqlite", db, "--tenant", "acme", "--out", out)
		text, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		b := string(text)
		for rest := b; ; {
			_, after, found := strings.Cut(rest, "[EMAIL_ADDRESS")
			if !found {
				return b, tokens
			}
			token, _, _ := strings.Cut(after, "]")
			tokens, rest = append(tokens, token), after
		}
	}
	_, before := export("before.jsonl")
	l.run("", "approve", strings.TrimSpace(l.run("", "erase", "--tenant", "acme", "--subject", "ann.lee@example.com")))
	all, after := export("after.jsonl")
	if len(before) != 20 || len(after) != 20 || strings.Contains(all, "ann.lee") {
		t.Fatalf("%d and %d addresses, want 20 each", len(before), len(after))
	}
	if before[0] == "" || after[0] != "" || after[1] != before[1] || before[1] == "" {
		t.Errorf("before %q, after %q", before[:2], after[:2])
	}
}

// execSQLite runs a statement in a database; the program brings the driver.
func execSQLite(t *testing.T, name, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", name)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}
