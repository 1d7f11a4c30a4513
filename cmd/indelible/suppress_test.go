package main

import (
	"database/sql"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestErasedPersonInExports: after an erasure the person's pseudonym is in no
// data set any more, and others' are as they were; also with a key store from
// before the erasure, and under a new key of pseudonyms.
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
	l.run("", "append", "-q") // a writer that ends leaves the key store in one file
	old := l.copyKeyStore()
	l.run("", "approve", strings.TrimSpace(l.run("", "erase", "--tenant", "acme", "--subject", "ann.lee@example.com")))
	if len(before) != 20 || before[0] == "" || before[1] == "" {
		t.Fatalf("%d addresses, want 20: %q", len(before), before)
	}
	want := func(name string) (ben string) {
		t.Helper()
		all, after := export(name)
		if len(after) != 20 || strings.Contains(all, "ann.lee") || strings.Contains(all, before[0]) && before[0] != "" {
			t.Fatalf("%s: %d addresses, want 20 and nothing of the erased", name, len(after))
		}
		for i := 0; i < len(after); i += 2 {
			if after[i] != "" || after[i+1] == "" {
				t.Errorf("%s: the erased is %q, the other %q", name, after[i], after[i+1])
			}
		}
		return after[1]
	}
	if ben := want("after.jsonl"); ben != before[1] {
		t.Errorf("the other was %q and is %q", before[1], ben)
	}
	if got := l.run("ann.lee@example.com ben@example.com\n", "mask", "--tenant", "acme", "-"); got != "[EMAIL_ADDRESS] [EMAIL_ADDRESS"+before[1]+"]\n" {
		t.Errorf("mask as the exports do: %s", got)
	}
	// A key store from before the erasure has no list of pseudonyms.
	l.putKeyStore(old)
	if ben := want("restored.jsonl"); ben != before[1] {
		t.Errorf("with the restored key store the other was %q and is %q", before[1], ben)
	}
	// Under another key the list, if it is there, names nobody.
	l.run("", "keys", "rotate", "--pseudonyms", "--tenant", "acme")
	if ben := want("rotated.jsonl"); ben == before[1] {
		t.Errorf("the key was rotated, the other is still %q", ben)
	}
	// Of a tenant that was erased, too, the fences compare with nothing; the
	// tenant begins anew and can be exported.
	l.run("", "approve", strings.TrimSpace(l.run("", "erase", "--tenant", "acme")))
	for _, name := range []string{"erased.jsonl", "again.jsonl"} {
		if all, after := export(name); len(after) != 20 || strings.Contains(all, "ann.lee") || strings.Contains(all, before[0]) {
			t.Errorf("%s: %q", name, after)
		}
	}
}

// TestRotatePseudonyms: a tenant's pseudonyms are others after a rotation, which
// the log and the manifests tell; who was erased before it stays erased, in every
// spelling that was one pseudonym.
func TestRotatePseudonyms(t *testing.T) {
	t.Parallel()
	l := newTestLog(t, 0)
	event := `{"timestamp":"2025-01-02T03:04:05Z","event_type":"login","user_id":"Ann.Lee@Example.com","tenant_id":"TENANT","resource_type":"door","resource_id":"d","action":"open","outcome":"success","details":{}}` + "\n"
	l.run(strings.ReplaceAll(event, "TENANT", "acme")+strings.ReplaceAll(event, "TENANT", "globex"), "append", "-q")
	l.run("", "keys", "operator", "add", "bob")
	db := filepath.Join(t.TempDir(), "runs.db")
	l.run("", "sample", "runs", "--rows", "2", "--sqlite", db)
	execSQLite(t, db, `UPDATE workflow_runs SET tenant_id = CASE WHEN rowid = 1 THEN 'acme' ELSE 'globex' END, metadata = '{}', error_message = 'ann.lee@example.com ben@example.com'`)
	export := func(tenant string) (message, key string) {
		t.Helper()
		out := filepath.Join(t.TempDir(), "runs.jsonl")
		l.run("", "export", "--sqlite", db, "--tenant", tenant, "--out", out)
		var row struct {
			Message string `json:"error_message"`
		}
		var m struct {
			Dataset struct {
				Masks struct {
					KeyIDs []string `json:"key_ids"`
				}
			}
		}
		if err := errors.Join(json.Unmarshal(read(t, out), &row), json.Unmarshal(read(t, out+".manifest.json"), &m)); err != nil {
			t.Fatal(err)
		}
		return row.Message, strings.Join(m.Dataset.Masks.KeyIDs, ",")
	}
	before, oldKey := export("acme")
	other, otherKey := export("globex")
	if before == other || oldKey == otherKey {
		t.Errorf("two tenants have the pseudonyms %s and the key %s", before, oldKey)
	}
	l.run("", "approve", strings.TrimSpace(l.run("", "erase", "--tenant", "acme", "--subject", "Ann.Lee@Example.com")))
	erased, key := export("acme")
	if want := "[EMAIL_ADDRESS]" + before[strings.Index(before, " "):]; erased != want || key != oldKey {
		t.Errorf("after the erasure: %s under %s, want %s under %s", erased, key, want, oldKey)
	}
	for n := range 2 {
		l.run("", "keys", "rotate", "--pseudonyms", "--tenant", "acme")
		after, newKey := export("acme")
		if !strings.HasPrefix(after, "[EMAIL_ADDRESS] [EMAIL_ADDRESS:") || after == erased || newKey == key {
			t.Errorf("rotation %d: %s under %s, before it was %s under %s", n+1, after, newKey, erased, key)
		}
		said := l.run("", "search", "--tenant", "acme", "--event-type", "pseudonyms.rotated", "--json")
		if !strings.Contains(said, `"key_id":"`+newKey+`"`) || !strings.Contains(said, `"previous_key_id":"`+key+`"`) {
			t.Errorf("rotation %d in the log: %s", n+1, said)
		}
		erased, key = after, newKey
	}
	if same, sameKey := export("globex"); same != other || sameKey != otherKey {
		t.Errorf("the other tenant's were %s, and are %s", other, same)
	}
	if started := l.run("", "search", "--tenant", "acme", "--event-type", "pseudonyms.rotation.started", "--json"); strings.Count(started, oldKey) == 0 {
		t.Errorf("the beginning in the log: %s", started)
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
