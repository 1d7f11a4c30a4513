package api_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"indelible"
	"indelible/internal/access"
	"indelible/internal/api"
	"indelible/internal/ledger"
)

// over is the same server on another listener, with other limits.
func (w *world) over(change func(*http.Server), wrap func(net.Listener) net.Listener) *world {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	web := w.server.HTTP()
	if change != nil {
		change(web)
	}
	other := *w
	other.url = "http://" + l.Addr().String()
	if wrap != nil {
		l = wrap(l)
	}
	go web.Serve(l)
	w.t.Cleanup(func() { web.Close() })
	return &other
}

func (w *world) dial() net.Conn {
	w.t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	return c
}

// lasting writes pieces until the other side does not take them any more.
func lasting(c net.Conn, first string, piece func() []byte, pause time.Duration) {
	if _, err := io.WriteString(c, first); err != nil {
		return
	}
	for {
		if _, err := c.Write(piece()); err != nil {
			return
		}
		if pause > 0 {
			<-time.After(pause)
		}
	}
}

// TestNobodyIsDisturbed: each of the hostile has an answer, and another client's
// requests are answered meanwhile as if they were not there.
func TestNobodyIsDisturbed(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	for n := range 40 {
		if a := w.do("writer", "POST", "/v1/events?ack=journal", strings.Replace(event(n+1, "acme"), `{`, `{"details":{"x":"`+strings.Repeat("x", 100_000)+`"},`, 1)); a.status != 202 {
			t.Fatalf("status %d: %s", a.status, a.body)
		}
	}
	w.settled()
	var closed sync.Map // by the other side's address
	w = w.over(func(web *http.Server) {
		web.ReadTimeout, web.WriteTimeout = 3*time.Second, 5*time.Second
		web.ConnState = func(c net.Conn, state http.ConnState) {
			if state == http.StateClosed {
				closed.Store(c.RemoteAddr().String(), true)
			}
		}
	}, nil)
	post := func(header string) string {
		return "POST /v1/events HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer " + w.key["writer of all"] + "\r\n" + header + "\r\n"
	}
	chunk := func(b []byte) []byte { return fmt.Appendf(nil, "%x\r\n%s\r\n", len(b), b) }
	lines := []byte(strings.Repeat("{}\n", 20_000))
	noise := make([]byte, 64<<10)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	// A stream of gzip may be one packed piece after another.
	bomb, packedNoise, packedLine := packed(t, strings.Repeat(" ", 4<<20)), packed(t, string(noise)), packed(t, "{}\n")
	packing := func(piece string) func() []byte { return func() []byte { return chunk([]byte(piece)) } }
	const ndjson, chunked = "Content-Type: application/x-ndjson\r\n", "Transfer-Encoding: chunked\r\n"
	var attackers sync.WaitGroup
	for what, c := range map[string]struct {
		first string
		piece func() []byte
		pause time.Duration
		want  string
	}{
		"a body that trickles":        {post(ndjson + "Content-Length: 100000\r\n"), func() []byte { return []byte(" ") }, 50 * time.Millisecond, "408 timeout"},
		"a body that does not come":   {post("Content-Type: application/json\r\nContent-Length: 1000\r\n"), func() []byte { return nil }, 50 * time.Millisecond, "408 timeout"},
		"chunks that trickle":         {post(ndjson + chunked), func() []byte { return chunk([]byte("{}\n")) }, 50 * time.Millisecond, "408 timeout"},
		"packed, and trickles":        {post(ndjson + chunked + "Content-Encoding: gzip\r\n"), packing(packedLine), 100 * time.Millisecond, "408 timeout"},
		"lines without end":           {post(ndjson + chunked), func() []byte { return chunk(lines) }, 0, "413 too_large"},
		"a line without end":          {post(ndjson + chunked), func() []byte { return chunk(noise) }, 0, "413 too_large"},
		"gzip without end":            {post(ndjson + chunked + "Content-Encoding: gzip\r\n"), packing(bomb), 0, "413 ratio"},
		"gzip of noise without end":   {post(ndjson + chunked + "Content-Encoding: gzip\r\n"), packing(packedNoise), 0, "413 too_large"},
		"zstd with a window of 1 GiB": {post(ndjson + chunked + "Content-Encoding: zstd\r\n"), func() []byte { return chunk(append([]byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa0}, noise[:100]...)) }, 0, "400 bad_request"},
		"a chunk that is none":        {post(ndjson + chunked), func() []byte { return []byte("zz\r\n") }, 0, "400 bad_request"},
		"a length and chunks":         {post(ndjson + chunked + "Content-Length: 3\r\n"), func() []byte { return chunk(lines) }, 0, "413 too_large"},
		"headers without end":         {"GET /healthz HTTP/1.1\r\nHost: x\r\n", func() []byte { return []byte("X-A: " + strings.Repeat("a", 500) + "\r\n") }, 0, "431 "},
		"one header without end":      {"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: ", func() []byte { return bytes.Repeat([]byte("a"), 4096) }, 0, "431 "},
		"a path without end":          {"GET /", func() []byte { return bytes.Repeat([]byte("a"), 4096) }, 0, "431 "},
	} {
		name := "attacker: " + what
		w.add(name, access.Writer) // several large bodies of one key are refused
		c.first = strings.ReplaceAll(c.first, w.key["writer of all"], w.key[name])
		conn := w.dial()
		conn.SetDeadline(time.Now().Add(60 * time.Second))
		go lasting(conn, c.first, c.piece, c.pause)
		attackers.Go(func() {
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Errorf("%s: %v", what, err)
				return
			}
			b, _ := io.ReadAll(resp.Body)
			var p struct{ Code string }
			json.Unmarshal(b, &p)
			if got := fmt.Sprint(resp.StatusCode, " ", p.Code); got != c.want {
				t.Errorf("%s: %s, want %s", what, got, c.want)
			}
		})
	}
	// Who asks for much and reads nothing of it is cut off when the answer is due.
	deaf := w.dial()
	deaf.(*net.TCPConn).SetReadBuffer(4 << 10)
	for range 10 {
		io.WriteString(deaf, "GET /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+w.key["reader of all"]+"\r\n\r\n")
	}
	over := make(chan struct{})
	go func() {
		attackers.Wait()
		close(over)
	}()
	slowest := time.Duration(0)
	for n := 1000; ; n++ {
		begun := time.Now()
		if a := w.do("writer", "POST", "/v1/events?ack=journal", event(n, "acme")); a.status != 202 {
			t.Errorf("another's event: status %d, %s", a.status, a.body)
		}
		if p := w.search("reader", "?limit=1"); len(p.Events) != 1 {
			t.Errorf("another's search finds %d events", len(p.Events))
		}
		slowest = max(slowest, time.Since(begun))
		select {
		case <-over:
		case <-time.After(10 * time.Millisecond):
			continue
		}
		break
	}
	t.Logf("an event and a search took at most %v", slowest)
	if slowest > 3*time.Second {
		t.Errorf("an event and a search took up to %v", slowest)
	}
	for deadline := time.Now().Add(30 * time.Second); ; <-time.After(20 * time.Millisecond) {
		if _, ok := closed.Load(deaf.LocalAddr().String()); ok {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("who reads nothing is still connected")
		}
	}
}

// TestIdleConnections: ten thousand connections that say nothing are closed in
// their time, and another client does not notice them.
func TestIdleConnections(t *testing.T) {
	if address := os.Getenv("INDELIBLE_TEST_IDLE"); address != "" {
		beIdle(t, address) // in a process of its own, with file descriptors of its own
		return
	}
	t.Parallel()
	w := start(t, nil)
	w.post(1, "acme")
	n := 10_000
	if testing.Short() {
		n = 1000
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestIdleConnections$", "-test.count=1")
	cmd.Env = append(os.Environ(), "INDELIBLE_TEST_IDLE="+strings.TrimPrefix(w.url, "http://"), "INDELIBLE_TEST_N="+strconv.Itoa(n))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	said := func(what string) bool {
		for lines.Scan() {
			if strings.HasPrefix(lines.Text(), what) {
				return true
			}
		}
		return false
	}
	if !said("open") {
		t.Fatalf("the connections were not opened: %v", cmd.Wait())
	}
	begun := time.Now()
	for range 20 {
		if p := w.search("reader", ""); len(p.Events) != 1 {
			t.Fatalf("%+v", p)
		}
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("twenty searches took %v", took)
	}
	if !said("closed") {
		t.Error("the server has not closed them")
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// beIdle opens connections, says so, and waits until all are closed.
func beIdle(t *testing.T, address string) {
	n, err := strconv.Atoi(os.Getenv("INDELIBLE_TEST_N"))
	if err != nil {
		t.Fatal(err)
	}
	conns := make([]net.Conn, n)
	for i := range conns {
		if conns[i], err = net.Dial("tcp", address); err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		if i%2 == 1 { // every second one has begun
			io.WriteString(conns[i], "GET / HTTP/1.1\r\nHost: ")
		}
	}
	fmt.Println("open")
	for i, c := range conns {
		c.SetReadDeadline(time.Now().Add(60 * time.Second))
		if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("connection %d is still open", i)
		}
	}
	fmt.Println("closed")
}

// TestConnectionLimit: there are no more connections than there may be; who comes
// then waits.
func TestConnectionLimit(t *testing.T) {
	t.Parallel()
	const most = 20
	w := start(t, nil).over(nil, func(l net.Listener) net.Listener { return api.Limit(l, most) })
	var conns []net.Conn
	ask := func(c net.Conn) error {
		c.SetDeadline(time.Now().Add(20 * time.Second))
		io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
		}
		return err
	}
	for range most {
		c := w.dial()
		if err := ask(c); err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	late := w.dial()
	io.WriteString(late, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
	late.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	if n, err := late.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("one more than there may be is answered: %d, %v", n, err)
	}
	for _, c := range conns {
		if err := ask(c); err != nil {
			t.Errorf("a connection that was there: %v", err)
		}
	}
	conns[0].Close()
	late.SetReadDeadline(time.Now().Add(20 * time.Second))
	if n, err := late.Read(make([]byte, 1)); n != 1 {
		t.Errorf("who waited is not answered: %v", err)
	}
}

// TestLineBreaks: nothing that is sent becomes a header, a second answer or a
// second line of the server's log.
func TestLineBreaks(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	w.post(1, "acme")
	const bad = "%0d%0aX-Evil:%201%0d%0a%0d%0aevil"
	for _, path := range []string{
		"/v1/events?user_id=" + bad, "/v1/events?q=" + bad, "/v1/events?cursor=" + bad, "/v1/events?since=" + bad, "/v1/events?order=" + bad, "/v1/events?" + bad + "=1", "/v1/access?tenant_id=" + bad,
		"/v1/events/" + bad, "/v1/events/" + bad + "/evidence", "/v1/receipts/" + bad, "/v1/tenants/" + bad + "/completeness", "/log/" + bad, "/log/tile/0/" + bad, "/" + bad, "/v1/verification?" + bad,
	} {
		a := w.get("auditor", path)
		if a.header.Get("X-Evil") != "" || a.status == 500 || a.status/100 == 3 {
			t.Errorf("%s: status %d, %v, %s", path, a.status, a.header, a.body)
		}
	}
	auth := "Authorization: Bearer " + w.key["auditor"]
	for what, header := range map[string]string{
		"a bare CR":     auth + "\r\nX-Justification: a\rX-Evil: 1",
		"a zero":        auth + "\r\nX-Justification: a\x00b",
		"a folded line": auth + "\r\nX-Justification: a\r\n b",
		"in the name":   auth + "\r\nX-Justi\rfication: a",
		"a colon first": auth + "\r\n: a",
		"in the token":  auth + "\r\n\tb",
		"in the host":   auth + "\r\nHost: x\ry",
		"in the length": auth + "\r\nContent-Length: 1\r2",
		"a bare LF":     auth + "\r\nX-Justification: a\nX-Evil: 1",
		"in the agent":  auth + "\r\nUser-Agent: a\x1b[31m\x7f",
	} {
		status, body := w.raw("GET /v1/events HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + header + "\r\n\r\n")
		// A line that is folded or ends in LF alone is one that HTTP allows servers to read.
		if allowed := what == "a folded line" || what == "a bare LF"; status != 200 && (status/100 != 4 || allowed) || status == 200 && !allowed {
			t.Errorf("%s: status %d, %s", what, status, body)
		}
	}
	// In events they are text like any other.
	if a := w.do("writer", "POST", "/v1/events", strings.Replace(event(7, "acme"), `"maria"`, `"a\r\nb\u0000"`, 1)); a.status != 201 {
		t.Errorf("in an event: status %d, %s", a.status, a.body)
	}
	for line := range strings.Lines(w.logs.String()) {
		if !strings.HasPrefix(line, "time=") || strings.Contains(line, "evil") {
			t.Errorf("the server's log: %q", line)
		}
	}
}

// lookups counts what is asked of a ledger.
type lookups struct {
	api.Ledger
	mu    sync.Mutex
	asked []string
}

func (l *lookups) Tenant(id string, seal func(string, [32]byte) ([]byte, error)) (*ledger.TenantKeys, error) {
	l.mu.Lock()
	l.asked = append(l.asked, "keys of "+id)
	l.mu.Unlock()
	return l.Ledger.Tenant(id, seal)
}

func (l *lookups) Lookup(ctx context.Context, ref indelible.Ref, all bool) (ledger.Placed, []byte, bool, error) {
	p, payload, found, err := l.Ledger.Lookup(ctx, ref, all)
	l.mu.Lock()
	l.asked = append(l.asked, fmt.Sprintf("a place, found %v", found))
	l.mu.Unlock()
	return p, payload, found, err
}

var treeSize = regexp.MustCompile(`"tree_size":[0-9]+`)

// TestSameWork: for what is another's the server does what it does for what is
// not there, so that not even the time it takes tells them apart.
func TestSameWork(t *testing.T) {
	t.Parallel()
	var asked *lookups
	w := start(t, func(c *api.Config) {
		asked = &lookups{Ledger: c.Ledger}
		c.Ledger = asked
	})
	w.post(1, "acme")
	w.post(2, "globex")
	work := func(path string) (string, string) {
		asked.mu.Lock()
		asked.asked = nil
		asked.mu.Unlock()
		a := w.get("auditor of globex", path)
		asked.mu.Lock()
		defer asked.mu.Unlock()
		if n := a.header.Get("Content-Length"); n != strconv.Itoa(len(a.body)) {
			t.Errorf("%s: %d bytes, Content-Length %q", path, len(a.body), n)
		}
		// The log grows meanwhile: that somebody reads is recorded.
		body := treeSize.ReplaceAll(a.body, []byte(`"tree_size":0`))
		return fmt.Sprint(a.status, " ", string(body), a.header.Get("Content-Type"), len(body)), strings.Join(asked.asked, ", ")
	}
	for _, path := range []string{"/v1/events/%s", "/v1/events/%s/evidence", "/v1/receipts/%s", "/v1/access?event_id=%s", "/v1/events/%s?tenant_id=acme", "/v1/events?resource_id=%s&tenant_id=acme"} {
		foreign, forForeign := work(fmt.Sprintf(path, id(1)))
		unknown, forUnknown := work(fmt.Sprintf(path, id(99)))
		if foreign != unknown || forForeign != forUnknown || strings.Contains(forForeign, "acme") || strings.Contains(forForeign, "true") {
			t.Errorf("%s: what is another's: %s (%s)\nwhat is not there: %s (%s)", path, foreign, forForeign, unknown, forUnknown)
		}
	}
	if answer, for_ := work("/v1/events/" + id(2)); !strings.HasPrefix(answer, "200") || for_ != "keys of globex, a place, found true" {
		t.Errorf("what is its own: %s (%s)", answer, for_)
	}
}

// TestPanics: they are answered, and logged without what was sent.
func TestPanics(t *testing.T) {
	t.Parallel()
	w := start(t, func(c *api.Config) {
		c.Verification = func() json.RawMessage { panic("maria's secret") }
	})
	for range 3 {
		a := w.do("auditor", "GET", "/v1/verification", "", "X-Justification", "hush")
		if a.status != 500 || a.code() != "internal" || a.header.Get("X-Content-Type-Options") != "nosniff" || bytes.Contains(a.body, []byte("maria")) {
			t.Errorf("status %d, %v, %s", a.status, a.header, a.body)
		}
		if a.header.Get("X-Request-Id") == "" || !strings.Contains(w.logs.String(), a.header.Get("X-Request-Id")) {
			t.Errorf("the log does not name request %s", a.header.Get("X-Request-Id"))
		}
	}
	logs := w.logs.String()
	if !strings.Contains(logs, "getVerification") || strings.Contains(logs, "maria") || strings.Contains(logs, "hush") || strings.Contains(logs, w.key["auditor"][:20]) {
		t.Errorf("the log: %s", logs)
	}
	if a := w.get("", "/healthz"); a.status != 200 {
		t.Errorf("afterwards: %d", a.status)
	}
}

// TestSecurityHeaders: every answer has them, and none says what answers.
func TestSecurityHeaders(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	for path, status := range map[string]int{"/healthz": 200, "/readyz": 200, "/log/checkpoint": 200, "/v1/events": 200, "/v1/nothing": 404, "/v1/../x": 400, "/v1/verification": 403} {
		a := w.get("reader", path)
		if a.status != status {
			t.Errorf("%s: status %d", path, a.status)
		}
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "Referrer-Policy": "no-referrer",
			"Server": "", "X-Powered-By": "", "Via": "", "Access-Control-Allow-Origin": "", "Set-Cookie": "",
		} {
			if got := a.header.Get(name); got != want {
				t.Errorf("%s: %s is %q", path, name, got)
			}
		}
		if a.header.Get("Cache-Control") == "" && path != "/healthz" {
			t.Errorf("%s: no Cache-Control", path)
		}
	}
}
