package s3_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"

	"indelible/internal/store"
	"indelible/internal/store/s3"
	"indelible/internal/store/s3/s3test"
	"indelible/internal/store/storetest"
)

func open(t *testing.T, cfg s3.Config) *s3.Store {
	t.Helper()
	s, err := s3.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSuite runs the suite of every store on buckets of each kind.
func TestSuite(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	kinds := []struct {
		name       string
		objectLock bool
		change     func(*s3.Config)
	}{
		{"Compliance", true, func(c *s3.Config) { c.LockMode = "COMPLIANCE" }},
		{"Governance", true, func(c *s3.Config) { c.LockMode = "GOVERNANCE" }},
		{"ChecksumCompat", true, func(c *s3.Config) { c.LockMode, c.ChecksumCompat = "COMPLIANCE", true }},
		{"Unlocked", true, func(c *s3.Config) {}},
		{"Unversioned", false, func(c *s3.Config) { c.Prefix = "" }},
	}
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			storetest.Run(t, func(t *testing.T) store.Store {
				cfg := server.Config(server.NewBucket(t, kind.objectLock))
				kind.change(&cfg)
				return open(t, cfg)
			})
		})
	}
}

func put(t *testing.T, server *s3test.Server, bucket, key, data string) {
	t.Helper()
	_, err := server.Client().PutObject(t.Context(), &awss3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(data)})
	if err != nil {
		t.Fatal(err)
	}
}

// TestThirdParty: what others do to the bucket hides an object at most; every
// version stays readable, and nothing foreign looks like ours.
func TestThirdParty(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	bucket := server.NewBucket(t, true)
	cfg := server.Config(bucket)
	cfg.LockMode = "COMPLIANCE"
	s := open(t, cfg)
	ctx := t.Context()
	until := time.Now().Add(time.Hour)
	if err := s.Create(ctx, "wal/1", []byte("ours"), until); err != nil {
		t.Fatal(err)
	}
	put(t, server, bucket, "audit-logs/wal/1", "forged")
	if _, err := server.Client().DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: &bucket, Key: aws.String("audit-logs/wal/1")}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Read(ctx, "wal/1", store.ReadOptions{}); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("read below a delete marker: %v, want ErrNotExist", err)
	}
	versions, err := s.Versions(ctx, "wal/1")
	if err != nil || len(versions) != 3 || versions[0].DeleteMarker || versions[1].DeleteMarker || !versions[2].DeleteMarker || !versions[2].Newest {
		t.Fatalf("versions %+v, %v, want ours, the forged one, a delete marker", versions, err)
	}
	obj, err := s.Read(ctx, "wal/1", store.ReadOptions{Version: versions[0].ID})
	if err != nil || string(obj.Data) != "ours" || obj.LockMode != "COMPLIANCE" {
		t.Errorf("our version: %+v, %v", obj, err)
	}
	if _, err := s.Read(ctx, "wal/1", store.ReadOptions{Version: versions[2].ID}); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("read a delete marker: %v, want ErrNotExist", err)
	}
	if err := s.Create(ctx, "wal/2", nil, time.Time{}); err != nil {
		t.Error(err)
	}

	for _, key := range []string{"elsewhere/wal/0", "audit-log", "audit-logs-old/wal/1", "audit-logs/2024/01/events (1).json", "audit-logs/ä+b%20", "audit-logs/2024/x"} {
		put(t, server, bucket, key, "foreign")
	}
	var names []string
	for name, err := range s.List(ctx, "", "") {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	if diff := cmp.Diff([]string{"2024/x", "wal/2"}, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

// TestPages: more names, and more versions of one name, than fit on a page.
func TestPages(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	s := open(t, server.Config(server.NewBucket(t, true)))
	const objects = 2100
	var want []string
	var wg sync.WaitGroup
	room := make(chan struct{}, 16)
	for i := range objects {
		name := fmt.Sprintf("wal/%020d", i)
		want = append(want, name)
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			if err := s.Create(t.Context(), name, nil, time.Time{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	var got []string
	for name, err := range s.List(t.Context(), "wal/", want[9]) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, name)
	}
	if diff := cmp.Diff(want[10:], got); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}

	const replaced = 1100
	etag := ""
	for i := range replaced {
		if err := s.Replace(t.Context(), "checkpoint", fmt.Append(nil, i, strings.Repeat(" ", i)), etag); err != nil {
			t.Fatal(err)
		}
		obj, err := s.Read(t.Context(), "checkpoint", store.ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		etag = obj.ETag
	}
	versions, err := s.Versions(t.Context(), "checkpoint")
	if err != nil || len(versions) != replaced {
		t.Fatalf("%d versions, %v, want %d", len(versions), err, replaced)
	}
	for i := range versions {
		if want := int64(len(fmt.Append(nil, i, strings.Repeat(" ", i)))); versions[i].Size != want {
			t.Fatalf("version %d has %d bytes, want %d: not oldest first", i, versions[i].Size, want)
		}
	}
}

// TestOutage: the store is gone, and comes back.
func TestOutage(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	s := open(t, server.Config(server.NewBucket(t, true)))
	ctx := t.Context()
	if _, known := s.Skew(); known {
		t.Error("a skew before any answer")
	}
	if err := s.Create(ctx, "wal/1", []byte("1"), time.Time{}); err != nil {
		t.Fatal(err)
	}
	if skew, known := s.Skew(); !known || skew.Abs() > 2*time.Second {
		t.Errorf("skew %v, %v on one machine", skew, known)
	}
	server.Stop()
	_, readErr := s.Read(ctx, "wal/1", store.ReadOptions{})
	_, versionsErr := s.Versions(ctx, "wal/1")
	for what, err := range map[string]error{
		"create":   s.Create(ctx, "wal/2", []byte("2"), time.Time{}),
		"replace":  s.Replace(ctx, "checkpoint", nil, ""),
		"read":     readErr,
		"versions": versionsErr,
		"remove":   s.Remove(ctx, "wal/1"),
		"check":    s.Check(ctx),
	} {
		if !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s without a store: %v, want ErrUnavailable", what, err)
		}
	}
	server.Start()
	if err := s.Create(ctx, "wal/2", []byte("2"), time.Time{}); err != nil {
		t.Error(err)
	}
	if obj, err := s.Read(ctx, "wal/1", store.ReadOptions{}); err != nil || string(obj.Data) != "1" {
		t.Errorf("after the outage: %q, %v", obj.Data, err)
	}
}

// TestDenied: wrong keys and a missing bucket are told apart from a missing
// object, and no text holds a secret.
func TestDenied(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	bucket := server.NewBucket(t, true)
	wrongSecret := server.Config(bucket)
	wrongSecret.SecretKey = "wrong-secret-key-9876543210"
	wrongKey := server.Config(bucket)
	wrongKey.AccessKey = "nobody"
	noBucket := server.Config("no-such-bucket")
	for name, cfg := range map[string]s3.Config{"wrong secret": wrongSecret, "wrong key": wrongKey, "no bucket": noBucket} {
		s := open(t, cfg)
		_, readErr := s.Read(t.Context(), "wal/1", store.ReadOptions{})
		_, versionsErr := s.Versions(t.Context(), "wal/1")
		var listErr error
		for _, err := range s.List(t.Context(), "wal/", "") {
			listErr = err
		}
		for what, err := range map[string]error{
			"create":   s.Create(t.Context(), "wal/1", nil, time.Time{}),
			"replace":  s.Replace(t.Context(), "wal/1", nil, ""),
			"change":   s.Replace(t.Context(), "wal/1", nil, `"etag"`),
			"read":     readErr,
			"list":     listErr,
			"versions": versionsErr,
			"check":    s.Check(t.Context()),
		} {
			if !errors.Is(err, store.ErrDenied) {
				t.Errorf("%s, %s: %v, want ErrDenied", name, what, err)
				continue
			}
			if text := err.Error(); !strings.Contains(text, cfg.Bucket) || what == "create" && !strings.Contains(text, "audit-logs/wal/1") {
				t.Errorf("%s, %s: %q names no bucket or no key", name, what, text)
			}
			if strings.Contains(err.Error(), cfg.SecretKey) || strings.Contains(err.Error(), server.SecretKey) {
				t.Errorf("%s, %s: %q holds a secret", name, what, err)
			}
		}
	}
}

// TestBucket: what Check and LockConfig say of buckets of every kind.
func TestBucket(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	ctx := t.Context()

	cfg := server.Config("made-here")
	cfg.LockMode = "COMPLIANCE"
	s := open(t, cfg)
	if c, err := s.LockConfig(ctx); err != nil || c.Exists {
		t.Errorf("before: %+v, %v", c, err)
	}
	for range 2 {
		if err := s.CreateBucket(ctx); err != nil {
			t.Fatal(err)
		}
	}
	c, err := s.LockConfig(ctx)
	if diff := cmp.Diff(s3.LockConfig{Exists: true, ObjectLock: true, Versioning: true}, c); diff != "" || err != nil {
		t.Errorf("%v, (-want +got):\n%s", err, diff)
	}
	if err := s.Check(ctx); err != nil {
		t.Error(err)
	}

	_, err = server.Client().PutObjectLockConfiguration(ctx, &awss3.PutObjectLockConfigurationInput{
		Bucket: &cfg.Bucket,
		ObjectLockConfiguration: &types.ObjectLockConfiguration{
			ObjectLockEnabled: types.ObjectLockEnabledEnabled,
			Rule:              &types.ObjectLockRule{DefaultRetention: &types.DefaultRetention{Mode: types.ObjectLockRetentionModeGovernance, Days: aws.Int32(30)}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if c, err := s.LockConfig(ctx); err != nil || c.DefaultRetention != "GOVERNANCE, 30 days" {
		t.Errorf("with a default: %+v, %v", c, err)
	}
	if err := s.Check(ctx); !errors.Is(err, store.ErrDenied) || !strings.Contains(err.Error(), "GOVERNANCE, 30 days") {
		t.Errorf("check with a default: %v", err)
	}

	cfg.Bucket = server.NewBucket(t, false)
	s = open(t, cfg)
	if err := s.Check(ctx); !errors.Is(err, store.ErrDenied) || !strings.Contains(err.Error(), "Object Lock is off") || !strings.Contains(err.Error(), "versioning is off") {
		t.Errorf("check of a plain bucket: %v", err)
	}
	if err := s.Create(ctx, "wal/1", nil, time.Now().Add(time.Hour)); !errors.Is(err, store.ErrDenied) {
		t.Errorf("lock in a plain bucket: %v, want ErrDenied", err)
	}
	cfg.LockMode = ""
	if err := open(t, cfg).Check(ctx); err != nil {
		t.Errorf("check without locks: %v", err)
	}
}
