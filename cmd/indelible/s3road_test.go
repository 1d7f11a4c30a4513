package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"indelible"
	"indelible/internal/store/s3"
	"indelible/internal/store/s3/s3test"
)

// TestS3Road: a ledger in a bucket, from init to verify; nothing is recorded
// twice, and no secret is left anywhere.
func TestS3Road(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	m := s3Machine(t, server, "the-audit-log")
	m.run("init").want(exitFailure, "does not exist", "--create-bucket")
	m.run("init", "--create-bucket", "--retention", "3d").want(exitOK, "s3://the-audit-log/audit-logs", "for 3 days only who holds s3:BypassGovernanceRetention")
	m.run("init").want(exitFailure, "never overwritten")
	foreign := "audit-logs/2024/10/25/x.json"
	putObject(t, server, "the-audit-log", foreign, "an old log")

	const n = 700
	lines := sampleLines(0, n)
	o := m.runWith(lines, "append").want(exitOK, "700 recorded")
	if got := durabilities(o.receipts()); got[indelible.DurableStore] != n {
		t.Errorf("receipts %v, want %d from the store", got, n)
	}
	m.wantClean(n)
	m.wantClean(n, "--store", "s3://the-audit-log/audit-logs", "--key", filepath.Join(m.dir, "log.vkey"))
	before := m.verify(exitOK).Leaves
	m.runWith(lines, "append").want(exitOK, "0 recorded, 700 were there already")
	if r := m.verify(exitOK); r.Events != n || r.Leaves > before+3 {
		t.Errorf("%d events, %d leaves after a repeat, want %d and about %d", r.Events, r.Leaves, n, before)
	}
	m.run("show", "5").want(exitOK)
	o = m.run("prove", "5").want(exitOK)
	evidence := filepath.Join(t.TempDir(), "evidence.json")
	if err := writeFileAtomic(evidence, []byte(o.out)); err != nil {
		t.Fatal(err)
	}
	m.run("check", evidence, "--key", filepath.Join(m.dir, "log.vkey")).want(exitOK)

	// Another directory does not begin a second log over it.
	other := s3Machine(t, server, "the-audit-log")
	other.run("init").want(exitFailure, "holds a log already")
	// Another bucket in the environment is not this ledger's.
	m.env["S3_AUDIT_BUCKET"] = "another-bucket"
	m.runWith(lines, "append").want(exitUsage, "another-bucket")
	m.run("verify").want(exitUsage, "another-bucket")
	m.env["S3_AUDIT_BUCKET"] = ""
	m.wantClean(n) // the ledger remembers its store

	m.wantNoSecret(server.SecretKey)
	other.wantNoSecret(server.SecretKey)
	// Wrong keys are named, never shown.
	m.env["S3_SECRET_KEY"] = "wrong-secret-key-9876543210"
	m.run("verify").want(exitUnverified)
	m.wantNoSecret(m.env["S3_SECRET_KEY"])
	if got := versionsOf(t, server, "the-audit-log", foreign); len(got) != 1 {
		t.Errorf("the foreign object has %d versions, want the one", len(got))
	}
}

// TestS3Buckets: what init takes, and what it refuses.
func TestS3Buckets(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	plain := server.NewBucket(t, false)
	m := s3Machine(t, server, plain)
	m.run("init").want(exitFailure, "no Object Lock", "--lock none")
	m.run("init", "--lock", "compliance", "--no-encryption").want(exitUsage, "--plaintext-compliance")
	m.run("init", "--lock", "none").want(exitOK, "warning", "whoever may delete objects in the bucket, at any time")
	m.runWith(sampleLines(0, 20), "append").want(exitOK)
	m.wantClean(20)

	defaults := server.NewBucket(t, true)
	_, err := server.Client().PutObjectLockConfiguration(t.Context(), &awss3.PutObjectLockConfigurationInput{
		Bucket: &defaults,
		ObjectLockConfiguration: &types.ObjectLockConfiguration{
			ObjectLockEnabled: types.ObjectLockEnabledEnabled,
			Rule:              &types.ObjectLockRule{DefaultRetention: &types.DefaultRetention{Mode: types.ObjectLockRetentionModeCompliance, Years: aws.Int32(1)}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	m = s3Machine(t, server, defaults)
	m.run("init").want(exitFailure, "COMPLIANCE, 1 years", "remove the bucket's default retention")

	m = s3Machine(t, server, server.NewBucket(t, true))
	m.run("init", "--lock", "compliance", "--plaintext-compliance", "--retention", "1h").want(exitOK, "nobody can delete a segment for 1h0m0s")
	m.runWith(sampleLines(0, 20), "append").want(exitOK)
	m.wantClean(20)
}

// TestS3Legacy: the former logger's objects are read from the bucket they lie in.
func TestS3Legacy(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	bucket := server.NewBucket(t, true)
	m := s3Machine(t, server, bucket)
	const n = 25
	for i := range n {
		putObject(t, server, bucket, fmt.Sprintf("audit-logs/2024/10/%02d/event-%d.json", i%28+1, i), legacyRecord(i))
	}
	m.run("init").want(exitOK)
	m.runWith("", "append", "--from", "legacy", "s3://"+bucket+"/audit-logs/2024").want(exitOK, "25 recorded")
	m.wantClean(n)
	m.runWith("", "append", "--from", "legacy", "s3://"+bucket+"/audit-logs/2024/").want(exitOK, "0 recorded, 25 were there already")
	// The whole prefix holds the log itself, too: its objects are not events.
	m.wantClean(n)
}

func legacyRecord(i int) string {
	head := fmt.Sprintf(`{"timestamp":"2024-10-25T12:%02d:00.123456+00:00","event_type":"model_access","user_id":"u%d","tenant_id":"acme","resource_type":"model","resource_id":"m","action":"read","outcome":"success","ip_address":null,"details":{"n":%d`, i%60, i, i)
	head = strings.Replace(head, `"ip_address":null,`, "", 1)
	sum := sha256.Sum256([]byte(head + "}}"))
	return head + `,"audit_hash":"` + hex.EncodeToString(sum[:]) + `"}}`
}

// TestS3Locks: segments, full tiles and heads cannot be deleted; what has to
// change or go is not locked.
func TestS3Locks(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	bucket := server.NewBucket(t, true)
	m := s3Machine(t, server, bucket)
	m.run("init").want(exitOK)
	m.runWith(sampleLines(0, 600), "append").want(exitOK)

	cfg := server.Config(bucket)
	cfg.LockMode = "GOVERNANCE"
	st, err := s3.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]int)
	for v, err := range st.ListVersions(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		kind, _, _ := strings.Cut(v.Name, "/")
		partial := strings.Contains(v.Name, ".p/")
		if partial {
			kind = "partial " + kind
		}
		seen[kind]++
		_, err := server.Client().GetObjectRetention(t.Context(), &awss3.GetObjectRetentionInput{Bucket: &bucket, Key: aws.String("audit-logs/" + v.Name), VersionId: &v.ID})
		locked := err == nil
		if want := !partial && v.Name != "checkpoint"; locked != want {
			t.Errorf("%s: locked %v, want %v (%v)", v.Name, locked, want, err)
		}
		if !locked {
			continue
		}
		_, err = server.Client().DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: &bucket, Key: aws.String("audit-logs/" + v.Name), VersionId: &v.ID})
		if err == nil {
			t.Errorf("%s: its version was deleted", v.Name)
		}
	}
	if diff := slices.Sorted(maps.Keys(seen)); !slices.Equal(diff, []string{"checkpoint", "checkpoints", "heads", "partial tile", "tile", "wal"}) {
		t.Errorf("objects of kinds %v", diff)
	}
	m.wantClean(600)
}

// TestS3Interference: what others put on top of our objects is named and
// harms neither verification nor the next append.
func TestS3Interference(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	bucket := server.NewBucket(t, true)
	m := s3Machine(t, server, bucket)
	m.run("init").want(exitOK)
	m.runWith(sampleLines(0, 300), "append").want(exitOK)
	before := m.verify(exitOK)
	names := segmentNames(t, server, bucket)
	last := names[len(names)-1]
	putObject(t, server, bucket, "audit-logs/"+names[1], "forged")
	hideObject(t, server, bucket, "audit-logs/"+last)
	hideObject(t, server, bucket, "audit-logs/tile/0/000")
	putObject(t, server, bucket, "audit-logs/tile/entries/000", "forged")
	want := []string{"tile/0/000", "tile/entries/000", names[1], last}
	if r := m.verify(exitOK); !slices.Equal(problemsOf(r), want) || r.Events != 300 || r.Leaves != before.Leaves {
		t.Errorf("problems %v, want %v; %d events", problemsOf(r), want, r.Events)
	}
	// The log goes on, over what is hidden too.
	m.runWith(sampleLines(0, 400), "append").want(exitOK, "100 recorded, 300 were there already")
	if r := m.verify(exitOK); r.Events != 400 || !slices.Equal(problemsOf(r), want) {
		t.Errorf("after another append: %d events, problems %v", r.Events, problemsOf(r))
	}
	for index := range before.Leaves {
		m.run("show", fmt.Sprint(index)).want(exitOK)
	}
}

func putObject(t *testing.T, server *s3test.Server, bucket, key, data string) {
	t.Helper()
	_, err := server.Client().PutObject(t.Context(), &awss3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(data)})
	if err != nil {
		t.Fatal(err)
	}
}

func hideObject(t *testing.T, server *s3test.Server, bucket, key string) {
	t.Helper()
	if _, err := server.Client().DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: &bucket, Key: &key}); err != nil {
		t.Fatal(err)
	}
}

func versionsOf(t *testing.T, server *s3test.Server, bucket, key string) []types.ObjectVersion {
	t.Helper()
	out, err := server.Client().ListObjectVersions(t.Context(), &awss3.ListObjectVersionsInput{Bucket: &bucket, Prefix: &key})
	if err != nil {
		t.Fatal(err)
	}
	return out.Versions
}

func segmentNames(t *testing.T, server *s3test.Server, bucket string) (names []string) {
	t.Helper()
	st, err := s3.Open(t.Context(), server.Config(bucket))
	if err != nil {
		t.Fatal(err)
	}
	for name, err := range st.List(t.Context(), "wal/", "") {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	return names
}

// patience bounds what may take long, so that a test that hangs says where.
const patience = 60 * time.Second

func copyObject(t *testing.T, server *s3test.Server, from, to, key string) {
	t.Helper()
	source := from + "/" + key
	_, err := server.Client().CopyObject(t.Context(), &awss3.CopyObjectInput{Bucket: &to, Key: &key, CopySource: &source})
	if err != nil {
		t.Fatal(err)
	}
}
