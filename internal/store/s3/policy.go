package s3

import (
	"encoding/json"
	"fmt"
	"strings"
)

// immutable are the names that are written once; of ours only the checkpoint is
// replaced.
var immutable = []string{"wal/", "tile/", "heads/", "checkpoints/", "pack/"}

// policy is a document of the AWS policy language.
type policy struct {
	Version   string
	Statement []statement
}

type statement struct {
	Sid       string
	Effect    string
	Principal string `json:",omitempty"`
	Action    []string
	Resource  []string
	Condition map[string]map[string]any `json:",omitempty"`
}

// IAMPolicy is the least a writer of the ledger below prefix needs: reading and
// writing its objects, and deleting those of a probe. It cannot delete events;
// removing expired segments is for another identity.
func IAMPolicy(bucket, prefix string) (string, error) {
	p, err := newPaths(bucket, prefix)
	if err != nil {
		return "", err
	}
	return render(
		statement{
			Sid: "ReadAndWriteTheLedger", Effect: "Allow",
			Action:   []string{"s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectRetention", "s3:PutObject", "s3:PutObjectRetention"},
			Resource: []string{p.objects("*")},
		},
		statement{
			Sid: "RemoveProbes", Effect: "Allow",
			Action:   []string{"s3:DeleteObjectVersion"},
			Resource: []string{p.objects("probe/*")},
		},
		statement{
			Sid: "ListTheLedger", Effect: "Allow",
			Action:    []string{"s3:ListBucket", "s3:ListBucketVersions"},
			Resource:  []string{p.bucket},
			Condition: map[string]map[string]any{"StringLike": {"s3:prefix": p.prefix + "*"}},
		},
		statement{
			Sid: "SeeTheSettings", Effect: "Allow",
			Action:   []string{"s3:GetBucketObjectLockConfiguration", "s3:GetBucketVersioning"},
			Resource: []string{p.bucket},
		},
	)
}

// BucketPolicy forbids everybody, whatever else they are allowed, to write our
// immutable names without a condition, to delete below them or the checkpoint,
// to go round governance locks, and to lock for longer than maxRetentionDays.
func BucketPolicy(bucket, prefix string, maxRetentionDays int) (string, error) {
	p, err := newPaths(bucket, prefix)
	if err != nil {
		return "", err
	}
	if maxRetentionDays < 1 {
		return "", fmt.Errorf("bucket policy: %d days of retention, want at least 1", maxRetentionDays)
	}
	var fixed []string
	for _, name := range immutable {
		fixed = append(fixed, p.objects(name+"*"))
	}
	return render(
		statement{
			// Copies and multipart uploads carry no such header and are
			// refused as well; we make neither.
			Sid: "WriteOnce", Effect: "Deny", Principal: "*",
			Action:    []string{"s3:PutObject"},
			Resource:  fixed,
			Condition: map[string]map[string]any{"Null": {"s3:if-none-match": "true"}},
		},
		statement{
			Sid: "NoDeletes", Effect: "Deny", Principal: "*",
			Action:   []string{"s3:DeleteObject", "s3:DeleteObjectVersion", "s3:BypassGovernanceRetention"},
			Resource: append(fixed[:len(fixed):len(fixed)], p.objects("checkpoint")),
		},
		statement{
			Sid: "NoLongerLocks", Effect: "Deny", Principal: "*",
			Action:    []string{"s3:PutObject", "s3:PutObjectRetention"},
			Resource:  []string{p.objects("*")},
			Condition: map[string]map[string]any{"NumericGreaterThan": {"s3:object-lock-remaining-retention-days": fmt.Sprint(maxRetentionDays)}},
		},
	)
}

// paths writes resource names. A name with a wildcard in it would open, or
// close, more than it says.
type paths struct {
	bucket string
	prefix string // with a slash at its end, or empty
}

func newPaths(bucket, prefix string) (paths, error) {
	c := Config{Bucket: bucket, Prefix: strings.TrimSuffix(prefix, "/")}
	if err := c.check(); err != nil {
		return paths{}, fmt.Errorf("policy: %w", err)
	}
	p := paths{bucket: "arn:aws:s3:::" + bucket}
	if c.Prefix != "" {
		p.prefix = c.Prefix + "/"
	}
	return p, nil
}

func (p paths) objects(pattern string) string { return p.bucket + "/" + p.prefix + pattern }

func render(statements ...statement) (string, error) {
	text, err := json.MarshalIndent(policy{Version: "2012-10-17", Statement: statements}, "", "  ")
	if err != nil {
		return "", fmt.Errorf("policy: %w", err)
	}
	return string(text) + "\n", nil
}
