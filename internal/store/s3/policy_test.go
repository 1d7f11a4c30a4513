package s3_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"indelible/internal/store/s3"
)

type document struct {
	Version   string
	Statement []struct {
		Sid, Effect, Principal string
		Action, Resource       []string
		Condition              map[string]map[string]string
	}
}

func parse(t *testing.T, text string) document {
	t.Helper()
	var d document
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&d); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return d
}

func TestBucketPolicy(t *testing.T) {
	t.Parallel()
	text, err := s3.BucketPolicy("ledger", "audit-logs/", 3660)
	if err != nil {
		t.Fatal(err)
	}
	d := parse(t, text)
	if len(d.Statement) != 3 || d.Version != "2012-10-17" {
		t.Fatalf("policy %s", text)
	}
	for _, s := range d.Statement {
		if s.Effect != "Deny" || s.Principal != "*" {
			t.Errorf("%s: %s %s, want Deny for everybody", s.Sid, s.Effect, s.Principal)
		}
	}
	names := []string{"wal/*", "tile/*", "heads/*", "checkpoints/*", "pack/*"}
	for i := range names {
		names[i] = "arn:aws:s3:::ledger/audit-logs/" + names[i]
	}
	if diff := cmp.Diff(names, d.Statement[0].Resource); diff != "" {
		t.Errorf("written once (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]map[string]string{"Null": {"s3:if-none-match": "true"}}, d.Statement[0].Condition); diff != "" {
		t.Errorf("condition (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(append(names, "arn:aws:s3:::ledger/audit-logs/checkpoint"), d.Statement[1].Resource); diff != "" {
		t.Errorf("never deleted (-want +got):\n%s", diff)
	}
	if got := d.Statement[2].Condition["NumericGreaterThan"]["s3:object-lock-remaining-retention-days"]; got != "3660" {
		t.Errorf("retention capped at %q days", got)
	}
}

func TestIAMPolicy(t *testing.T) {
	t.Parallel()
	text, err := s3.IAMPolicy("ledger", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range parse(t, text).Statement {
		if s.Effect != "Allow" || s.Principal != "" {
			t.Errorf("%s: %s for %q", s.Sid, s.Effect, s.Principal)
		}
		for _, action := range s.Action {
			deletes := strings.Contains(action, "Delete") && s.Sid != "RemoveProbes"
			if deletes || strings.Contains(action, "*") || strings.Contains(action, "Bypass") || strings.Contains(action, "Policy") {
				t.Errorf("%s allows %s", s.Sid, action)
			}
		}
		for _, resource := range s.Resource {
			if resource != "arn:aws:s3:::ledger" && !strings.HasPrefix(resource, "arn:aws:s3:::ledger/") {
				t.Errorf("%s allows %s", s.Sid, resource)
			}
		}
	}
}

func TestPolicyRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ bucket, prefix string }{{"led*", "a"}, {"", "a"}, {"ledger", "a*"}, {"ledger", "${aws:username}"}} {
		if text, err := s3.IAMPolicy(c.bucket, c.prefix); err == nil {
			t.Errorf("%v gave %s", c, text)
		}
		if text, err := s3.BucketPolicy(c.bucket, c.prefix, 1); err == nil {
			t.Errorf("%v gave %s", c, text)
		}
	}
	if _, err := s3.BucketPolicy("ledger", "a", 0); err == nil {
		t.Error("no error for no retention")
	}
}
