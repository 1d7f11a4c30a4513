package s3

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"indelible/internal/store"
)

// conflictTries bounds the repetition of a write that met another one in the
// middle; with the pauses between them it takes some three seconds.
const conflictTries = 8

// Create implements store.Store by one PutObject, which carries condition,
// checksum and lock. It is sent once: if the reply is lost the outcome is open,
// and repeating it here would answer ErrExist over our own object. Over a name
// that a delete marker hides AWS makes a new version, others answer ErrExist:
// Versions shows what lies below.
func (s *Store) Create(ctx context.Context, name string, data []byte, until time.Time) error {
	if err := begin(ctx, name, data); err != nil {
		return s.fail("create", name, err)
	}
	in := s.object(name, data)
	in.IfNoneMatch = aws.String("*")
	if s.cfg.LockMode != "" && until.After(time.Now()) {
		in.ObjectLockMode = types.ObjectLockMode(s.cfg.LockMode)
		in.ObjectLockRetainUntilDate = aws.Time(wholeSecond(until))
	}
	if f := s.put(ctx, in); f != nil {
		if f.is(http.StatusPreconditionFailed) {
			return s.fail("create", name, store.ErrExist)
		}
		return s.fail("create", name, f)
	}
	return nil
}

// Replace implements store.Store. The object is never locked: the next Replace
// makes a new version.
func (s *Store) Replace(ctx context.Context, name string, data []byte, etag string) error {
	if err := begin(ctx, name, data); err != nil {
		return s.fail("replace", name, err)
	}
	in := s.object(name, data)
	if etag == "" {
		in.IfNoneMatch = aws.String("*")
	} else {
		in.IfMatch = &etag
	}
	if f := s.put(ctx, in); f != nil {
		// With If-Match a missing object is a 404.
		if f.is(http.StatusPreconditionFailed) || f.absent() {
			return s.fail("replace", name, store.ErrChanged)
		}
		return s.fail("replace", name, f)
	}
	return nil
}

// Remove implements store.Store. It names the version, so that no delete marker
// is made, and nothing that came in between is hit.
func (s *Store) Remove(ctx context.Context, name string) error {
	if err := begin(ctx, name, nil); err != nil {
		return s.fail("remove", name, err)
	}
	head, f := s.head(ctx, name, "")
	if f == nil {
		f = s.deleteVersion(ctx, name, head.VersionId)
	}
	if f != nil && !f.absent() {
		return s.fail("remove", name, f)
	}
	return nil
}

func (s *Store) deleteVersion(ctx context.Context, name string, version *string) *failure {
	callCtx, w := s.watched(ctx)
	defer w.release()
	_, err := s.client.DeleteObject(callCtx, &awss3.DeleteObjectInput{Bucket: &s.cfg.Bucket, Key: aws.String(s.key(name)), VersionId: version})
	if err != nil {
		return s.explain(ctx, w, err)
	}
	return nil
}

// object is a PutObject of data with its checksum.
func (s *Store) object(name string, data []byte) *awss3.PutObjectInput {
	in := &awss3.PutObjectInput{
		Bucket:        &s.cfg.Bucket,
		Key:           aws.String(s.key(name)),
		Body:          bytes.NewReader(data),
		ContentLength: aws.Int64(int64(len(data))),
		ContentType:   aws.String("application/octet-stream"),
	}
	in.ServerSideEncryption, in.SSEKMSKeyId = s.encryption()
	if s.cfg.ChecksumCompat {
		sum := md5.Sum(data)
		in.ContentMD5 = aws.String(base64.StdEncoding.EncodeToString(sum[:]))
		return in
	}
	sum := sha256.Sum256(data)
	in.ChecksumSHA256 = aws.String(base64.StdEncoding.EncodeToString(sum[:]))
	return in
}

// put sends the object once, and again only after an answer that says that
// nothing was written because another write of the name was under way.
func (s *Store) put(ctx context.Context, in *awss3.PutObjectInput) *failure {
	for try := 1; ; try++ {
		f := s.putOnce(ctx, in)
		if f == nil || !f.is(http.StatusConflict, "ConditionalRequestConflict", "OperationAborted") || try == conflictTries {
			return f
		}
		if err := pause(ctx, try); err != nil {
			return &failure{class: &gaveUp{err}, message: "the name was in conflict with another write until the call was given up"}
		}
		in.Body.(*bytes.Reader).Seek(0, 0)
	}
}

func (s *Store) putOnce(ctx context.Context, in *awss3.PutObjectInput) *failure {
	callCtx, w := s.watched(ctx)
	defer w.release()
	if _, err := s.client.PutObject(callCtx, in, once); err != nil {
		return s.explain(ctx, w, err)
	}
	return nil
}

// once keeps the SDK from sending a request again.
func once(o *awss3.Options) { o.Retryer = aws.NopRetryer{} }

// pause waits 20 ms, twice as long every time, at most a second, and never
// exactly as long as the other writer.
func pause(ctx context.Context, try int) error {
	most := min(time.Second, 20*time.Millisecond<<try)
	timer := time.NewTimer(most/2 + rand.N(most/2))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// wholeSecond rounds up: stores keep whole seconds, and no lock may end early.
func wholeSecond(t time.Time) time.Time {
	cut := t.UTC().Truncate(time.Second)
	if cut.Before(t) {
		cut = cut.Add(time.Second)
	}
	return cut
}

func begin(ctx context.Context, name string, data []byte) error {
	if err := store.CheckName(name); err != nil {
		return err
	}
	if err := store.CheckSize(name, data); err != nil {
		return fmt.Errorf("not sent: %w", err)
	}
	return context.Cause(ctx)
}
