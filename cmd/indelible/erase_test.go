package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"indelible"
	"indelible/internal/datadir"
	"indelible/internal/recorder"
)

// TestErasure is the walk-through of docs/operations.md on generated events and,
// where there is one, on a real CloudTrail.
func TestErasure(t *testing.T) {
	t.Parallel()
	t.Run("generated", func(t *testing.T) {
		t.Parallel()
		eraseMostActive(t, newTestLog(t, 400))
	})
	t.Run("cloudtrail", func(t *testing.T) {
		t.Parallel()
		dir := filepath.Join("..", "..", "..", "shared", "data", "cloudtrail")
		if _, err := os.Stat(dir); err != nil {
			t.Skipf("no real logs here: %v", err)
		}
		l := newTestLog(t, 0)
		l.run("", "append", "-q", "--from", "cloudtrail", dir)
		eraseMostActive(t, l)
	})
}

// eraseMostActive erases the person with the most events, and then tries what
// could bring the person back.
func eraseMostActive(t *testing.T, l *testLog) {
	tenant, person, records := l.mostActive()
	l.run("", "keys", "operator", "add", "bob")
	old := l.copyKeyStore()
	before := l.checkpoint()
	l.run("", "search", "--tenant", tenant, "--limit", "1") // so that there is an index
	id := strings.TrimSpace(l.run("", "erase", "--tenant", tenant, "--subject", person))
	l.wantGone(person) // also from the proposal
	var certificate struct {
		State  string
		Keys   int
		Counts struct{ Records int }
	}
	if err := json.Unmarshal([]byte(l.run("", "approve", id)), &certificate); err != nil {
		t.Fatal(err)
	}
	if certificate.Counts.Records != len(records) || certificate.Keys == 0 || certificate.State != "final" {
		t.Errorf("want %d records, got %+v", len(records), certificate)
	}
	l.wantErased(person, records)
	l.run("", "verify", "--trusted", before)
	for line := range strings.SplitSeq(l.run("", "tail", "--json", "-n", "100000"), "\n") {
		var e struct{ Event *indelible.Event }
		if json.Unmarshal([]byte(line), &e) == nil && e.Event != nil && e.Event.TenantID == tenant && e.Event.UserID == person {
			t.Fatalf("tail shows %s", line)
		}
	}

	// A copy of the key store from before the fence opens nothing again, whoever
	// reads first, and a writer destroys the keys in it.
	l.putKeyStore(old)
	l.wantErased(person, records)
	later := &indelible.Event{}
	if err := json.Unmarshal(records[0], later); err != nil {
		t.Fatal(err)
	}
	later.ID, later.Details = "01234567-89ab-4cde-8f01-23456789abcd", json.RawMessage(`{}`)
	l.run(string(later.AppendJSON(nil)), "append", "-q")
	l.wantErased(person, append(records, later.AppendJSON(nil)))
	l.putKeyStore(old)
	l.run("", "append", "-q") // nothing: only a writer that starts
	l.wantErased(person, records)
	l.run("", "verify", "--trusted", before)
	l.wantGone(person)
}

// mostActive is the person with the most events, and these.
func (l *testLog) mostActive() (tenant, person string, records [][]byte) {
	l.Helper()
	byPerson := make(map[[2]string][][]byte)
	var most [2]string
	for line := range strings.SplitSeq(strings.TrimSpace(l.run("", "tail", "--json", "-n", "100000")), "\n") {
		var e struct {
			Event json.RawMessage
			Index uint64
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			l.Fatal(err)
		}
		event, err := indelible.ParseStoredEvent(e.Event)
		if err != nil || event.UserID == "" {
			continue
		}
		who := [2]string{event.TenantID, event.UserID}
		byPerson[who] = append(byPerson[who], e.Event)
		if len(byPerson[who]) > len(byPerson[most]) {
			most = who
		}
	}
	if len(byPerson) < 2 {
		l.Fatalf("%d persons in the log", len(byPerson))
	}
	return most[0], most[1], byPerson[most]
}

// checkpoint keeps the checkpoint as it is now.
func (l *testLog) checkpoint() string {
	l.Helper()
	b, err := os.ReadFile(filepath.Join(l.dir, "store", "audit-logs", "checkpoint"))
	if err != nil {
		l.Fatal(err)
	}
	name := filepath.Join(l.TempDir(), "checkpoint")
	if err := os.WriteFile(name, b, 0o600); err != nil {
		l.Fatal(err)
	}
	return name
}

func (l *testLog) copyKeyStore() []byte {
	l.Helper()
	b, err := os.ReadFile(filepath.Join(l.dir, "keys", "keys.db"))
	if err != nil {
		l.Fatal(err)
	}
	return b
}

func (l *testLog) putKeyStore(b []byte) {
	l.Helper()
	path := filepath.Join(l.dir, "keys", "keys.db")
	for _, name := range []string{path + "-wal", path + "-shm"} {
		os.Remove(name)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		l.Fatal(err)
	}
}

// wantErased demands of a person's events that the skeleton is shown and the
// person is not.
func (l *testLog) wantErased(person string, records [][]byte) {
	l.Helper()
	for _, record := range []([]byte){records[0], records[len(records)/2], records[len(records)-1]} {
		event, err := indelible.ParseStoredEvent(record)
		if err != nil {
			l.Fatal(err)
		}
		id := event.ID
		index := l.indexOf(event)
		text := l.run("", "show", index)
		if !strings.Contains(text, event.EventType) || !strings.Contains(text, "erased") || strings.Contains(text, person) || strings.Contains(text, id) {
			l.Errorf("%s is shown as\n%s", id, text)
		}
	}
}

// indexOf finds an event by its id, which nobody reads any more, through its
// reference.
func (l *testLog) indexOf(e *indelible.Event) string {
	l.Helper()
	var found struct{ Index json.Number }
	if err := json.Unmarshal([]byte(l.run("", "show", "--tenant", e.TenantID, "--json", e.ID)), &found); err != nil {
		l.Fatal(err)
	}
	return found.Index.String()
}

// wantGone looks for a person's name on the disk: in the clear, in base64 and in
// hex, and for its plain hashes.
func (l *testLog) wantGone(person string) {
	l.Helper()
	sum := sha256.Sum256([]byte(person))
	needles := map[string][]byte{"clear": []byte(person), "hash": sum[:]}
	for name, b := range map[string][]byte{"of the name": []byte(person), "of its hash": sum[:]} {
		needles["hex "+name] = []byte(hex.EncodeToString(b))
		for shift := range 3 { // wherever it begins in what was encoded
			text := base64.StdEncoding.EncodeToString(append(make([]byte, shift), b...))
			text = text[(shift*8+5)/6:]
			needles["base64 "+name+string(rune('0'+shift))] = []byte(text[:len(text)/4*4-4])
		}
	}
	err := filepath.WalkDir(l.dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		for what, needle := range needles {
			if bytes.Contains(b, needle) {
				l.Errorf("%s holds %s in %s", name, person, what)
			}
		}
		return nil
	})
	if err != nil {
		l.Fatal(err)
	}
}

// TestGovernThroughHolder: another process has the directory. What is decided
// goes to it over its socket, and its keys are gone at once.
func TestGovernThroughHolder(t *testing.T) {
	t.Parallel()
	l := newTestLog(t, 100)
	tenant, person, records := l.mostActive()
	a := &app{stdout: io.Discard, stderr: io.Discard, env: l.env, dir: l.dir}
	d, err := datadir.Open(t.Context(), l.dir, l.env)
	if err != nil {
		t.Fatal(err)
	}
	holder, err := a.openForWriting(t.Context(), d, writeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := holder.Close(); err != nil {
			t.Error(err)
		}
	}()
	l.run("", "keys", "operator", "add", "bob")
	hold := strings.TrimSpace(l.run("", "hold", "add", "--tenant", tenant, "--subject", person, "--reason", "a case"))
	if _, code := l.exit("", "erase", "--tenant", tenant, "--subject", person); code != exitFailure {
		t.Errorf("held, and erased: exit code %d", code)
	}
	l.run("", "approve", strings.TrimSpace(l.run("", "hold", "lift", hold)))
	l.run("", "retention", "run")
	l.run("", "approve", strings.TrimSpace(l.run("", "erase", "--tenant", tenant, "--subject", person)))
	l.wantErased(person, records)
	// The holder seals what comes now with a key nobody keeps.
	later := &indelible.Event{}
	if err := json.Unmarshal(records[0], later); err != nil {
		t.Fatal(err)
	}
	later.ID = "01234567-89ab-4cde-8f01-23456789abcd"
	if _, _, err := holder.Record(t.Context(), []*indelible.Event{later}, recorder.Options{AwaitStore: true}); err != nil {
		t.Fatal(err)
	}
	if err := holder.settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.wantErased(person, append(records, later.AppendJSON(nil)))
	l.run("", "verify")
}

// TestProposalThatLies: who approves signs for a reference, and is told a name.
// One that does not belong to it is found out.
func TestProposalThatLies(t *testing.T) {
	t.Parallel()
	l := newTestLog(t, 100)
	tenant, person, _ := l.mostActive()
	l.run("", "keys", "operator", "add", "bob")
	id := strings.TrimSpace(l.run("", "erase", "--tenant", tenant, "--subject", person))
	a := &app{stdout: io.Discard, stderr: io.Discard, env: l.env, dir: l.dir}
	d, err := datadir.Open(t.Context(), l.dir, l.env)
	if err != nil {
		t.Fatal(err)
	}
	proposals, err := a.openProposals(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	list, err := proposals.List()
	if err != nil || len(list) != 1 {
		t.Fatalf("%d proposals, %v", len(list), err)
	}
	list[0].About.Subject = "somebody-else"
	if err := proposals.Write(list[0]); err != nil {
		t.Fatal(err)
	}
	if out, code := l.exit("", "approve", id); code != exitFailure {
		t.Errorf("approved: exit code %d, %s", code, out)
	}
}
