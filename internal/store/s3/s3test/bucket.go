package s3test

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"indelible/internal/store/s3"
)

// NewBucket makes an empty bucket, versioned and able to lock if objectLock is
// set, and returns its name.
func (s *Server) NewBucket(t testing.TB, objectLock bool) string {
	t.Helper()
	s.mu.Lock()
	s.buckets++
	name := fmt.Sprintf("bucket-%d", s.buckets)
	s.mu.Unlock()
	_, err := s.Client().CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: &name, ObjectLockEnabledForBucket: &objectLock})
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// Client is the bare SDK, for what a third party may do to a bucket.
func (s *Server) Client() *awss3.Client {
	return awss3.New(awss3.Options{
		BaseEndpoint: aws.String(s.Endpoint),
		Region:       s.Region,
		Credentials:  credentials.NewStaticCredentialsProvider(s.AccessKey, s.SecretKey, ""),
		UsePathStyle: true,
	})
}

// Config opens a bucket of this server, without locks until LockMode is set.
func (s *Server) Config(bucket string) s3.Config {
	return s3.Config{Endpoint: s.Endpoint, Region: s.Region, Bucket: bucket, Prefix: "audit-logs", AccessKey: s.AccessKey, SecretKey: s.SecretKey}
}
