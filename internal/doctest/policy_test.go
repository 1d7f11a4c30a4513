package doctest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"indelible/internal/store/s3"
	"indelible/internal/vectortest"
)

// TestPolicies: the policies in the manual are those the program would print.
// With -update they are written there.
func TestPolicies(t *testing.T) {
	iam, err := s3.IAMPolicy("acme-audit", "audit-logs")
	if err != nil {
		t.Fatal(err)
	}
	bucket, err := s3.BucketPolicy("acme-audit", "audit-logs", 3651)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(root, "docs", "operations.md")
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for opening, want := range map[string]string{"```json iam-policy\n": iam, "```json bucket-policy\n": bucket} {
		before, rest, found := strings.Cut(text, opening)
		shown, after, ended := strings.Cut(rest, "```\n")
		if !found || !ended {
			t.Fatalf("%s has no block %s", name, strings.TrimSpace(opening))
		}
		if shown == want {
			continue
		}
		text = before + opening + want + "```\n" + after
		if !vectortest.Updating() {
			t.Errorf("%s is not the policy of the program, which is\n%s", strings.TrimSpace(opening), want)
		}
	}
	if vectortest.Updating() {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
