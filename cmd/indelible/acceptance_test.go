package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"indelible"
	"indelible/internal/store/s3/s3test"
)

// TestAcceptance is what an auditor asks for: that every record of a log in a
// real bucket has the hash it was given, and that an export of workflow runs
// from a real PostgreSQL exists and verifies. `make acceptance` keeps what it
// writes: ACCEPTANCE_DIR names the folder.
func TestAcceptance(t *testing.T) {
	dir := os.Getenv("ACCEPTANCE_DIR")
	if dir == "" {
		t.Parallel()
		dir = t.TempDir()
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	server := s3test.Start(t)
	bucket := server.NewBucket(t, true)
	x := newExporter(t, 5000, map[string]string{
		"S3_AUDIT_BUCKET": bucket, "S3_ENDPOINT": server.Endpoint, "S3_REGION": server.Region,
		"S3_ACCESS_KEY": server.AccessKey, "S3_SECRET_KEY": server.SecretKey,
	})
	integrity(t, x, filepath.Join(dir, "Audit_LogIntegrity.log"))
	etl(t, x, filepath.Join(dir, "Audit_ETL.log"))
}

// integrity records events, reads each back from the bucket with its proof,
// and computes its hash again.
func integrity(t *testing.T, x *exporter, report string) {
	const events = 2000
	sample := x.run("sample", "events", "--rows", fmt.Sprint(events)).want(exitOK).out
	x.runWith(sample, "append", "--quiet").want(exitOK)
	verified := x.path("verify.txt")
	x.run("verify", "--report", verified).want(exitOK, "result      ok")
	matched := 0
	for line := range strings.Lines(x.run("tail", "-n", "1000000", "--json").want(exitOK).out) {
		var e struct{ Event json.RawMessage }
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		if len(e.Event) == 0 {
			continue
		}
		// Parsing computes the hash and compares it with details.audit_hash.
		event, err := indelible.ParseStoredEvent(e.Event)
		if err != nil || !bytes.Contains(e.Event, []byte(indelible.Hash(event.AuditHash()).String())) {
			t.Fatalf("%s: %v", e.Event, err)
		}
		matched++
	}
	if matched < events {
		t.Fatalf("%d records have their hash, want %d", matched, events)
	}
	text, err := os.ReadFile(verified)
	if err != nil {
		t.Fatal(err)
	}
	text = fmt.Appendf(text, "\nSHA-256 of every record computed again: %d of %d match\nRESULT: PASS\n", matched, matched)
	write(t, report, text)
}

// etl exports one tenant through the policy that keeps tenants apart, and
// compares the file with the database by another way.
func etl(t *testing.T, x *exporter, report string) {
	x.run("runs", "migrate", "--apply").want(exitOK)
	x.cluster.SQL(t, x.database, "CREATE ROLE neuralops LOGIN IN ROLE indelible_export")
	x.env["POSTGRES_DSN"] = x.cluster.DSN(x.database, "neuralops")
	out, text := x.path("workflow_runs.jsonl"), x.path("export.txt")
	x.run("export", "--mask", "off", "--tenant", "acme", "--out", out, "--report", text).want(exitOK, "masks       none")
	x.run("dataset", "verify", out).want(exitOK, "result      ok")
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.TrimSpace(x.cluster.SQL(t, x.database, "SELECT count(*) FROM workflow_runs WHERE tenant_id = 'acme'"))
	rows := bytes.Count(b, []byte("\n"))
	if fmt.Sprint(rows) != want || rows == 0 || bytes.Count(b, []byte(`"tenant_id":"acme"`)) != rows {
		t.Fatalf("%d rows, the database has %s", rows, want)
	}
	said, err := os.ReadFile(text)
	if err != nil {
		t.Fatal(err)
	}
	said = fmt.Appendf(said, "\nRows in the database by psql: %s; lines in the file: %d\nRESULT: PASS\n", want, rows)
	write(t, report, said)
}

func write(t *testing.T, name string, text []byte) {
	t.Helper()
	if err := os.WriteFile(name, text, 0o644); err != nil {
		t.Fatal(err)
	}
}
