package s3_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"indelible/internal/store"
	"indelible/internal/store/s3"
)

// pretend opens a store whose server is the handler.
func pretend(t *testing.T, handler http.HandlerFunc, change ...func(*s3.Config)) *s3.Store {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	cfg := s3.Config{Endpoint: server.URL, Bucket: "ledger", Prefix: "audit-logs", AccessKey: "access", SecretKey: "do-not-show-this"}
	for _, c := range change {
		c(&cfg)
	}
	return open(t, cfg)
}

func answer(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s</Message></Error>", code, message)
}

// TestAnswers: what every answer to a write comes to, and that none but a
// conflict is sent twice.
func TestAnswers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		status   int
		code     string
		create   error
		replace  error
		onlyOnce bool
	}{
		{412, "PreconditionFailed", store.ErrExist, store.ErrChanged, true},
		{500, "InternalError", store.ErrUnavailable, store.ErrUnavailable, true},
		{502, "", store.ErrUnavailable, store.ErrUnavailable, true},
		{503, "SlowDown", store.ErrUnavailable, store.ErrUnavailable, true},
		{504, "", store.ErrUnavailable, store.ErrUnavailable, true},
		{429, "TooManyRequests", store.ErrUnavailable, store.ErrUnavailable, true},
		{408, "", store.ErrUnavailable, store.ErrUnavailable, true},
		{400, "RequestTimeout", store.ErrUnavailable, store.ErrUnavailable, true},
		{400, "BadDigest", store.ErrUnavailable, store.ErrUnavailable, true},
		{403, "RequestTimeTooSkewed", store.ErrUnavailable, store.ErrUnavailable, true},
		{400, "InvalidRequest", store.ErrDenied, store.ErrDenied, true},
		{401, "", store.ErrDenied, store.ErrDenied, true},
		{403, "AccessDenied", store.ErrDenied, store.ErrDenied, true},
		{403, "", store.ErrDenied, store.ErrDenied, true},
		{404, "NoSuchBucket", store.ErrDenied, store.ErrDenied, true},
		{404, "NoSuchKey", store.ErrDenied, store.ErrChanged, true},
		{301, "PermanentRedirect", store.ErrDenied, store.ErrDenied, true},
		{307, "TemporaryRedirect", store.ErrDenied, store.ErrDenied, true},
		{501, "NotImplemented", store.ErrDenied, store.ErrDenied, true},
		{409, "ConditionalRequestConflict", store.ErrUnavailable, store.ErrUnavailable, false},
	}
	for _, test := range tests {
		t.Run(fmt.Sprint(test.status, test.code), func(t *testing.T) {
			t.Parallel()
			var requests atomic.Int32
			s := pretend(t, func(w http.ResponseWriter, r *http.Request) {
				requests.Add(1)
				w.Header().Set("Location", "http://127.0.0.1:1/elsewhere")
				answer(w, test.status, test.code, "no")
			})
			for what, c := range map[string]struct{ err, want error }{
				"create":  {s.Create(t.Context(), "wal/1", []byte("1"), time.Time{}), test.create},
				"replace": {s.Replace(t.Context(), "wal/1", []byte("1"), `"etag"`), test.replace},
			} {
				if !errors.Is(c.err, c.want) {
					t.Errorf("%s: %v, want %v", what, c.err, c.want)
					continue
				}
				for _, text := range []string{"ledger", "audit-logs/wal/1"} {
					if !strings.Contains(c.err.Error(), text) {
						t.Errorf("%s: %q does not name %s", what, c.err, text)
					}
				}
			}
			if n := requests.Load(); (n == 2) != test.onlyOnce {
				t.Errorf("%d requests for two calls", n)
			}
		})
	}
}

// TestConflictThenFree: a write that met another one is sent again, whole.
func TestConflictThenFree(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	s := pretend(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || string(body) != "content" {
			t.Errorf("body %q, %v", body, err)
		}
		if requests.Add(1) < 3 {
			answer(w, http.StatusConflict, "ConditionalRequestConflict", "another write is under way")
		}
	})
	if err := s.Create(t.Context(), "wal/1", []byte("content"), time.Time{}); err != nil {
		t.Error(err)
	}
	if n := requests.Load(); n != 3 {
		t.Errorf("%d requests, want 3", n)
	}
}

// TestConflictEndsWithContext: the repetition stops when the caller does.
func TestConflictEndsWithContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	s := pretend(t, func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusConflict, "ConditionalRequestConflict", "another write is under way")
		cancel()
	})
	if err := s.Create(ctx, "wal/1", nil, time.Time{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want the context's", err)
	}
}

// TestCreateRequest: condition, checksum and lock travel in one request.
func TestCreateRequest(t *testing.T) {
	t.Parallel()
	until := time.Date(2099, 1, 2, 3, 4, 5, 600, time.UTC)
	for _, compat := range []bool{false, true} {
		var header http.Header
		s := pretend(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodPut || r.URL.Path != "/ledger/audit-logs/wal/1" {
				t.Errorf("%s %s", r.Method, r.URL.Path)
			}
			header = r.Header.Clone()
		}, func(c *s3.Config) { c.LockMode, c.ChecksumCompat = "COMPLIANCE", compat })
		if err := s.Create(t.Context(), "wal/1", []byte("abc"), until); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{
			"If-None-Match":                       "*",
			"X-Amz-Object-Lock-Mode":              "COMPLIANCE",
			"X-Amz-Object-Lock-Retain-Until-Date": "2099-01-02T03:04:06Z",
			"X-Amz-Checksum-Sha256":               "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=",
			"Content-Md5":                         "",
		}
		if compat {
			want["X-Amz-Checksum-Sha256"], want["Content-Md5"] = "", "kAFQmDzST7DWlj99KOF/cg=="
		}
		for name, value := range want {
			if got := header.Get(name); got != value {
				t.Errorf("compat %v: %s is %q, want %q", compat, name, got, value)
			}
		}
		for name := range header {
			if compat && strings.HasPrefix(name, "X-Amz-Checksum") || strings.HasPrefix(name, "X-Amz-Trailer") {
				t.Errorf("compat %v: unexpected %s", compat, name)
			}
		}
	}
}

// TestLostReply: the server took the write, and the connection broke before the
// answer: the outcome is open, and nothing is sent again.
func TestLostReply(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	s := pretend(t, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		io.Copy(io.Discard, r.Body)
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		conn.(*net.TCPConn).SetLinger(0) // a reset, not an end
		conn.Close()
	})
	if err := s.Create(t.Context(), "wal/1", []byte("1"), time.Time{}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("error %v, want ErrUnavailable", err)
	}
	if n := requests.Load(); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

// TestReadRepeats: a read is repeated when the store is busy for a moment.
func TestReadRepeats(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	s := pretend(t, func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) < 3 {
			answer(w, http.StatusServiceUnavailable, "SlowDown", "slow down")
			return
		}
		io.WriteString(w, "content")
	})
	obj, err := s.Read(t.Context(), "wal/1", store.ReadOptions{})
	if err != nil || string(obj.Data) != "content" {
		t.Errorf("%q, %v", obj.Data, err)
	}
}

// TestNoSecretsInErrors: whatever the server sends back, the text is short, on
// one line, and free of the secret key.
func TestNoSecretsInErrors(t *testing.T) {
	t.Parallel()
	s := pretend(t, func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusForbidden, "Odd&#10;Code", "line one&#10;line\u202e two \u009b31m "+strings.Repeat("long ", 1000))
	})
	err := s.Create(t.Context(), "wal/1", nil, time.Time{})
	if !errors.Is(err, store.ErrDenied) {
		t.Fatalf("error %v, want ErrDenied", err)
	}
	text := err.Error()
	if len(text) > 800 || strings.ContainsAny(text, "\n\r\x1b\u202e\u009b") || strings.Contains(text, "do-not-show-this") {
		t.Errorf("%d bytes: %q", len(text), text)
	}
}
