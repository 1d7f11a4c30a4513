package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"indelible/internal/store"
)

// readRetryer repeats what changes nothing twice, with short pauses; the watch
// bounds the whole.
func readRetryer() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = 3
		o.MaxBackoff = 500 * time.Millisecond
		o.RateLimiter = ratelimit.None
	})
}

// Read implements store.Store.
func (s *Store) Read(ctx context.Context, name string, opt store.ReadOptions) (store.Object, error) {
	if err := begin(ctx, name, nil); err != nil {
		return store.Object{}, s.fail("read", name, err)
	}
	if err := store.CheckRange(name, opt); err != nil {
		return store.Object{}, err
	}
	obj, err := s.get(ctx, name, opt)
	if err != nil {
		return store.Object{}, s.fail("read", name, err)
	}
	return obj, nil
}

func (s *Store) get(ctx context.Context, name string, opt store.ReadOptions) (store.Object, error) {
	in := &awss3.GetObjectInput{Bucket: &s.cfg.Bucket, Key: aws.String(s.key(name)), Range: rangeHeader(opt)}
	if opt.Version != "" {
		in.VersionId = &opt.Version
	}
	callCtx, w := s.watched(ctx)
	defer w.release()
	out, err := s.client.GetObject(callCtx, in)
	if err != nil {
		f := s.explain(ctx, w, err)
		switch {
		case f.is(http.StatusRequestedRangeNotSatisfiable):
			return s.beyond(ctx, name, opt.Version)
		case f.noVersion(opt.Version):
			return store.Object{}, store.ErrNotExist
		}
		return store.Object{}, f
	}
	defer out.Body.Close()
	obj := store.Object{
		ETag:        aws.ToString(out.ETag),
		Version:     aws.ToString(out.VersionId),
		LockedUntil: aws.ToTime(out.ObjectLockRetainUntilDate),
		LockMode:    string(out.ObjectLockMode),
	}
	length, size, err := extent(out, opt)
	if err != nil {
		return store.Object{}, err
	}
	obj.Size, obj.Data = size, make([]byte, length)
	if _, err := io.ReadFull(out.Body, obj.Data); err != nil {
		return store.Object{}, s.explain(ctx, w, err)
	}
	if obj.LockMode != "" {
		s.lockHeaders.Store(true)
	} else if s.cfg.LockMode != "" && !s.lockHeaders.Load() {
		obj.LockMode, obj.LockedUntil, err = s.retention(ctx, name, out.VersionId)
	}
	return obj, err
}

// retention asks for the lock of a version by itself. Some stores keep to locks
// that they do not tell with the object; from one that was seen to tell them,
// silence means that there is none.
func (s *Store) retention(ctx context.Context, name string, version *string) (mode string, until time.Time, err error) {
	callCtx, w := s.watched(ctx)
	defer w.release()
	out, err := s.client.GetObjectRetention(callCtx, &awss3.GetObjectRetentionInput{Bucket: &s.cfg.Bucket, Key: aws.String(s.key(name)), VersionId: version})
	if err != nil {
		// No lock, no locks in this bucket, or no permission to know. But an
		// outage must not make a locked object look unlocked.
		if f := s.explain(ctx, w, err); errors.Is(f, store.ErrUnavailable) {
			return "", time.Time{}, f
		}
		return "", time.Time{}, nil
	}
	if out.Retention == nil {
		return "", time.Time{}, nil
	}
	return string(out.Retention.Mode), aws.ToTime(out.Retention.RetainUntilDate), nil
}

// beyond describes an object of which a range after its end was asked for.
func (s *Store) beyond(ctx context.Context, name, version string) (store.Object, error) {
	head, f := s.head(ctx, name, version)
	if f != nil {
		if f.noVersion(version) {
			return store.Object{}, store.ErrNotExist
		}
		return store.Object{}, f
	}
	return store.Object{
		Size:        aws.ToInt64(head.ContentLength),
		ETag:        aws.ToString(head.ETag),
		Version:     aws.ToString(head.VersionId),
		LockedUntil: aws.ToTime(head.ObjectLockRetainUntilDate),
		LockMode:    string(head.ObjectLockMode),
	}, nil
}

func (s *Store) head(ctx context.Context, name, version string) (*awss3.HeadObjectOutput, *failure) {
	in := &awss3.HeadObjectInput{Bucket: &s.cfg.Bucket, Key: aws.String(s.key(name))}
	if version != "" {
		in.VersionId = &version
	}
	callCtx, w := s.watched(ctx)
	defer w.release()
	out, err := s.client.HeadObject(callCtx, in)
	if err != nil {
		return nil, s.explain(ctx, w, err)
	}
	return out, nil
}

// noVersion reports that there is nothing to read: no object, a delete marker
// (405 when it is named), or an id that is no version's.
func (f *failure) noVersion(version string) bool {
	if f.absent() {
		return true
	}
	return version != "" && (f.is(http.StatusMethodNotAllowed) || f.is(http.StatusBadRequest, "InvalidArgument", "NoSuchVersion", "BadRequest"))
}

func rangeHeader(opt store.ReadOptions) *string {
	switch {
	case opt.Length > 0:
		return aws.String(fmt.Sprintf("bytes=%d-%d", opt.Offset, opt.Offset+opt.Length-1))
	case opt.Offset > 0:
		return aws.String(fmt.Sprintf("bytes=%d-", opt.Offset))
	}
	return nil
}

// extent says how many bytes come and how large the whole object is, and
// refuses an answer to another question.
func extent(out *awss3.GetObjectOutput, opt store.ReadOptions) (length, size int64, err error) {
	length = aws.ToInt64(out.ContentLength)
	if out.ContentLength == nil || length < 0 {
		return 0, 0, fmt.Errorf("%w: the answer does not say how long it is", store.ErrUnavailable)
	}
	size = length
	if out.ContentRange != nil {
		var first, last int64
		if _, err := fmt.Sscanf(*out.ContentRange, "bytes %d-%d/%d", &first, &last, &size); err != nil || first != opt.Offset || last-first+1 != length || last >= size {
			return 0, 0, fmt.Errorf("%w: asked for bytes from %d on and got %q", store.ErrUnavailable, opt.Offset, clean(*out.ContentRange))
		}
	} else if opt.Offset > 0 || opt.Length > 0 && length > opt.Length {
		return 0, 0, errors.New("the store does not know ranges")
	}
	if opt.Length > 0 && length > opt.Length {
		return 0, 0, fmt.Errorf("%w: asked for %d bytes and got %d", store.ErrUnavailable, opt.Length, length)
	}
	if length > store.MaxObject {
		return 0, 0, fmt.Errorf("%w: %d bytes, more than %d", store.ErrTooLarge, length, store.MaxObject)
	}
	return length, size, nil
}
