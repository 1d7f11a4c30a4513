package datadir

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"indelible/internal/disk"
	"indelible/internal/store"
	"indelible/internal/store/dir"
	"indelible/internal/store/s3"
)

// Env looks up an environment variable.
type Env func(string) string

// UsageError is a mistake in flags, environment or configuration.
type UsageError struct {
	What string
	Hint string
}

func (e *UsageError) Error() string { return e.What }

// S3FromEnv reads where S3 is, if S3_AUDIT_BUCKET says that it is to be used.
func S3FromEnv(env Env) *S3 {
	if env("S3_AUDIT_BUCKET") == "" {
		return nil
	}
	return &S3{Bucket: env("S3_AUDIT_BUCKET"), Endpoint: env("S3_ENDPOINT"), Region: env("S3_REGION")}
}

// checkEnv refuses an environment that names another store than the ledger's:
// nothing must ever begin a second log by accident.
func (c *Config) checkEnv(env Env) error {
	other := S3FromEnv(env)
	if other == nil {
		return nil
	}
	differs := func(name, there, here string) error {
		return &UsageError{
			fmt.Sprintf("%s names %q in the environment, but this ledger lies in %s", name, there, c.Store.describe()),
			"unset " + name + ", or use --dir for the ledger you mean; init makes a new one",
		}
	}
	switch s := c.Store.S3; {
	case s == nil || s.Bucket != other.Bucket:
		return differs("S3_AUDIT_BUCKET", other.Bucket, "")
	case other.Endpoint != "" && s.Endpoint != other.Endpoint:
		return differs("S3_ENDPOINT", other.Endpoint, s.Endpoint)
	}
	return nil
}

func (c *StoreConfig) describe() string {
	if c.S3 == nil {
		return "its own directory"
	}
	return "s3://" + c.S3.Bucket + "/" + c.Prefix
}

// Describe says where the log lies, for people.
func (c *StoreConfig) Describe() string { return c.describe() }

// OpenStore opens the store of a configuration. dataDir is where a directory
// store lies; only its relative place is ever written down.
func OpenStore(ctx context.Context, dataDir string, c *StoreConfig, env Env) (store.Store, error) {
	if c.S3 == nil {
		root := filepath.Join(dataDir, storeDir, filepath.FromSlash(c.Prefix))
		return dir.Open(disk.OS, root)
	}
	return s3.Open(ctx, c.s3Config(env))
}

func (c *StoreConfig) s3Config(env Env) s3.Config {
	cfg := s3.Config{
		Endpoint: c.S3.Endpoint, Region: c.S3.Region, Bucket: c.S3.Bucket, Prefix: c.Prefix,
		AccessKey: env("S3_ACCESS_KEY"), SecretKey: env("S3_SECRET_KEY"),
		PathStyle: c.S3.PathStyle, ChecksumCompat: c.S3.Checksum == "md5", Insecure: c.S3.Insecure,
	}
	if c.Lock != "none" {
		cfg.LockMode = strings.ToUpper(c.Lock)
	}
	return cfg
}

// OpenS3 opens the bucket of a configuration as what it is, for questions only
// S3 can answer.
func OpenS3(ctx context.Context, c *StoreConfig, env Env) (*s3.Store, error) {
	return s3.Open(ctx, c.s3Config(env))
}

// OpenLocation opens a store by its address, a directory or s3://bucket/prefix,
// for reading. Region, endpoint and credentials come from the environment.
func OpenLocation(ctx context.Context, location string, env Env) (store.Store, error) {
	if rest, ok := strings.CutPrefix(location, "s3://"); ok {
		bucket, prefix, _ := strings.Cut(rest, "/")
		if bucket == "" {
			return nil, &UsageError{fmt.Sprintf("%q names no bucket", location), "write s3://bucket/prefix"}
		}
		if prefix == "" {
			prefix = DefaultPrefix
		}
		c := &StoreConfig{Prefix: strings.Trim(prefix, "/"), Lock: "none", S3: &S3{Bucket: bucket, Endpoint: env("S3_ENDPOINT"), Region: env("S3_REGION")}}
		return s3.Open(ctx, c.s3Config(env))
	}
	if _, err := os.Stat(filepath.Join(location, "checkpoint")); err != nil {
		// The folder above the prefix will do as well.
		if _, err := os.Stat(filepath.Join(location, DefaultPrefix, "checkpoint")); err == nil {
			location = filepath.Join(location, DefaultPrefix)
		} else if info, err := os.Stat(location); err != nil || !info.IsDir() {
			return nil, &UsageError{fmt.Sprintf("%s is not a directory", location), "name the folder that holds `checkpoint` and `wal`, or s3://bucket/prefix"}
		}
	}
	return dir.Open(disk.OS, location)
}

// OpenBucket opens a bucket's prefix for reading foreign objects.
func OpenBucket(ctx context.Context, bucket, prefix string, env Env) (store.Store, error) {
	c := &StoreConfig{Prefix: strings.Trim(prefix, "/"), Lock: "none", S3: &S3{Bucket: bucket, Endpoint: env("S3_ENDPOINT"), Region: env("S3_REGION")}}
	return s3.Open(ctx, c.s3Config(env))
}

// OpenBucketFor opens a bucket's prefix for writing other things than a ledger.
// kmsKey, if any, is what the store encrypts them with.
func OpenBucketFor(ctx context.Context, bucket, prefix, kmsKey string, env Env) (*s3.Store, error) {
	c := &StoreConfig{Prefix: strings.Trim(prefix, "/"), Lock: "none", S3: &S3{Bucket: bucket, Endpoint: env("S3_ENDPOINT"), Region: env("S3_REGION")}}
	cfg := c.s3Config(env)
	cfg.KMSKey = kmsKey
	return s3.Open(ctx, cfg)
}
