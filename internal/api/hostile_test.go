package api_test

import (
	"bufio"
	"encoding/base64"

	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"indelible/internal/access"
	"indelible/internal/api"
)

// raw sends bytes as they are and returns the answer's status line and body.
func (w *world) raw(request string) (status int, body string) {
	w.t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	if err != nil {
		w.t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	io.WriteString(c, request)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		w.t.Fatalf("%q: %v", request, err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b)
}

// TestPaths: what could be read as another path is refused, never put right.
func TestPaths(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	for path, want := range map[string]int{
		"//v1/events": 400, "/v1//events": 400, "/v1/./events": 400, "/v1/../healthz": 400, "/log/../v1/events": 400, "/v1/events/": 400,
		"/log/tile/0/../../checkpoint": 400, "/log/%2e%2e/checkpoint": 400, "/log/tile%2f0/000": 400, "/log/tile/0/%2E%2E/x": 400, `/log/tile\0`: 400,
		"/v1/events%00": 400, "/v1/events/%0d%0aSet-Cookie:x": 400, "/log/": 400,
		"/log/tile/0/000": 404, "/log/wal/00000000000000000001": 404, "/log/heads/x": 404, "/log/checkpoints/1": 404, "/log/tile/64/000": 404,
		"/log/tile/0/000.p/256": 404, "/log/tile/0/x1/000": 404, "/log/tile/entries/x000/000.p/0": 404, "/log/tile": 404, "/log/keys": 404,
		"/" + strings.Repeat("a", 20_000): 400,
	} {
		status, body := w.raw("GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if status != want {
			t.Errorf("%.60s: status %d, want %d, %s", path, status, want, body)
		}
	}
	for _, request := range []string{
		"GET http://elsewhere/../healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
		"GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\nConnection: close\r\n\r\n",
		"GET /v1/events?q=a\rb HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
		"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello",
		"GET /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer\x01 x\r\nConnection: close\r\n\r\n",
		"CONNECT /v1/events HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
	} {
		if status, _ := w.raw(request); status/100 != 4 {
			t.Errorf("%q: status %d", request, status)
		}
	}
	if status, _ := w.raw("GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("a", 70<<10) + "\r\nConnection: close\r\n\r\n"); status != 431 {
		t.Errorf("headers of 70 KiB: status %d", status)
	}
	for method, want := range map[string]int{"PUT": 405, "DELETE": 405, "PATCH": 405} {
		if a := w.do("reader", method, "/v1/events", ""); a.status != want || a.code() != "method" {
			t.Errorf("%s: status %d, %s", method, a.status, a.body)
		}
	}
	a := w.get("", "/healthz")
	for _, name := range []string{"X-Content-Type-Options", "Content-Security-Policy", "Referrer-Policy", "X-Request-Id"} {
		if a.header.Get(name) == "" {
			t.Errorf("no %s", name)
		}
	}
	if banner := a.header.Get("Server"); banner != "" {
		t.Errorf("the server says what it is: %q", banner)
	}
}

func TestQueries(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	for n := range 4 {
		w.post(n+1, "acme")
	}
	for _, query := range []string{
		"?nothing=1", "?user_id=a&user_id=b", "?user_id=%ff", "?user_id=" + strings.Repeat("a", 2000), "?limit=0", "?limit=1001", "?limit=x", "?limit=-1",
		"?since=yesterday", "?since=2024-10-26T00:00:00Z&until=2024-10-25T00:00:00Z", "?order=random", "?q=...", "?q=a+b+c+d+e+f+g+h+i+j+k+l+m+n+o+p+q",
		"?q=%zz", "?a;b", "?cursor=", "?cursor=AAAA", "?cursor=" + strings.Repeat("A", 500), "?cursor=*",
	} {
		if a := w.get("reader", "/v1/events"+query); a.status != 400 || a.code() != "bad_query" && a.code() != "bad_cursor" {
			t.Errorf("%.60s: status %d, %s", query, a.status, a.body)
		}
	}
	// What an injection looks like is a value like any other.
	for _, value := range []string{"%27%20OR%20%271%27=%271", "%22", "%00", "%0d%0a", "a%20NEAR%20b", "*", "%25"} {
		for _, name := range []string{"user_id", "resource_id", "tenant_id", "action"} {
			if p := w.search("reader of all", "?"+name+"="+value); len(p.Events) != 0 {
				t.Errorf("%s=%s found %d events", name, value, len(p.Events))
			}
		}
	}
	// A cursor is for one query of one caller.
	next := w.search("reader", "?limit=1&user_id=maria").Next
	if next == "" {
		t.Fatal("no cursor")
	}
	if p := w.search("reader", "?limit=2&user_id=maria&cursor="+next); len(p.Events) != 2 {
		t.Errorf("a cursor with another limit: %+v", p)
	}
	b, err := base64.RawURLEncoding.DecodeString(next)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-2] ^= 1
	forged := base64.RawURLEncoding.EncodeToString(b)
	for what, c := range map[string][2]string{
		"another filter": {"reader", "?user_id=tom&cursor=" + next}, "no filter": {"reader", "?cursor=" + next}, "another order": {"reader", "?user_id=maria&order=log&cursor=" + next},
		"another tenant": {"reader of globex", "?user_id=maria&cursor=" + next}, "another role": {"auditor", "?user_id=maria&cursor=" + next},
		"forged": {"reader", "?user_id=maria&cursor=" + forged}, "padded": {"reader", "?user_id=maria&cursor=" + next + "="},
	} {
		if a := w.get(c[0], "/v1/events"+c[1]); a.status != 400 || a.code() != "bad_cursor" {
			t.Errorf("a cursor of %s: status %d, %s", what, a.status, a.body)
		}
	}
	for _, path := range []string{"/v1/events/1", "/v1/events/..%00", "/v1/events/" + strings.Repeat("0", 36), "/v1/events/" + strings.ToUpper("00000000-0000-4000-8000-00000000000a") + "x"} {
		if a := w.get("reader", path); a.status != 400 {
			t.Errorf("%s: status %d, %s", path, a.status, a.body)
		}
	}
}

// TestKeysThatAreNone: 401, whatever is wrong, and the log bounds what of it it keeps.
func TestKeysThatAreNone(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	good := w.key["reader"]
	earlier := access.OpenKeys(w.keyDir, func() time.Time { return time.Now().Add(-time.Hour) })
	past := time.Now().Add(-time.Minute)
	text, key, err := earlier.New("short", []access.Role{access.Reader}, true, nil, &past, "")
	if err == nil {
		err = earlier.Add(key)
	}
	if err != nil {
		t.Fatal(err)
	}
	for what, header := range map[string]string{
		"none of ours": "Bearer abc", "another scheme": "Basic " + good, "no scheme": good, "cut short": "Bearer " + good[:40], "longer": "Bearer " + good + "a",
		"expired": "Bearer " + text, "alg none": "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.", "empty": "Bearer ", "two": "Bearer " + good + "," + good, "spaces": "Bearer  " + good,
	} {
		if a := w.do("", "GET", "/v1/events", "", "Authorization", header); a.status != 401 || a.code() != "unauthorized" || strings.Contains(string(a.body), good[20:40]) {
			t.Errorf("%s: status %d, %s", what, a.status, a.body)
		}
	}
	// The body of somebody unknown is not read.
	status, _ := w.raw("POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100000\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n")
	if status != 401 {
		t.Errorf("somebody unknown is asked for a body: status %d", status)
	}
	for range 100 {
		w.do("", "GET", "/v1/events", "", "Authorization", "Bearer ind_x")
	}
	if n := len(w.looks()); n < 10 || n > 70 {
		t.Errorf("more than 100 refused keys are %d events", n)
	}
	if strings.Contains(w.logs.String(), good) {
		t.Error("the server's log holds a key")
	}
}

// TestSlow: who is slow is cut off, and disturbs nobody.
func TestSlow(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	w.post(1, "acme")
	address := strings.TrimPrefix(w.url, "http://")
	for range 300 { // connections that say nothing
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	slow, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	io.WriteString(slow, "GET /healthz HTTP/1.1\r\nHost: ")
	begun := time.Now()
	for range 20 {
		if p := w.search("reader", ""); len(p.Events) != 1 {
			t.Fatalf("%+v", p)
		}
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("twenty searches took %v", took)
	}
	slow.SetReadDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.ReadAll(slow); err != nil {
		t.Errorf("a header that does not end: %v", err)
	}
	if took := time.Since(begun); took > 15*time.Second {
		t.Errorf("it was waited for %v", took)
	}
}

// TestRate: one key cannot take what all need.
func TestRate(t *testing.T) {
	t.Parallel()
	now := time.Now()
	w := start(t, func(c *api.Config) { c.Rate, c.Clock = 100, func() time.Time { return now } })
	lines := func(from, n int) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(event(from+i, "acme") + "\n")
		}
		return b.String()
	}
	if a := w.do("writer", "POST", "/v1/events?ack=journal", lines(1, 250), "Content-Type", "application/x-ndjson"); a.status != 200 {
		t.Fatalf("status %d: %s", a.status, a.body)
	}
	for range 2 {
		a := w.do("writer", "POST", "/v1/events", event(900, "acme"))
		if a.status != 429 || a.code() != "rate" || a.header.Get("Retry-After") == "" {
			t.Errorf("a key that has sent too much: status %d, %s, %v", a.status, a.body, a.header)
		}
	}
	looked := 0
	for looked < 1000 && w.get("reader", "/v1/events?limit=1").status == 200 {
		looked++
	}
	if looked < 100 || looked > 500 {
		t.Errorf("a key that looks all the time was let in %d times", looked)
	}
	if a := w.do("writer of globex", "POST", "/v1/events", event(901, "globex")); a.status != 201 {
		t.Errorf("another key: status %d, %s", a.status, a.body)
	}
}
