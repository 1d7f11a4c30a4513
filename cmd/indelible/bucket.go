package main

import (
	"context"
	"fmt"

	"indelible/internal/datadir"
)

// prepareBucket checks that a bucket can keep what the lock mode promises, and
// makes it when asked to.
func (a *app) prepareBucket(ctx context.Context, c *datadir.StoreConfig, create bool) error {
	s, err := datadir.OpenS3(ctx, c, a.env)
	if err != nil {
		return err
	}
	have, err := s.LockConfig(ctx)
	if err != nil {
		return err
	}
	if !have.Exists && create {
		if err := s.CreateBucket(ctx); err != nil {
			return err
		}
		if have, err = s.LockConfig(ctx); err != nil {
			return err
		}
	}
	switch {
	case !have.Exists:
		return failf(exitFailure, "make it with Object Lock enabled, or let init do it with --create-bucket", "bucket %s does not exist", c.S3.Bucket)
	case c.Lock != "none" && !have.ObjectLock:
		return failf(exitFailure, "use a bucket made with Object Lock, or --lock none to do without", "bucket %s has no Object Lock: it cannot keep anybody from deleting", c.S3.Bucket)
	case have.DefaultRetention != "":
		return failf(exitFailure, "remove the bucket's default retention; indelible sets a lock on each object itself", "bucket %s locks every object by default (%s): the checkpoint could not be kept up", c.S3.Bucket, have.DefaultRetention)
	}
	if c.Lock == "none" {
		fmt.Fprintln(a.stderr, "warning: without Object Lock whoever may delete objects can delete the log; verify will show it, not prevent it")
	}
	return nil
}
