package s3

import (
	"context"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// UploadsEnd says after how many days the bucket gives up uploads below the prefix
// that nobody completes; 0: it has no such rule. An error means that it is not
// known: not every store has such rules, and not everybody may read them.
func (s *Store) UploadsEnd(ctx context.Context) (days int, err error) {
	callCtx, w := s.watched(ctx)
	defer w.release()
	out, err := s.client.GetBucketLifecycleConfiguration(callCtx, &awss3.GetBucketLifecycleConfigurationInput{Bucket: &s.cfg.Bucket})
	if err != nil {
		f := s.explain(ctx, w, err)
		if f.is(http.StatusNotFound) && f.code == "NoSuchLifecycleConfiguration" {
			return 0, nil
		}
		return 0, s.fail("read the lifecycle rules of", "", f)
	}
	for _, r := range out.Rules {
		if r.Status != types.ExpirationStatusEnabled || r.AbortIncompleteMultipartUpload == nil || !covers(&r, s.key("")) {
			continue
		}
		if n := int(aws.ToInt32(r.AbortIncompleteMultipartUpload.DaysAfterInitiation)); n > 0 && (days == 0 || n < days) {
			days = n
		}
	}
	return days, nil
}

// covers reports whether a rule is for all keys below a prefix. Rules that go by
// tags or sizes are for objects, and an upload is none yet.
func covers(r *types.LifecycleRule, prefix string) bool {
	//lint:ignore SA1019 buckets have rules that were written before there were filters
	begins := aws.ToString(r.Prefix)
	if f := r.Filter; f != nil {
		if f.And != nil || f.Tag != nil || f.ObjectSizeGreaterThan != nil || f.ObjectSizeLessThan != nil {
			return false
		}
		begins = aws.ToString(f.Prefix)
	}
	return strings.HasPrefix(prefix, begins)
}
