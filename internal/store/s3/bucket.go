package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"indelible/internal/store"
)

// LockConfig is what a bucket is able to do for a ledger.
type LockConfig struct {
	Exists           bool
	ObjectLock       bool   // objects can be locked
	Versioning       bool   // overwriting keeps what was there
	DefaultRetention string // "COMPLIANCE, 30 days": every object is locked; empty is right
}

// LockConfig asks the bucket. A missing bucket is no error here.
func (s *Store) LockConfig(ctx context.Context) (LockConfig, error) {
	versioning, f := s.versioning(ctx)
	if f != nil {
		if f.is(http.StatusNotFound) {
			return LockConfig{}, nil
		}
		return LockConfig{}, s.fail("read the versioning of", "", f)
	}
	c := LockConfig{Exists: true, Versioning: versioning}
	callCtx, w := s.watched(ctx)
	defer w.release()
	out, err := s.client.GetObjectLockConfiguration(callCtx, &awss3.GetObjectLockConfigurationInput{Bucket: &s.cfg.Bucket})
	if err != nil {
		f := s.explain(ctx, w, err)
		// A store that knows no Object Lock at all answers 501.
		if f.is(http.StatusNotFound) && f.code != "NoSuchBucket" || f.is(http.StatusNotImplemented) {
			return c, nil
		}
		return LockConfig{}, s.fail("read the lock configuration of", "", f)
	}
	if out.ObjectLockConfiguration != nil {
		c.ObjectLock = out.ObjectLockConfiguration.ObjectLockEnabled == types.ObjectLockEnabledEnabled
		c.DefaultRetention = defaultRetention(out.ObjectLockConfiguration.Rule)
	}
	return c, nil
}

func (s *Store) versioning(ctx context.Context) (bool, *failure) {
	callCtx, w := s.watched(ctx)
	defer w.release()
	out, err := s.client.GetBucketVersioning(callCtx, &awss3.GetBucketVersioningInput{Bucket: &s.cfg.Bucket})
	if err != nil {
		f := s.explain(ctx, w, err)
		// Stores without versions have no such setting.
		if f.is(http.StatusNotImplemented) {
			return false, nil
		}
		return false, f
	}
	return out.Status == types.BucketVersioningStatusEnabled, nil
}

func defaultRetention(rule *types.ObjectLockRule) string {
	if rule == nil || rule.DefaultRetention == nil {
		return ""
	}
	d := rule.DefaultRetention
	if years := aws.ToInt32(d.Years); years > 0 {
		return fmt.Sprintf("%s, %d years", clean(string(d.Mode)), years)
	}
	return fmt.Sprintf("%s, %d days", clean(string(d.Mode)), aws.ToInt32(d.Days))
}

// Check says what is wrong with the bucket for a ledger opened as this one, or
// nothing.
func (s *Store) Check(ctx context.Context) error {
	c, err := s.LockConfig(ctx)
	if err != nil {
		return err
	}
	if !c.Exists {
		return s.fail("check", "", fmt.Errorf("%w: there is no such bucket; create it with Object Lock enabled", store.ErrDenied))
	}
	var wrong []error
	if s.cfg.LockMode != "" && !c.ObjectLock {
		wrong = append(wrong, errors.New("its Object Lock is off, so nothing can be locked; on AWS it can be enabled for a versioned bucket, elsewhere only when a bucket is created"))
	}
	if s.cfg.LockMode != "" && !c.Versioning {
		wrong = append(wrong, errors.New("versioning is off, so an overwritten object is gone"))
	}
	if c.DefaultRetention != "" {
		wrong = append(wrong, fmt.Errorf("the bucket locks every object by default (%s), also those that must change or expire; remove the default retention, each object is locked on its own", c.DefaultRetention))
	}
	if len(wrong) == 0 {
		return nil
	}
	return s.fail("check", "", fmt.Errorf("%w: %w", store.ErrDenied, errors.Join(wrong...)))
}

// CreateBucket makes the bucket with Object Lock, and so versioning, enabled.
// One that is ours already is left as it is.
func (s *Store) CreateBucket(ctx context.Context) error {
	in := &awss3.CreateBucketInput{Bucket: &s.cfg.Bucket, ObjectLockEnabledForBucket: aws.Bool(true)}
	if s.cfg.Region != "us-east-1" {
		in.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(s.cfg.Region)}
	}
	callCtx, w := s.watched(ctx)
	defer w.release()
	_, err := s.client.CreateBucket(callCtx, in, once)
	if err == nil {
		return nil
	}
	f := s.explain(ctx, w, err)
	switch f.code {
	case "BucketAlreadyOwnedByYou":
		return nil
	case "BucketAlreadyExists":
		return s.fail("create", "", fmt.Errorf("%w: the name belongs to somebody", store.ErrExist))
	}
	return s.fail("create", "", f)
}
