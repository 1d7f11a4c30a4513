package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"indelible/internal/store"
)

// failure is what a call came to: the store's answer, or the lack of one.
type failure struct {
	status  int    // 0 without an answer
	code    string // as S3 names it; may be empty
	message string // safe to show
	class   error  // one of package store's, or a context's
}

func (f *failure) Error() string {
	switch {
	case f.status == 0:
		return fmt.Sprintf("%v: %s", f.class, f.message)
	case f.code == "":
		return fmt.Sprintf("%v: HTTP %d: %s", f.class, f.status, f.message)
	}
	return fmt.Sprintf("%v: HTTP %d %s: %s", f.class, f.status, f.code, f.message)
}

func (f *failure) Unwrap() error { return f.class }

// explain turns an SDK error into a failure. The SDK's own text is not used: it
// repeats addresses and whatever the server sent.
func (s *Store) explain(ctx context.Context, w *watch, err error) *failure {
	f := &failure{}
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) && response.Response != nil && response.Response.Response != nil {
		f.status = response.HTTPStatusCode()
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		f.code, f.message = clean(api.ErrorCode()), clean(api.ErrorMessage())
	}
	switch {
	case ctx.Err() != nil:
		f.status, f.message = 0, "the call was given up before the store's answer"
		f.class = &gaveUp{context.Cause(ctx)}
		return f
	case w.gaveUp():
		f.status, f.message = 0, fmt.Sprintf("no answer from %s within %v", s.host(), s.cfg.Timeout)
		f.class = store.ErrUnavailable
		return f
	case f.status == 0 || f.code == "" && f.message == "":
		f.message = strings.TrimSpace(s.host() + ": " + innermost(err))
	}
	f.class = classify(f.status, f.code)
	return f
}

// gaveUp is a call whose context ended: the outcome of a write is open, and the
// caller finds both that and the context's own error.
type gaveUp struct{ cause error }

func (e *gaveUp) Error() string   { return e.cause.Error() }
func (e *gaveUp) Unwrap() []error { return []error{store.ErrUnavailable, e.cause} }

// classify knows what every operation agrees on. What 404, 409 and 412 mean is
// for the operation to say.
func classify(status int, code string) error {
	switch code {
	case "NoSuchBucket", "ExpiredToken", "InvalidAccessKeyId", "SignatureDoesNotMatch":
		return store.ErrDenied
	case "RequestTimeTooSkewed", "RequestTimeout", "BadDigest", "XAmzContentSHA256Mismatch", "SlowDown":
		// The next request is signed with the store's clock, or sends its
		// bytes anew.
		return store.ErrUnavailable
	}
	switch {
	case status == http.StatusNotImplemented, status >= 300 && status < 400:
		return store.ErrDenied
	case status == http.StatusRequestTimeout, status == http.StatusConflict, status == http.StatusTooManyRequests:
		return store.ErrUnavailable
	case status >= 400 && status < 500:
		return store.ErrDenied
	}
	return store.ErrUnavailable
}

// is reports an answer with this status, or with one of these codes.
func (f *failure) is(status int, codes ...string) bool {
	if f.status != status {
		return false
	}
	if len(codes) == 0 {
		return true
	}
	for _, code := range codes {
		if f.code == code {
			return true
		}
	}
	return false
}

// absent reports that the object or the version is not there. A missing bucket,
// or a store that answers 404 to unknown keys, is another matter: it would make
// every object look deleted. A HEAD has no code of its own.
func (f *failure) absent() bool {
	return f.is(http.StatusNotFound, "NoSuchKey", "NoSuchVersion", "NotFound", "")
}

// fail puts together what the user reads: what was done to which object, where
// it lies, and why it failed.
func (s *Store) fail(what, name string, err error) error {
	if name == "" {
		return fmt.Errorf("%s bucket %s: %w", what, s.cfg.Bucket, err)
	}
	return fmt.Errorf("%s %s (bucket %s, key %s): %w", what, name, s.cfg.Bucket, s.key(name), err)
}

func (s *Store) host() string {
	if u, err := url.Parse(s.cfg.Endpoint); err == nil && u.Host != "" {
		return u.Host
	}
	return "S3 in " + s.cfg.Region
}

// innermost is the cause without the address that net/http puts before it.
func innermost(err error) string {
	var sent *url.Error
	if errors.As(err, &sent) {
		return clean(sent.Err.Error())
	}
	var op *smithy.OperationError
	if errors.As(err, &op) {
		err = op.Err
	}
	return clean(err.Error())
}

// maxMessage is as much of a server's text as is shown.
const maxMessage = 300

// clean makes text from outside fit for a terminal and a log line.
func clean(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0xfffd || r >= 0x80 && r < 0xa0 || r == 0x2028 || r == 0x2029 || r >= 0x202a && r <= 0x202e {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, " "))
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "") + "…"
	}
	return text
}
