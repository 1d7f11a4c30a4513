// Package s3 keeps a ledger in an S3 bucket. Conditional writes give each name
// one owner, and Object Lock keeps what was written from everybody, the
// operator included, until its retention ends.
package s3

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"indelible/internal/store"
)

// Config says which bucket, and how to reach it.
type Config struct {
	Endpoint  string // empty for AWS itself, else http(s)://host[:port]
	Region    string
	Bucket    string
	Prefix    string // object names lie below it, after a slash
	AccessKey string // both keys empty: the usual AWS chain
	SecretKey string

	PathStyle *bool  // nil: path style when Endpoint is set
	LockMode  string // "COMPLIANCE", "GOVERNANCE", or empty for no locks

	// ChecksumCompat sends Content-MD5 in place of a SHA-256 checksum, for
	// stores that do not know the newer checksums.
	ChecksumCompat bool

	// Insecure allows http:// to other machines: whoever is on the way can
	// then read all, and drop what he likes.
	Insecure bool

	// KMSKey is the key of AWS KMS that the store encrypts objects with; empty
	// leaves that to the bucket.
	KMSKey string

	// Timeout is how long a store may give no sign of progress; 5 s if zero.
	Timeout time.Duration

	// HTTPClient replaces the client made from the fields above.
	HTTPClient HTTPClient
}

// HTTPClient is what *http.Client does.
type HTTPClient interface {
	Do(*http.Request) (*http.Response, error)
}

const defaultTimeout = 5 * time.Second

// Store is the S3 driver.
type Store struct {
	cfg    Config
	client *awss3.Client
	clock  *clock

	lockHeaders atomic.Bool // the store tells locks with the objects it gives
}

var (
	_ store.Store   = (*Store)(nil)
	_ store.Clocked = (*Store)(nil)
)

// Open checks the configuration and finds the credentials. It does not talk to
// the store; Check does.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultTimeout
	}
	cfg.Prefix = strings.TrimSuffix(cfg.Prefix, "/")
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("open S3 store: %w", err)
	}
	region, provider, err := cfg.identity(ctx)
	if err != nil {
		return nil, fmt.Errorf("open S3 store: %w", err)
	}
	cfg.Region = region
	c := &clock{}
	options := awss3.Options{
		Region:       region,
		Credentials:  provider,
		UsePathStyle: cfg.pathStyle(),
		HTTPClient:   &transport{client: cfg.httpClient(), clock: c},
		Retryer:      readRetryer(),
		// We send our own checksums, and whoever reads a ledger recomputes
		// every hash: one that the store itself answers proves nothing.
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
	}
	if cfg.Endpoint != "" {
		options.BaseEndpoint = &cfg.Endpoint
	}
	return &Store{cfg: cfg, client: awss3.New(options), clock: c}, nil
}

// Skew implements store.Clocked from the Date header of the last answer, which
// is exact to about a second.
func (s *Store) Skew() (time.Duration, bool) { return s.clock.skew() }

// LockMode is the mode objects are locked with, or empty.
func (s *Store) LockMode() string { return s.cfg.LockMode }

// key is where an object lies in the bucket.
func (s *Store) key(name string) string {
	if s.cfg.Prefix == "" {
		return name
	}
	return s.cfg.Prefix + "/" + name
}

// name is the reverse of key.
func (s *Store) name(key string) (string, bool) {
	if s.cfg.Prefix == "" {
		return key, true
	}
	return strings.CutPrefix(key, s.cfg.Prefix+"/")
}
