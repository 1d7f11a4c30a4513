package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"indelible/internal/runs/postgres"
	"indelible/internal/runs/postgres/pgtest"
	"indelible/internal/runs/sample"
	"indelible/internal/store/s3/s3test"
)

// exporter is a machine with a ledger and a database of sample runs.
type exporter struct {
	*machine
	cluster  *pgtest.Cluster
	database string
	out      string // a folder for what is exported
}

func newExporter(t *testing.T, rows int, env map[string]string) *exporter {
	t.Helper()
	c, err := pgtest.Start()
	if err != nil {
		t.Fatal(err)
	}
	return newExporterFrom(t, c, rows, env)
}

// newExporterFrom is newExporter with a cluster of its own, which it stops.
func newExporterFrom(t *testing.T, c *pgtest.Cluster, rows int, env map[string]string) *exporter {
	t.Helper()
	t.Cleanup(func() { c.Stop() })
	x := &exporter{machine: newMachine(t, env), cluster: c, database: c.NewDatabase(t), out: t.TempDir()}
	x.env["POSTGRES_DSN"] = c.DSN(x.database, "")
	source, err := postgres.New(postgres.Config{DSN: x.env["POSTGRES_DSN"]})
	if err != nil {
		t.Fatal(err)
	}
	if err := source.Fill(t.Context(), sample.Runs(7, rows), `{"seed":7}`); err != nil {
		t.Fatal(err)
	}
	x.run("init", "--origin", "test.example/log").want(exitOK)
	return x
}

func (x *exporter) path(name string) string { return filepath.Join(x.out, name) }

// export exports everything, as the superuser, unless args say otherwise.
func (x *exporter) export(out string, args ...string) output {
	x.t.Helper()
	if !strings.HasPrefix(out, "s3://") {
		out = x.path(out)
	}
	return x.run(append([]string{"export", "--mask", "off", "--no-rls", "--out", out}, args...)...)
}

func TestExport(t *testing.T) {
	t.Parallel()
	x := newExporter(t, 3000, nil)
	report := x.path("report.txt")
	x.export("runs.jsonl", "--all-tenants", "--report", report).want(exitOK, "rows        3000 in 1 file", "masks       none", "guarantee")
	b, err := os.ReadFile(x.path("runs.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(b, []byte("\n")); n != 3000 {
		t.Errorf("%d lines", n)
	}
	for line := range bytes.SplitSeq(bytes.TrimSpace(b), []byte("\n")) {
		var row struct {
			ID       string          `json:"id"`
			Metadata json.RawMessage `json:"metadata"`
			Version  int             `json:"_export_version"`
		}
		if err := json.Unmarshal(line, &row); err != nil || row.ID == "" || row.Version != 1 {
			t.Fatalf("%s: %v", line, err)
		}
	}
	x.run("dataset", "verify", x.path("runs.jsonl")).want(exitOK, "result      ok", "proved by ledger and evidence")
	key := filepath.Join(x.dir, "log.vkey")
	offline := newMachine(t, nil)
	offline.run("dataset", "verify", "--offline", "--key", key, x.path("runs.jsonl")).want(exitOK, "proved by evidence")
	offline.run("check", "--key", key, x.path("runs.jsonl.evidence.json")).want(exitOK, "dataset.exported")
	offline.run("dataset", "verify", x.path("runs.jsonl")).want(exitUnverified)
	if text, err := os.ReadFile(report); err != nil || !strings.Contains(string(text), "Verification") || !strings.Contains(string(text), "result      ok") {
		t.Errorf("report: %v\n%s", err, text)
	}
	x.export("runs.jsonl", "--all-tenants").want(exitFailure, "--overwrite")
	x.run("verify").want(exitOK)

	x.export("none.jsonl", "--tenant", `o'brien "x" -- \`).want(exitOK, "rows        0 in 1 file")
	x.export("limit0.jsonl", "--tenant", "acme", "--limit", "0").want(exitOK, "rows        0 in 1 file")
	x.run("dataset", "verify", x.path("none.jsonl")).want(exitOK)
	x.export("data", "--tenant", "acme", "--tenant", "globex").want(exitOK)
	x.run("dataset", "verify", x.path("data")).want(exitOK)
	b[len(b)/2] ^= 1
	if err := os.WriteFile(x.path("runs.jsonl"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	x.run("dataset", "verify", x.path("runs.jsonl")).want(exitTampered, "runs.jsonl: is not what the manifest says")
}

func TestExportUsage(t *testing.T) {
	t.Parallel()
	m := newMachine(t, nil)
	out := filepath.Join(t.TempDir(), "runs.jsonl")
	m.run("export", "--tenant", "acme", "--mask", "off").want(exitUsage, "--out")
	m.run("export", "--out", out, "--mask", "off").want(exitUsage, "--tenant")
	m.run("export", "--out", out, "--tenant", "acme", "--mask", "some").want(exitUsage, "pseudonym, redact or off")
	m.run("export", "--out", out, "--tenant", "acme", "--mask", "off", "--since", "yesterday").want(exitUsage, "--since")
	m.run("export", "--out", out, "--tenant", "acme", "--mask", "off").want(exitNoLedger, "init")
	m.run("init", "--origin", "test.example/log").want(exitOK)
	m.run("export", "--out", out, "--tenant", "acme", "--mask", "off").want(exitUsage, "POSTGRES_DSN")
	m.run("dataset", "verify", out).want(exitUsage, "manifest")
	if _, err := os.Stat(out); err == nil {
		t.Error("something was written")
	}
}

// TestExportForms: to a bucket and to a folder, in every form, from SQLite.
func TestExportForms(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	bucket := server.NewBucket(t, false)
	m := newMachine(t, map[string]string{
		"S3_ENDPOINT": server.Endpoint, "S3_REGION": server.Region, "S3_ACCESS_KEY": server.AccessKey, "S3_SECRET_KEY": server.SecretKey,
	})
	dir := t.TempDir()
	m.run("init", "--origin", "test.example/log").want(exitOK)
	db := filepath.Join(dir, "runs.db")
	m.run("sample", "runs", "--rows", "5000", "--seed", "3", "--sqlite", db).want(exitOK)
	digest := ""
	for _, out := range []string{
		"runs.jsonl", "runs.jsonl.zst", "runs.jsonl.gz", "runs.parquet", "data",
		"s3://" + bucket + "/exports/runs.jsonl", "s3://" + bucket + "/exports/runs.parquet", "s3://" + bucket + "/data",
	} {
		if !strings.HasPrefix(out, "s3://") {
			out = filepath.Join(dir, out)
		}
		args := []string{"export", "--mask", "off", "--all-tenants", "--sqlite", db, "--out", out}
		var made exportedJSON
		if err := json.Unmarshal([]byte(m.run(append(args, "--json")...).want(exitOK).out), &made); err != nil {
			t.Fatal(err)
		}
		if made.Rows != 5000 || !made.Evidence || digest != "" && made.ContentDigest != digest {
			t.Errorf("%s: %+v", out, made)
		}
		digest = made.ContentDigest
		m.run("dataset", "verify", out).want(exitOK, "result      ok", "rows        5000")
		m.run("dataset", "verify", "--offline", out).want(exitOK, "proved by evidence")
		m.run(args...).want(exitFailure, "--overwrite")
		m.run(append(args, "--overwrite")...).want(exitOK)
		m.run("dataset", "verify", out).want(exitOK)
	}
	m.run("export", "--mask", "off", "--all-tenants", "--sqlite", filepath.Join(dir, "absent.db"), "--out", filepath.Join(dir, "x.jsonl")).want(exitUsage)
}

// TestExportChain: a chain over PostgreSQL with revisions, read back, compared
// and deleted.
func TestExportChain(t *testing.T) {
	t.Parallel()
	x := newExporter(t, 2000, nil)
	x.run("runs", "migrate", "--apply").want(exitOK)
	chain := func() exportedJSON {
		t.Helper()
		var made exportedJSON
		if err := json.Unmarshal([]byte(x.export("chain", "--all-tenants", "--incremental", "nightly", "--include-running", "--json").want(exitOK).out), &made); err != nil {
			t.Fatal(err)
		}
		return made
	}
	if made := chain(); made.Rows != 2000 || made.Sequence != 1 || !strings.Contains(made.Guarantee, "exactly one") {
		t.Errorf("%+v", made)
	}
	x.cluster.SQL(t, x.database, "UPDATE workflow_runs SET error_message = 'seen later' WHERE id IN (SELECT id FROM workflow_runs ORDER BY id LIMIT 30)")
	if made := chain(); made.Rows != 30 || made.Sequence != 2 {
		t.Errorf("%+v", made)
	}
	if made := chain(); made.Rows != 0 {
		t.Errorf("%+v", made)
	}
	x.run("dataset", "verify", x.path("chain")).want(exitOK, "3 links")
	if out := x.run("dataset", "latest", x.path("chain")).want(exitOK).out; strings.Count(out, "\n") != 2000 || strings.Count(out, "seen later") != 30 {
		t.Errorf("%d lines", strings.Count(out, "\n"))
	}
	x.run("dataset", "latest", x.path("chain"), "--out", x.path("latest.jsonl")).want(exitOK, "2000 rows")
	x.export("whole.parquet", "--all-tenants").want(exitOK)
	x.run("dataset", "diff", x.path("chain"), x.path("whole.parquet")).want(exitOK, "same        2000")
	x.cluster.SQL(t, x.database, "DELETE FROM workflow_runs WHERE error_message = 'seen later'")
	x.export("fewer.jsonl", "--all-tenants").want(exitOK)
	x.run("dataset", "diff", "--json", x.path("whole.parquet"), x.path("fewer.jsonl")).want(exitFailure, `"removed":30`, `"same":1970`)
	x.export("chain", "--tenant", "acme", "--incremental", "nightly").want(exitUsage, "same options")
	x.export("backwards.jsonl", "--all-tenants", "--since", "2025-01-02", "--until", "2025-01-01").want(exitUsage, "--until is not after --since")
	x.run("dataset", "purge", x.path("chain")).want(exitOK, "manifests/00000003.json", "nothing was deleted")
	x.run("dataset", "purge", "--apply", x.path("chain")).want(exitOK)
	x.run("dataset", "verify", x.path("chain")).want(exitUsage)
	x.run("verify").want(exitOK)
}

// writers write into the table, with transactions that commit late and in any
// order, until they are stopped.
func (x *exporter) writers() (stop func()) {
	var writers sync.WaitGroup
	done := make(chan struct{})
	for w := range 3 {
		writers.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				default:
				}
				sql := fmt.Sprintf(`BEGIN; UPDATE workflow_runs SET error_message = 'writer %d, %d' WHERE abs(hashtext(id)) %% 37 = %d; SELECT pg_sleep(%d * 0.05);
					INSERT INTO workflow_runs SELECT 'new-%d-%d', tenant_id, workflow_name, workflow_version, status, started_at, completed_at, duration_ms, steps_completed, steps_total,
						error_message, metadata, created_at FROM (SELECT * FROM workflow_runs LIMIT 1) one; COMMIT`, w, n, (w*11+n)%37, w*n%4, w, n)
				if out, err := x.cluster.PSQL(x.cluster.DSN(x.database, ""), sql); err != nil && !strings.Contains(err.Error(), "deadlock detected") { // of two of them, which is then undone
					x.t.Errorf("%v: %s", err, out)
					return
				}
			}
		})
	}
	return func() { close(done); writers.Wait() }
}

// TestExportChainWhileWriting: transactions commit late, in any order, while
// links are made. Together the links hold the last revision of every row.
func TestExportChainWhileWriting(t *testing.T) {
	t.Parallel()
	x := newExporter(t, 1000, nil)
	x.run("runs", "migrate", "--apply").want(exitOK)
	stop := x.writers()
	link := func() {
		x.export("chain", "--all-tenants", "--incremental", "nightly", "--include-running").want(exitOK)
	}
	for range 6 {
		link()
	}
	stop()
	link()
	x.export("whole.jsonl", "--all-tenants").want(exitOK)
	x.run("dataset", "diff", x.path("chain"), x.path("whole.jsonl")).want(exitOK, "changed     0", "added       0", "removed     0")
	x.run("dataset", "verify", x.path("chain")).want(exitOK, "7 links")
}
