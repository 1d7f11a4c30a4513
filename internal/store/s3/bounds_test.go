package s3_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"indelible/internal/store"
	"indelible/internal/store/s3"
)

// short is the timeout of stores that will not answer, and ample a time no call
// takes if the timeout works.
const (
	short = 100 * time.Millisecond
	ample = 5 * time.Second
)

func impatient(c *s3.Config) { c.Timeout = short }

// calls runs every operation.
func calls(t *testing.T, s *s3.Store) map[string]error {
	t.Helper()
	large := make([]byte, 4<<20) // more than fits into any buffer on the way
	_, readErr := s.Read(t.Context(), "wal/1", store.ReadOptions{})
	_, versionsErr := s.Versions(t.Context(), "wal/1")
	var listErr error
	for _, err := range s.List(t.Context(), "", "") {
		listErr = err
	}
	return map[string]error{
		"create":   s.Create(t.Context(), "wal/1", large, time.Time{}),
		"replace":  s.Replace(t.Context(), "wal/1", nil, ""),
		"read":     readErr,
		"list":     listErr,
		"versions": versionsErr,
		"remove":   s.Remove(t.Context(), "wal/1"),
		"check":    s.Check(t.Context()),
	}
}

func wantUnavailableSoon(t *testing.T, s *s3.Store) {
	t.Helper()
	start := time.Now()
	for what, err := range calls(t, s) {
		if !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: %v, want ErrUnavailable", what, err)
		}
	}
	if d := time.Since(start); d > ample {
		t.Errorf("the calls took %v with a timeout of %v", d, short)
	}
}

// TestHangs: a server that takes the connection and says nothing, reading or not.
func TestHangs(t *testing.T) {
	t.Parallel()
	done := make(chan struct{})
	s := pretend(t, func(w http.ResponseWriter, r *http.Request) { <-done }, impatient)
	defer close(done)
	wantUnavailableSoon(t, s)
}

// TestAcceptsNothing: a port that nobody takes connections from.
func TestAcceptsNothing(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := open(t, s3.Config{Endpoint: "http://" + l.Addr().String(), Bucket: "ledger", AccessKey: "a", SecretKey: "s", Timeout: short})
	wantUnavailableSoon(t, s)
}

// TestDrips: a server that sends a byte now and then does not hold us for ever.
func TestDrips(t *testing.T) {
	t.Parallel()
	done := make(chan struct{})
	s := pretend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100000")
		if r.Method == http.MethodPut {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		again := time.NewTicker(short / 10)
		defer again.Stop()
		for {
			if _, err := io.WriteString(w, " "); err != nil {
				return
			}
			w.(http.Flusher).Flush()
			select {
			case <-done:
				return
			case <-r.Context().Done():
				return
			case <-again.C:
			}
		}
	}, impatient)
	defer close(done)
	wantUnavailableSoon(t, s)
}

// TestTornBody: an answer that ends early is no object.
func TestTornBody(t *testing.T) {
	t.Parallel()
	s := pretend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1000")
		io.WriteString(w, "only this")
	})
	if obj, err := s.Read(t.Context(), "wal/1", store.ReadOptions{}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("%d bytes, %v, want ErrUnavailable", len(obj.Data), err)
	}
}

// TestOtherAnswers: the right status with an answer to another question.
func TestOtherAnswers(t *testing.T) {
	t.Parallel()
	asked := store.ReadOptions{Offset: 10, Length: 5}
	for name, ranged := range map[string]string{"other start": "bytes 0-4/100", "too long": "bytes 10-19/100", "beyond": "bytes 10-14/12", "nonsense": "many bytes"} {
		s := pretend(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Range", ranged)
			w.WriteHeader(http.StatusPartialContent)
			io.WriteString(w, "12345")
		})
		if obj, err := s.Read(t.Context(), "wal/1", asked); err == nil {
			t.Errorf("%s: took %q", name, obj.Data)
		}
	}
	whole := pretend(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, strings.Repeat("x", 100)) })
	if obj, err := whole.Read(t.Context(), "wal/1", asked); err == nil {
		t.Errorf("range ignored: took %q", obj.Data)
	}
	huge := pretend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(store.MaxObject+1))
		w.WriteHeader(http.StatusOK)
	})
	if _, err := huge.Read(t.Context(), "wal/1", store.ReadOptions{}); !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("huge object: %v, want ErrTooLarge", err)
	}
}

// TestEndlessList: pages that never end, or go back, end the loop all the same.
func TestEndlessList(t *testing.T) {
	t.Parallel()
	for name, contents := range map[string]string{
		"empty page": "",
		"same page":  "<Contents><Key>audit-logs/wal/1</Key></Contents>",
		"disorder":   "<Contents><Key>audit-logs/wal/2</Key></Contents><Contents><Key>audit-logs/wal/1</Key></Contents>",
	} {
		s := pretend(t, func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "<ListBucketResult><IsTruncated>true</IsTruncated>%s</ListBucketResult>", contents)
		})
		var last error
		names := 0
		for _, err := range s.List(t.Context(), "wal/", "") {
			last = err
			names++
		}
		if last == nil || names > 2 {
			t.Errorf("%s: %d names, %v, want an error at the end", name, names, last)
		}
	}
	versions := pretend(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "<ListVersionsResult><IsTruncated>true</IsTruncated><NextVersionIdMarker>x</NextVersionIdMarker><Version><Key>audit-logs/wal/1</Key></Version></ListVersionsResult>")
	})
	if v, err := versions.Versions(t.Context(), "wal/1"); err == nil {
		t.Errorf("took %d versions", len(v))
	}
}

// TestSkew: the store's clock is read from any answer, an absurd one included,
// and a header that is no date changes nothing.
func TestSkew(t *testing.T) {
	t.Parallel()
	var date string
	s := pretend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Date"] = nil
		if date != "" {
			w.Header().Set("Date", date)
		}
		answer(w, http.StatusForbidden, "AccessDenied", "no")
	})
	ask := func(d string) (time.Duration, bool) {
		date = d
		s.Check(t.Context())
		return s.Skew()
	}
	for _, none := range []string{"", "yesterday", "2026-01-01"} {
		if skew, known := ask(none); known {
			t.Errorf("date %q: skew %v", none, skew)
		}
	}
	for _, ahead := range []time.Duration{0, 6 * time.Minute, -3 * time.Hour} {
		skew, known := ask(time.Now().Add(ahead).UTC().Format(http.TimeFormat))
		if !known || (skew-ahead).Abs() > 2*time.Second {
			t.Errorf("skew %v, %v, want %v", skew, known, ahead)
		}
	}
	if skew, _ := ask("Fri, 31 Dec 9999 23:59:59 GMT"); skew < 1000*time.Hour {
		t.Errorf("skew %v for the year 9999", skew)
	}
	before, _ := s.Skew()
	if after, known := ask("garbage"); !known || after != before {
		t.Errorf("garbage changed the skew from %v to %v", before, after)
	}
}

// TestLocksToldApart: a store that does not tell locks with its objects is asked
// for each; one that does is not; and an outage is no missing lock.
func TestLocksToldApart(t *testing.T) {
	t.Parallel()
	const until = "2099-01-02T03:04:05Z"
	for _, tells := range []bool{false, true} {
		var asked atomic.Int32
		var down atomic.Bool
		s := pretend(t, func(w http.ResponseWriter, r *http.Request) {
			locked := strings.HasSuffix(r.URL.Path, "/locked")
			if r.URL.Query().Has("retention") {
				asked.Add(1)
				switch {
				case down.Load():
					answer(w, http.StatusBadGateway, "", "")
				case locked:
					fmt.Fprintf(w, "<Retention><Mode>COMPLIANCE</Mode><RetainUntilDate>%s</RetainUntilDate></Retention>", until)
				default:
					answer(w, http.StatusNotFound, "NoSuchObjectLockConfiguration", "no lock")
				}
				return
			}
			if tells && locked {
				w.Header().Set("X-Amz-Object-Lock-Mode", "COMPLIANCE")
				w.Header().Set("X-Amz-Object-Lock-Retain-Until-Date", until)
			}
			io.WriteString(w, "content")
		}, func(c *s3.Config) { c.LockMode = "COMPLIANCE" })
		for _, name := range []string{"locked", "open", "locked"} {
			obj, err := s.Read(t.Context(), name, store.ReadOptions{})
			if err != nil || (obj.LockMode == "COMPLIANCE") != (name == "locked") || obj.LockedUntil.IsZero() == (name == "locked") {
				t.Errorf("tells %v: %s is locked %q until %v, %v", tells, name, obj.LockMode, obj.LockedUntil, err)
			}
		}
		if n := asked.Load(); (n == 0) != tells || !tells && n != 3 {
			t.Errorf("tells %v: asked %d times", tells, n)
		}
		down.Store(true)
		if _, err := s.Read(t.Context(), "open", store.ReadOptions{}); errors.Is(err, store.ErrUnavailable) == tells {
			t.Errorf("tells %v: during an outage: %v", tells, err)
		}
	}
}
