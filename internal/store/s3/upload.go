package s3

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"indelible/internal/store"
)

// PartSize is how many bytes of an Upload go in one part, and two of them are
// what it holds in memory. S3 takes 10,000 parts.
const (
	PartSize = 8 << 20
	maxParts = 10_000
)

// UploadTries is how often a part is sent before an Upload is given up. Between
// two tries it pauses, at last for a few seconds.
const uploadTries = 6

// uploadMark is the name under which an object tells which Upload made it.
const uploadMark = "indelible-upload"

// Upload is an object of any size that is written piece by piece. It appears
// whole, by Complete, or not at all. It is for one goroutine.
type Upload struct {
	s       *Store
	ctx     context.Context
	name    string
	replace bool
	mark    string
	id      *string // once there is more than one part

	buf   []byte
	spare []byte
	parts []types.CompletedPart
	sent  chan sentPart // one, while a part is on its way
	ended bool
}

type sentPart struct {
	part types.CompletedPart
	buf  []byte
	err  error
}

// Upload begins an object under a name that must be free when it is complete,
// unless replace is set. ctx bounds all of it.
func (s *Store) Upload(ctx context.Context, name string, replace bool) (*Upload, error) {
	if err := begin(ctx, name, nil); err != nil {
		return nil, s.fail("upload", name, err)
	}
	var random [16]byte
	rand.Read(random[:])
	return &Upload{s: s, ctx: ctx, name: name, replace: replace, mark: hex.EncodeToString(random[:])}, nil
}

// Write implements io.Writer. While one part is on its way the next is filled.
func (u *Upload) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		if u.buf == nil {
			if u.buf = u.spare; u.buf == nil {
				u.buf = make([]byte, 0, PartSize)
			}
			u.spare = nil
		}
		take := min(len(p), PartSize-len(u.buf))
		u.buf = append(u.buf, p[:take]...)
		p = p[take:]
		if len(u.buf) == PartSize {
			if err := u.send(); err != nil {
				return n - len(p), u.s.fail("upload", u.name, err)
			}
		}
	}
	return n, nil
}

// send starts the full buffer on its way, after the part before it has arrived.
func (u *Upload) send() error {
	if u.id == nil {
		if err := u.start(); err != nil {
			return err
		}
	}
	if err := u.arrived(); err != nil {
		return err
	}
	number := int32(len(u.parts) + 1)
	if number > maxParts {
		return fmt.Errorf("%w: %d parts of %d bytes are all one object can have", store.ErrTooLarge, maxParts, PartSize)
	}
	buf := u.buf
	u.buf = nil
	u.sent = make(chan sentPart, 1)
	go func(sent chan<- sentPart) {
		part, err := u.part(number, buf)
		sent <- sentPart{part, buf[:0], err}
	}(u.sent)
	return nil
}

// arrived waits for the part on its way.
func (u *Upload) arrived() error {
	if u.sent == nil {
		return nil
	}
	done := <-u.sent
	u.sent = nil
	u.spare = done.buf
	if done.err != nil {
		return done.err
	}
	u.parts = append(u.parts, done.part)
	return nil
}

func (u *Upload) start() error {
	in := &awss3.CreateMultipartUploadInput{
		Bucket: &u.s.cfg.Bucket, Key: aws.String(u.s.key(u.name)), ContentType: aws.String("application/octet-stream"),
		Metadata: map[string]string{uploadMark: u.mark},
	}
	if !u.s.cfg.ChecksumCompat {
		in.ChecksumAlgorithm = types.ChecksumAlgorithmSha256
	}
	in.ServerSideEncryption, in.SSEKMSKeyId = u.s.encryption()
	return u.retry(func() *failure {
		callCtx, w := u.s.watched(u.ctx)
		defer w.release()
		out, err := u.s.client.CreateMultipartUpload(callCtx, in, once)
		if err != nil {
			return u.s.explain(u.ctx, w, err)
		}
		u.id = out.UploadId
		return nil
	})
}

// part sends one part. Sending it again changes nothing.
func (u *Upload) part(number int32, data []byte) (part types.CompletedPart, err error) {
	in := &awss3.UploadPartInput{
		Bucket: &u.s.cfg.Bucket, Key: aws.String(u.s.key(u.name)), UploadId: u.id, PartNumber: &number, ContentLength: aws.Int64(int64(len(data))),
	}
	if u.s.cfg.ChecksumCompat {
		sum := md5.Sum(data)
		in.ContentMD5 = aws.String(base64.StdEncoding.EncodeToString(sum[:]))
	} else {
		sum := sha256.Sum256(data)
		in.ChecksumSHA256 = aws.String(base64.StdEncoding.EncodeToString(sum[:]))
	}
	err = u.retry(func() *failure {
		in.Body = bytes.NewReader(data)
		callCtx, w := u.s.watched(u.ctx)
		defer w.release()
		out, err := u.s.client.UploadPart(callCtx, in, once)
		if err != nil {
			return u.s.explain(u.ctx, w, err)
		}
		part = types.CompletedPart{ETag: out.ETag, PartNumber: &number, ChecksumSHA256: in.ChecksumSHA256}
		return nil
	})
	return part, err
}

// retry repeats what changes nothing twice while the store does not answer.
func (u *Upload) retry(call func() *failure) error {
	for try := 1; ; try++ {
		f := call()
		if f == nil {
			return nil
		}
		if !errors.Is(f, store.ErrUnavailable) || u.ctx.Err() != nil || try == uploadTries {
			return f
		}
		if err := pause(u.ctx, 3+try); err != nil {
			return f
		}
	}
}

// Complete makes the object appear: ErrExist if the name is taken. After
// another error it may have appeared.
func (u *Upload) Complete() error {
	err := u.complete()
	u.ended = err == nil
	return err
}

func (u *Upload) complete() error {
	if err := u.arrived(); err != nil {
		return u.s.fail("upload", u.name, err)
	}
	if u.id == nil {
		return u.whole()
	}
	if len(u.buf) > 0 {
		err := u.send()
		if err == nil {
			err = u.arrived()
		}
		if err != nil {
			return u.s.fail("upload", u.name, err)
		}
	}
	in := &awss3.CompleteMultipartUploadInput{
		Bucket: &u.s.cfg.Bucket, Key: aws.String(u.s.key(u.name)), UploadId: u.id, MultipartUpload: &types.CompletedMultipartUpload{Parts: u.parts},
	}
	if !u.replace {
		in.IfNoneMatch = aws.String("*")
	}
	return u.appear(func() *failure {
		callCtx, w := u.s.watched(u.ctx)
		defer w.release()
		if _, err := u.s.client.CompleteMultipartUpload(callCtx, in, once); err != nil {
			return u.s.explain(u.ctx, w, err)
		}
		return nil
	})
}

// whole writes an object of less than a part by one request.
func (u *Upload) whole() error {
	in := u.s.object(u.name, u.buf)
	in.Metadata = map[string]string{uploadMark: u.mark}
	if !u.replace {
		in.IfNoneMatch = aws.String("*")
	}
	return u.appear(func() *failure {
		in.Body.(*bytes.Reader).Seek(0, 0)
		return u.s.putOnce(u.ctx, in)
	})
}

// appear makes the object appear and finds out, where the reply was lost,
// whether it has: an object tells which Upload made it.
func (u *Upload) appear(call func() *failure) error {
	for try := 1; ; try++ {
		f := call()
		if f == nil {
			return nil
		}
		open := errors.Is(f, store.ErrUnavailable)
		if try > 1 || open {
			if head, hf := u.s.head(u.ctx, u.name, ""); hf == nil && head.Metadata[uploadMark] == u.mark {
				return nil
			}
		}
		switch {
		case f.is(http.StatusPreconditionFailed):
			return u.s.fail("upload", u.name, store.ErrExist)
		case !open || u.ctx.Err() != nil || try == uploadTries:
			return u.s.fail("upload", u.name, f)
		}
		if err := pause(u.ctx, 3+try); err != nil {
			return u.s.fail("upload", u.name, f)
		}
	}
}

// abortTime bounds the giving up of an upload, which must work when everything
// else has been given up.
const abortTime = 10 * time.Second

// Abort gives the object up. After Complete it does nothing.
func (u *Upload) Abort() {
	if u.ended {
		return
	}
	u.ended = true
	if u.sent != nil {
		<-u.sent
		u.sent = nil
	}
	if u.id != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(u.ctx), abortTime)
		defer cancel()
		u.s.abort(ctx, u.s.key(u.name), *u.id)
	}
}

func (s *Store) abort(ctx context.Context, key, id string) *failure {
	callCtx, w := s.watched(ctx)
	defer w.release()
	_, err := s.client.AbortMultipartUpload(callCtx, &awss3.AbortMultipartUploadInput{Bucket: &s.cfg.Bucket, Key: &key, UploadId: &id})
	if err != nil {
		return s.explain(ctx, w, err)
	}
	return nil
}

// AbortUploads gives up the uploads under a name and below name/, whoever began
// them: a process that was killed cannot.
func (s *Store) AbortUploads(ctx context.Context, name string) error {
	key := s.key(name)
	in := &awss3.ListMultipartUploadsInput{Bucket: &s.cfg.Bucket, Prefix: &key}
	for {
		out, f := s.uploads(ctx, in)
		if f != nil {
			return s.fail("list uploads of", name, f)
		}
		for _, up := range out.Uploads {
			k := aws.ToString(up.Key)
			if k != key && !strings.HasPrefix(k, key+"/") {
				continue
			}
			if f := s.abort(ctx, k, aws.ToString(up.UploadId)); f != nil && !f.is(http.StatusNotFound) {
				return s.fail("abort an upload of", name, f)
			}
		}
		if !aws.ToBool(out.IsTruncated) || aws.ToString(out.NextKeyMarker) == "" {
			return nil
		}
		in.KeyMarker, in.UploadIdMarker = out.NextKeyMarker, out.NextUploadIdMarker
	}
}

func (s *Store) uploads(ctx context.Context, in *awss3.ListMultipartUploadsInput) (*awss3.ListMultipartUploadsOutput, *failure) {
	callCtx, w := s.watched(ctx)
	defer w.release()
	out, err := s.client.ListMultipartUploads(callCtx, in)
	if err != nil {
		return nil, s.explain(ctx, w, err)
	}
	return out, nil
}

// Delete takes an object away from who reads by name. Where the bucket keeps
// versions they stay below a delete marker. Deleting what is not there is no
// error.
func (s *Store) Delete(ctx context.Context, name string) error {
	if err := begin(ctx, name, nil); err != nil {
		return s.fail("delete", name, err)
	}
	if f := s.deleteVersion(ctx, name, nil); f != nil && !f.absent() {
		return s.fail("delete", name, f)
	}
	return nil
}

// encryption is what the store itself is asked to encrypt with.
func (s *Store) encryption() (types.ServerSideEncryption, *string) {
	if s.cfg.KMSKey == "" {
		return "", nil
	}
	return types.ServerSideEncryptionAwsKms, &s.cfg.KMSKey
}
