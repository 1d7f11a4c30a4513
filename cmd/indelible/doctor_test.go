package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"indelible"
	"indelible/internal/datadir"
	"indelible/internal/ledger"
	"indelible/internal/recorder"
	"indelible/internal/store/s3/s3test"
)

// diagnose runs doctor and reads what it found.
func (m *machine) diagnose(code int, args ...string) diagnosis {
	m.t.Helper()
	o := m.run(append([]string{"doctor", "--json"}, args...)...).want(code)
	var d diagnosis
	if err := json.Unmarshal([]byte(o.out), &d); err != nil {
		m.t.Fatal(err)
	}
	if d.OK != (code == exitOK) {
		m.t.Errorf("ok %v with exit code %d", d.OK, code)
	}
	return d
}

// wantWrong fails the test unless exactly these findings are wrong, each with a hint.
func (d diagnosis) wantWrong(t *testing.T, names ...string) {
	t.Helper()
	var wrong []string
	for _, f := range d.Findings {
		if f.OK {
			continue
		}
		wrong = append(wrong, f.Name)
		if f.Hint == "" || f.Detail == "" {
			t.Errorf("%s: %q without a hint", f.Name, f.Detail)
		}
	}
	if fmt.Sprint(wrong) != fmt.Sprint(names) {
		t.Errorf("wrong are %v, want %v\n%+v", wrong, names, d.Findings)
	}
}

// TestDoctor: a sound directory is sound, and each thing that is not is named.
func TestDoctor(t *testing.T) {
	t.Parallel()
	m := newMachine(t, nil)
	m.run("doctor").want(exitNoLedger)
	m.run("init").want(exitOK)
	m.runWith(sampleLines(0, 20), "append").want(exitOK)
	d := m.diagnose(exitOK)
	if len(d.Guarantees) == 0 || !strings.Contains(strings.Join(d.Limits, " "), "A directory cannot lock") {
		t.Errorf("promises %q, limits %q", d.Guarantees, d.Limits)
	}
	m.run("doctor").want(exitOK, "This store promises:", "It does not promise:")
	m.run("doctor", "--iam").want(exitUsage, "its own directory")
	m.run("doctor", "--iam", "--bucket-policy").want(exitUsage)
	m.wantClean(20) // the probes leave nothing

	change := func(what string, f func(dir string) error, wrong ...string) {
		t.Helper()
		c := m.copy()
		if err := f(c.dir); err != nil {
			t.Fatal(err)
		}
		t.Log(what)
		c.diagnose(exitFailure).wantWrong(t, wrong...)
	}
	change("a key others can read", func(dir string) error { return os.Chmod(filepath.Join(dir, "keys", "id.key"), 0o644) }, "keys")
	change("no log key", func(dir string) error { return os.Remove(filepath.Join(dir, "keys", "log.key")) }, "keys", "public key")
	change("no mark", func(dir string) error { return os.Remove(filepath.Join(dir, "keys", "signed.json")) }, "largest tree signed")
	change("no public key", func(dir string) error { return os.Remove(filepath.Join(dir, "log.vkey")) }, "public key")
	change("fenced", func(dir string) error {
		return os.WriteFile(filepath.Join(dir, "journal", "fenced"), []byte("segment 7 was written by another"), 0o600)
	}, "fence")
	change("checkpoint gone", func(dir string) error {
		return os.Remove(filepath.Join(dir, "store", "audit-logs", "checkpoint"))
	}, "log")
	m.runWith(sampleLines(20, 1), "append").want(exitOK)
	change("rolled back", func(dir string) error {
		return os.WriteFile(filepath.Join(dir, "keys", "signed.json"), []byte(`{"size":1000,"root":"`+strings.Repeat("00", 32)+`"}`), 0o600)
	}, "largest tree signed")

	// While another process writes, its journal is left alone.
	lock, err := datadir.TryLock(m.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release()
	m.run("doctor").want(exitOK, "another process is writing")
}

// TestDoctorJournal: damage in the journal holds commits up until it is set
// aside, by name; what is left goes to the store.
func TestDoctorJournal(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	m := s3Machine(t, server, server.NewBucket(t, true))
	m.run("init").want(exitOK)
	server.Stop()
	m.runWith(sampleLines(0, 1500), "append", "--ack", "journal").want(exitOK, "1500 in the journal only")
	m.diagnose(exitFailure).wantWrong(t, "store: settings", "store: write and read")
	names, err := filepath.Glob(filepath.Join(m.dir, "journal", "*.journal"))
	if err != nil || len(names) != 1 {
		t.Fatalf("%v, %v", names, err)
	}
	b := m.read(names[0])
	b[300] ^= 1 // in the first group
	if err := os.WriteFile(names[0], b, 0o600); err != nil {
		t.Fatal(err)
	}
	server.Start()
	m.runWith("", "append").want(exitFailure, "damaged", "doctor --journal")
	m.diagnose(exitFailure).wantWrong(t, "journal")
	d := m.diagnose(exitOK, "--journal")
	if len(d.Quarantined) != 1 || d.Quarantined[0].Length == 0 {
		t.Fatalf("set aside: %+v", d.Quarantined)
	}
	if got := m.read(d.Quarantined[0].File); len(got) != int(d.Quarantined[0].Length) {
		t.Errorf("%d bytes are kept, %d were set aside", len(got), d.Quarantined[0].Length)
	}
	m.diagnose(exitOK)
	m.runWith("", "append").want(exitOK)
	kept := m.verify(exitOK)
	if kept.Events == 0 || kept.Events >= 1500 || len(kept.Problems) != 0 {
		t.Errorf("%d events, problems %v, want what was not damaged", kept.Events, kept.Problems)
	}
	// Who still has the events sends them again, and nothing is doubled.
	m.runWith(sampleLines(0, 1500), "append").want(exitOK, fmt.Sprintf("%d were there already", kept.Events))
	m.wantClean(1500)
}

// TestDoctorBucket: settings that were changed after init, and the documents.
func TestDoctorBucket(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	bucket := server.NewBucket(t, true)
	m := s3Machine(t, server, bucket)
	m.run("doctor", "--iam").want(exitOK, "arn:aws:s3:::"+bucket+"/audit-logs/*") // before there is a ledger
	m.run("init").want(exitOK)
	m.runWith(sampleLines(0, 20), "append").want(exitOK)
	d := m.diagnose(exitOK)
	if !strings.Contains(strings.Join(d.Guarantees, " "), "s3:BypassGovernanceRetention") {
		t.Errorf("promises %q", d.Guarantees)
	}
	for _, kind := range []string{"--iam", "--bucket-policy"} {
		o := m.run("doctor", kind).want(exitOK)
		var document struct{ Statement []any }
		if err := json.Unmarshal([]byte(o.out), &document); err != nil || len(document.Statement) == 0 {
			t.Errorf("%s: %v in %s", kind, err, o.out)
		}
	}
	m.run("doctor", "--bucket-policy").want(exitOK, `"3651"`) // tiles are locked for ten years
	m.wantClean(20)
	_, err := server.Client().PutObjectLockConfiguration(t.Context(), &awss3.PutObjectLockConfigurationInput{
		Bucket: &bucket,
		ObjectLockConfiguration: &types.ObjectLockConfiguration{
			ObjectLockEnabled: types.ObjectLockEnabledEnabled,
			Rule:              &types.ObjectLockRule{DefaultRetention: &types.DefaultRetention{Mode: types.ObjectLockRetentionModeGovernance, Days: aws.Int32(1)}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	m.run("doctor").want(exitFailure, "GOVERNANCE, 1 days")
	m.wantNoSecret(server.SecretKey)
}

// TestDoctorClock: a commit from the future stops the log until the clock is
// put right or confirmed.
func TestDoctorClock(t *testing.T) {
	t.Parallel()
	m := newMachine(t, nil)
	m.run("init").want(exitOK)
	d, err := datadir.Open(t.Context(), m.dir, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := d.LedgerConfig()
	if err != nil {
		t.Fatal(err)
	}
	cfg.Sealer = recorder.Plain
	cfg.Clock = func() time.Time { return time.Now().Add(75 * 365 * 24 * time.Hour) }
	l, err := ledger.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := l.AddSystem(ctx, indelible.KindInterference, indelible.Interference{Object: "wal/x"}); err != nil {
		t.Fatal(err)
	}
	if err := l.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	l.Close()

	m.runWith(sampleLines(0, 5), "append").want(exitOK, "commits have stopped", "clock is off", "--confirm-clock", "5 in the journal only")
	m.diagnose(exitFailure).wantWrong(t, "last commit")
	m.run("doctor", "--confirm-clock").want(exitOK, "accepted as it is")
	m.runWith(sampleLines(0, 10), "append").want(exitOK)
	m.wantClean(10)
	m.diagnose(exitOK)
}
