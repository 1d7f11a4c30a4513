package api_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"indelible"
	"indelible/internal/access"
	"indelible/internal/api"
	"indelible/internal/recorder"
)

// message is one of a stream.
type message struct {
	id, event, data string
}

// tail is a stream that is read.
type tail struct {
	w     *world
	resp  *http.Response
	lines *bufio.Reader
}

func (w *world) tail(url, who, query, last string) *tail {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), "GET", url+"/v1/events/tail"+query, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+w.key[who])
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		w.t.Fatalf("status %d, %v", resp.StatusCode, resp.Header)
	}
	return &tail{w, resp, bufio.NewReaderSize(resp.Body, 4<<20)}
}

// next reads a message; the error is the end of the stream.
func (s *tail) next() (m message, err error) {
	for {
		line, err := s.lines.ReadString('\n')
		if err != nil {
			return m, err
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch name {
		case "id":
			m.id = value
		case "event":
			m.event = value
		case "data":
			m.data = value
		case "":
			return m, nil
		}
	}
}

// event reads messages up to the next that shows one.
func (s *tail) event() (id string, e *indelible.Event) {
	s.w.t.Helper()
	for {
		m, err := s.next()
		if err != nil || m.event != "" {
			s.w.t.Fatalf("the stream ended: %v, %+v", err, m)
		}
		if m.data == "" {
			continue
		}
		var shown struct {
			Index uint64
			Event *indelible.Event
		}
		if err := json.Unmarshal([]byte(m.data), &shown); err != nil || m.id != fmt.Sprint(shown.Index+1) {
			s.w.t.Fatalf("%v in %+v", err, m)
		}
		return m.id, shown.Event
	}
}

func TestTail(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	w.post(1, "acme")
	acme, seven, all := w.tail(w.url, "reader", "", ""), w.tail(w.url, "reader", "?resource_id=7", ""), w.tail(w.url, "auditor of all", "?user_id=maria", "")
	for n := 2; n < 9; n++ {
		w.post(n, map[bool]string{true: "globex", false: "acme"}[n == 4])
	}
	for _, n := range []int{2, 3, 5, 6, 7, 8} {
		if _, e := acme.event(); e.ID != id(n) || e.TenantID != "acme" {
			t.Errorf("%s of %s, want %d", e.ID, e.TenantID, n)
		}
	}
	if _, e := seven.event(); e.ID != id(7) {
		t.Errorf("%s has the resource 7", e.ID)
	}
	for n := 2; n < 9; n++ {
		if _, e := all.event(); e.ID != id(n) {
			t.Errorf("%s of all, want %d", e.ID, n)
		}
	}
	// From the beginning.
	if _, e := w.tail(w.url, "reader", "", "0").event(); e.ID != id(1) {
		t.Errorf("%s is the first", e.ID)
	}
	for what, c := range map[string]struct {
		who, query, last string
		status           int
		code             string
	}{
		"no reader":           {"writer", "", "", 403, "forbidden"},
		"nobody":              {"", "", "", 401, "unauthorized"},
		"a limit":             {"reader", "?limit=3", "", 400, "bad_query"},
		"a time":              {"reader", "?since=2024-10-25T00:00:00Z", "", 400, "bad_query"},
		"a place that is not": {"reader", "", "x", 400, "bad_cursor"},
		"a negative one":      {"reader", "", "-1", 400, "bad_cursor"},
		"a large one":         {"reader", "", "9223372036854775808", 400, "bad_cursor"},
	} {
		if a := w.do(c.who, "GET", "/v1/events/tail"+c.query, "", "Last-Event-ID", c.last); a.status != c.status || a.code() != c.code {
			t.Errorf("%s: status %d, %s", what, a.status, a.body)
		}
	}
	// What was shown is in the access log, and by whom.
	begun, shown := 0, 0
	for _, look := range w.looks() {
		if look.Action != "tail" || look.UserID != "auditor of all" {
			continue
		}
		var d struct{ Rows int }
		if err := json.Unmarshal(look.Details, &d); err != nil {
			t.Fatal(err)
		}
		if look.Outcome == access.Intent {
			begun++
		}
		shown += d.Rows
	}
	if begun != 1 || shown != 7 {
		t.Errorf("the access log has %d streams that showed %d events", begun, shown)
	}
}

// TestTailResume: over connections that are cut and a server that is begun again,
// a reader that says where it was misses nothing and sees nothing twice.
func TestTailResume(t *testing.T) {
	t.Parallel()
	var cfg api.Config
	w := start(t, func(c *api.Config) { cfg = *c })
	const events = 200
	half := make(chan struct{})
	go func() {
		for n := range events {
			e, err := indelible.ParseEvent([]byte(event(n, []string{"acme", "globex"}[n%5/4])))
			if err == nil {
				_, err = cfg.Recorder.Record(t.Context(), []*indelible.Event{e}, recorder.Options{})
			}
			if err != nil {
				t.Error(err)
				return
			}
			if n == events/2 {
				close(half)
			}
		}
	}()
	url, last, seen := w.url, "0", 0
	var stream *tail
	for n := range events {
		if n%5 == 4 {
			continue // globex
		}
		if seen%9 == 0 {
			if n > events/3 && url == w.url {
				<-half
				w.server.Close() // its streams end with it, and it follows no more
				second, err := api.New(t.Context(), cfg)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(second.Close)
				ts := httptest.NewServer(second.Handler())
				t.Cleanup(ts.Close)
				url = ts.URL
			}
			if stream != nil {
				stream.resp.Body.Close()
			}
			stream = w.tail(url, "reader", "", last)
			t.Cleanup(func() { stream.resp.Body.Close() })
		}
		var e *indelible.Event
		if last, e = stream.event(); e.ID != id(n) {
			t.Fatalf("%s came, want %d", e.ID, n)
		}
		seen++
	}
	if seen != events*4/5 {
		t.Errorf("%d events were seen", seen)
	}
}

// TestTailEnds: a key that is revoked, or expires, ends what it reads.
func TestTailEnds(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	for _, name := range []string{"revoked", "expired"} {
		var expires *time.Time
		if name == "expired" {
			soon := time.Now().Add(3 * time.Second) // long enough for a slow machine to begin the stream
			expires = &soon
		}
		text, key, err := w.keys.New(name, []access.Role{access.Reader}, false, []string{"acme"}, expires, "")
		if err == nil {
			err = w.keys.Add(key)
		}
		if err != nil {
			t.Fatal(err)
		}
		w.key[name] = text
		s := w.tail(w.url, name, "", "")
		if expires == nil {
			if _, err := w.keys.Revoke(key.ID); err != nil {
				t.Fatal(err)
			}
		}
		for {
			m, err := s.next()
			if err != nil {
				t.Fatalf("%s: it ended without a word: %v", name, err)
			}
			if m.event == "problem" {
				if !strings.Contains(m.data, `"unauthorized"`) {
					t.Errorf("%s: %s", name, m.data)
				}
				break
			}
		}
		if _, err := s.next(); err == nil {
			t.Errorf("%s: it goes on", name)
		}
	}
}

// TestTailUnread: who never reads is dropped, and disturbs nobody.
func TestTailUnread(t *testing.T) {
	t.Parallel()
	w := start(t, func(c *api.Config) { c.Patience = 500 * time.Millisecond })
	host := strings.TrimPrefix(w.url, "http://")
	for range 8 {
		c, err := net.Dial("tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.(*net.TCPConn).SetReadBuffer(4096)
		fmt.Fprintf(c, "GET /v1/events/tail HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", w.key["reader"])
		if status, err := bufio.NewReaderSize(c, 16).ReadString('\n'); err != nil || !strings.Contains(status, "200") {
			t.Fatalf("%q, %v", status, err)
		}
	}
	if a := w.get("reader", "/v1/events/tail"); a.status != http.StatusTooManyRequests || a.code() != "rate" {
		t.Errorf("a ninth stream of one key: status %d, %s", a.status, a.body)
	}
	other := w.tail(w.url, "auditor", "", "")
	pad := strings.Repeat("x", 900<<10)
	for n := range 8 { // more than the connections hold
		large := strings.Replace(event(n, "acme"), `{`, `{"details":{"pad":"`+pad+`"},`, 1)
		if a := w.do("writer", "POST", "/v1/events", large); a.status != http.StatusCreated {
			t.Fatalf("status %d, %.100s", a.status, a.body)
		}
		if _, e := other.event(); e.ID != id(n) {
			t.Errorf("%s came, want %d", e.ID, n)
		}
	}
	for deadline := time.Now().Add(30 * time.Second); ; {
		r, err := http.NewRequestWithContext(t.Context(), "GET", w.url+"/v1/events/tail", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+w.key["reader"])
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("who never reads still has all the streams of the key")
		}
	}
}

// TestTailIsLong: what ends other requests does not end a stream.
func TestTailIsLong(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	ts := httptest.NewUnstartedServer(nil)
	ts.Config = w.server.HTTP()
	ts.Config.ReadTimeout, ts.Config.WriteTimeout = 300*time.Millisecond, 300*time.Millisecond
	ts.Start()
	t.Cleanup(ts.Close)
	s := w.tail(ts.URL, "reader", "", "")
	begun := time.Now()
	for n := 0; time.Since(begun) < time.Second; n++ {
		w.post(n, "acme")
		if _, e := s.event(); e.ID != id(n) {
			t.Errorf("%s came, want %d", e.ID, n)
		}
	}
	s.resp.Body.Close()
}
