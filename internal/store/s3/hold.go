package s3

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"indelible/internal/store"
)

// Hold sets the legal hold of an object, or takes it off: while it is set nobody
// can delete the object, whatever its retention says. It implements store.Holder.
func (s *Store) Hold(ctx context.Context, name string, on bool) error {
	if err := begin(ctx, name, nil); err != nil {
		return s.fail("hold", name, err)
	}
	if s.cfg.LockMode == "" {
		return s.fail("hold", name, fmt.Errorf("%w: the log was made with --lock none", store.ErrDenied))
	}
	callCtx, w := s.watched(ctx)
	defer w.release()
	status := types.ObjectLockLegalHoldStatusOff
	if on {
		status = types.ObjectLockLegalHoldStatusOn
	}
	_, err := s.client.PutObjectLegalHold(callCtx, &awss3.PutObjectLegalHoldInput{
		Bucket: &s.cfg.Bucket, Key: aws.String(s.key(name)), LegalHold: &types.ObjectLockLegalHold{Status: status},
	})
	if err != nil {
		f := s.explain(ctx, w, err)
		if f.absent() {
			return s.fail("hold", name, store.ErrNotExist)
		}
		return s.fail("hold", name, f)
	}
	return nil
}
