package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"testing"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"indelible/internal/store/s3/s3test"
)

// TestS3Govern: in a bucket with locks a person is erased and nothing of the
// person is in any object, and a hold keeps segments there from everybody.
func TestS3Govern(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	m := s3Machine(t, server, "govern")
	m.run("init", "--create-bucket", "--retention", "2d").want(exitOK)
	const person = "ann.lee@example.com"
	var lines strings.Builder
	for i := range 60 {
		who := fmt.Sprintf("user-%d@example.com", i%7)
		if i%3 == 0 {
			who = person
		}
		fmt.Fprintf(&lines, `{"id":"%08x-1111-4111-8111-111111111111","timestamp":"2025-01-02T03:04:05Z","event_type":"view","user_id":%q,"tenant_id":"acme","resource_type":"door","resource_id":"d","action":"open","outcome":"success","details":{"by":%q}}`+"\n", i, who, who)
	}
	m.runWith(lines.String(), "append", "-q").want(exitOK)
	m.run("keys", "operator", "add", "bob").want(exitOK)

	// Held: nobody deletes it, and nobody is erased.
	hold := strings.TrimSpace(m.run("hold", "add", "--tenant", "acme", "--reason", "case 2026-17").want(exitOK, "under legal hold there").out)
	segments := segmentNames(t, server, "govern")
	held := 0
	for _, key := range segments {
		status, err := server.Client().GetObjectLegalHold(t.Context(), &awss3.GetObjectLegalHoldInput{Bucket: ptr("govern"), Key: ptr("audit-logs/" + key)})
		if err == nil && status.LegalHold != nil && status.LegalHold.Status == "ON" {
			held++
		}
	}
	if held == 0 || held == len(segments) {
		t.Errorf("%d of %d segments are under legal hold, want those with events", held, len(segments))
	}
	m.run("erase", "--tenant", "acme", "--subject", person).want(exitFailure, "keeps it")
	lift := strings.TrimSpace(m.run("hold", "lift", hold).want(exitOK).out)
	m.run("approve", lift).want(exitOK)
	for _, key := range segments {
		status, err := server.Client().GetObjectLegalHold(t.Context(), &awss3.GetObjectLegalHoldInput{Bucket: ptr("govern"), Key: ptr("audit-logs/" + key)})
		if err == nil && status.LegalHold != nil && status.LegalHold.Status == "ON" {
			t.Errorf("%s is still under legal hold", key)
		}
	}

	id := strings.TrimSpace(m.run("erase", "--tenant", "acme", "--subject", person).want(exitOK, "20 events").out)
	m.run("approve", id).want(exitOK, `"state": "final"`)
	m.run("verify").want(exitOK)
	m.run("show", "00000003-1111-4111-8111-111111111111").want(exitOK, "erased on", `"event_type": "view"`)
	m.run("retention", "run").want(exitOK)
	for key, b := range bucketContent(t, server, "govern") {
		for what, needle := range map[string]string{"clear": person, "hex": hex.EncodeToString([]byte(person)), "base64": base64.StdEncoding.EncodeToString([]byte(person))[:20]} {
			if bytes.Contains(b, []byte(needle)) {
				t.Errorf("%s holds the person in %s", key, what)
			}
		}
	}
	m.wantNoSecret(server.SecretKey)
}

func ptr[T any](v T) *T { return &v }

// bucketContent reads all objects of a bucket.
func bucketContent(t *testing.T, server *s3test.Server, bucket string) map[string][]byte {
	t.Helper()
	content := make(map[string][]byte)
	pages := awss3.NewListObjectsV2Paginator(server.Client(), &awss3.ListObjectsV2Input{Bucket: &bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Contents {
			got, err := server.Client().GetObject(t.Context(), &awss3.GetObjectInput{Bucket: &bucket, Key: o.Key})
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(got.Body)
			got.Body.Close()
			if err != nil {
				t.Fatal(err)
			}
			content[*o.Key] = b
		}
	}
	if len(content) < 5 {
		t.Fatalf("%d objects in the bucket", len(content))
	}
	return content
}
