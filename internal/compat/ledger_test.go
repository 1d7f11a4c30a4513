package compat

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"indelible"
)

// report is what is read of `verify --json`.
type report struct {
	Result  string `json:"result"`
	Events  int    `json:"events"`
	Tenants int    `json:"tenants"`
}

func (u *user) verify() report {
	u.t.Helper()
	var r report
	if err := json.Unmarshal([]byte(u.must("", "verify", "--json")), &r); err != nil {
		u.t.Fatal(err)
	}
	return r
}

func stored(t *testing.T, from, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(from, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

const more = `{"id":"0192c5a0-0000-7000-8000-000000000009","timestamp":"2024-10-26T09:00:00Z","event_type":"data_access","user_id":"maria@acme.example","tenant_id":"acme","resource_type":"dataset","resource_id":"ds-7","action":"read","outcome":"success"}
`

// TestLedgerV1: a ledger of format version 1 verifies, says what it said, goes
// on with what waits in its journal, takes new events and verifies again.
func TestLedgerV1(t *testing.T) {
	t.Parallel()
	for _, from := range []string{v1, v1Sealed} {
		t.Run(filepath.Base(from), func(t *testing.T) {
			t.Parallel()
			goesOn(t, from)
		})
	}
}

func goesOn(t *testing.T, from string) {
	u := copyLedger(t, filepath.Join(from, "ledger"))
	if r := u.verify(); r != (report{"ok", 6, 2}) {
		t.Fatalf("as it was stored: %+v", r)
	}
	events := strings.Split(strings.TrimSpace(stored(t, from, "events.jsonl")), "\n")
	if len(events) != 6 {
		t.Fatalf("%d events are stored", len(events))
	}
	for _, line := range events {
		u.wantShown(line)
	}
	u.must("", "check", filepath.Join(from, "receipts.jsonl"))
	u.must("", "check", filepath.Join(from, "waiting.jsonl")) // pending: the log is older than the promise

	u.must(more, "append", "--quiet")
	u.must(strings.Join(events, "\n"), "append", "--quiet") // repeats
	if r := u.verify(); r != (report{"ok", 9, 3}) {
		t.Fatalf("after new events: %+v", r)
	}
	for _, line := range strings.Split(strings.TrimSpace(generatedWaiting+more), "\n") {
		u.wantShown(line)
	}
	u.must("", "check", filepath.Join(from, "receipts.jsonl"))
	u.must("", "check", filepath.Join(from, "waiting.jsonl"))
}

// wantShown fails the test unless the ledger holds the event of a line of JSON.
func (u *user) wantShown(line string) {
	u.t.Helper()
	e, err := indelible.ParseEvent([]byte(line))
	if err != nil {
		u.t.Fatal(err)
	}
	var got struct {
		Event json.RawMessage `json:"event"`
	}
	if err := json.Unmarshal([]byte(u.must("", "show", "--json", "--tenant", e.TenantID, e.ID)), &got); err != nil {
		u.t.Fatal(err)
	}
	if want := string(e.AppendJSON(nil)); string(got.Event) != want {
		u.t.Errorf("the ledger shows\n%s\nwant\n%s", got.Event, want)
	}
}

// TestEvidenceV1: evidence handed out once checks for ever, with the key alone.
func TestEvidenceV1(t *testing.T) {
	t.Parallel()
	u := &user{t: t, home: t.TempDir(), dir: filepath.Join(t.TempDir(), "none")}
	for _, from := range []string{v1, v1Sealed} {
		u.checks(from)
	}
}

func (u *user) checks(from string) {
	u.t.Helper()
	key := filepath.Join(from, "ledger", "log.vkey")
	for name, want := range map[string]string{
		"event.json": `"proves":"event"`, "without-person.json": `"withheld_parts":1`, "complete.json": `"leaves":5`,
		"receipts.jsonl": `"proves":"receipt"`, "waiting.jsonl": `"proves":"receipt"`,
	} {
		if out := u.must("", "check", "--json", "--key", key, filepath.Join(from, name)); !strings.Contains(out, want) {
			u.t.Errorf("%s: no %s in\n%s", name, want, out)
		}
	}
}
