package client_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"indelible"
	"indelible/client"
)

// server is one that takes events, and does what servers do on bad days.
type server struct {
	*httptest.Server
	mu     sync.Mutex
	taken  map[string]*indelible.Event
	twice  int // events that were sent again
	bad    func(n int) string
	n      int
	header http.Header
}

func newServer(t *testing.T, bad func(n int) string) *server {
	s := &server{taken: make(map[string]*indelible.Event), bad: bad}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	s.header = r.Header
	how := ""
	if s.bad != nil {
		how = s.bad(s.n)
	}
	if how == "busy" {
		w.Header().Set("Retry-After", "0")
		http.Error(w, "{}", http.StatusServiceUnavailable)
		return
	}
	z, err := gzip.NewReader(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	body, err := io.ReadAll(z) // all of it, before anything is answered
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	enc := json.NewEncoder(w)
	lines := bufio.NewScanner(bytes.NewReader(body))
	for n := 1; lines.Scan(); n++ {
		e, err := indelible.ParseEvent(lines.Bytes())
		switch {
		case err != nil || e.Action == "refuse":
			enc.Encode(map[string]any{"line": n, "status": 422, "problem": map[string]string{"title": "not valid"}})
			continue
		case how == "some" && n%2 == 0:
			enc.Encode(map[string]any{"line": n, "status": 503, "problem": map[string]string{"title": "busy"}})
			continue
		}
		if s.taken[e.ID] != nil {
			s.twice++
		}
		s.taken[e.ID] = e
		if how != "silent" {
			enc.Encode(map[string]any{"line": n, "status": 201, "receipt": map[string]string{"id": e.ID}})
		}
	}
	if how == "silent" || how == "cut" {
		panic(http.ErrAbortHandler)
	}
}

func (s *server) events() map[string]*indelible.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.taken)
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func event(n int) indelible.Event {
	return indelible.Event{ID: fmt.Sprintf("00000000-0000-4000-8000-%012d", n), EventType: "e", UserID: "maria", TenantID: "acme", ResourceType: "file", ResourceID: fmt.Sprint(n), Action: "read", Outcome: "success"}
}

func open(t *testing.T, cfg client.Config) *client.Client {
	t.Helper()
	if cfg.Log == nil {
		cfg.Log = quiet()
	}
	cfg.Key, cfg.Every = "ind_key", 5*time.Millisecond
	c, err := client.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestSendsAll: whatever a server does, each event arrives, with a receipt.
func TestSendsAll(t *testing.T) {
	t.Parallel()
	for _, spool := range []bool{false, true} {
		t.Run(fmt.Sprintf("spool=%v", spool), func(t *testing.T) {
			t.Parallel()
			days := []string{"busy", "", "some", "silent", "", "cut", "", "some"}
			r := rand.New(rand.NewPCG(1, 2))
			s := newServer(t, func(int) string { return days[r.IntN(len(days))] })
			cfg := client.Config{URL: s.URL, Receipts: filepath.Join(t.TempDir(), "receipts.jsonl"), Refused: func(event []byte, why error) { t.Errorf("%s: %v", event, why) }}
			if spool {
				cfg.Spool = filepath.Join(t.TempDir(), "spool")
			}
			c := open(t, cfg)
			const n = 1500
			var wg sync.WaitGroup
			for w := range 30 {
				wg.Go(func() {
					for i := w; i < n; i += 30 {
						if err := c.Record(t.Context(), event(i)); err != nil {
							t.Error(err)
						}
					}
				})
			}
			wg.Wait()
			if err := c.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := len(s.events()); got != n {
				t.Errorf("%d of %d events arrived", got, n)
			}
			b, err := os.ReadFile(cfg.Receipts)
			if err != nil {
				t.Fatal(err)
			}
			ids := make(map[string]bool)
			for line := range bytes.Lines(b) {
				var receipt indelible.Receipt
				if err := json.Unmarshal(line, &receipt); err != nil {
					t.Fatal(err)
				}
				ids[receipt.ID] = true
			}
			if len(ids) != n {
				t.Errorf("%d of %d events have a receipt", len(ids), n)
			}
			if spool {
				if left, _ := filepath.Glob(filepath.Join(cfg.Spool, "*")); len(left) > 0 {
					t.Errorf("%v is left in the spool", left)
				}
			}
			if s.header.Get("Authorization") != "Bearer ind_key" || s.header.Get("Content-Type") != "application/x-ndjson" {
				t.Errorf("header %v", s.header)
			}
			if err := c.Record(t.Context(), event(1)); !errors.Is(err, client.ErrClosed) {
				t.Errorf("a closed client: %v", err)
			}
		})
	}
}

// TestOutage: with a spool an application goes on while there is no server, and
// what it recorded is sent by the process after it.
func TestOutage(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	spool := t.TempDir()
	for process := range 3 { // none of them finds a server
		c := open(t, client.Config{URL: "http://127.0.0.1:1", Spool: spool})
		for i := range 50 {
			if err := c.Record(t.Context(), event(process*50+i)); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // it has no time
		if err := c.Close(ctx); err != nil {
			t.Fatal(err)
		}
	}
	// A crash may leave half a line, which nobody was told was taken.
	if err := os.WriteFile(filepath.Join(spool, "17000000000000000000.jsonl"), append(mustLine(event(150)), `{"half`...), 0o600); err != nil {
		t.Fatal(err)
	}
	c := open(t, client.Config{URL: s.URL, Spool: spool})
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := len(s.events()); got != 151 || s.twice != 0 {
		t.Errorf("%d events arrived, %d of them twice, want 151", got, s.twice)
	}
}

func mustLine(e indelible.Event) []byte {
	e.Timestamp = time.Now()
	if err := e.Validate(); err != nil {
		panic(err)
	}
	return append(e.AppendCanonical(nil), '\n')
}

func TestRefused(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	var refused []string
	c := open(t, client.Config{URL: s.URL, Spool: t.TempDir(), Refused: func(event []byte, why error) {
		if !errors.Is(why, client.ErrRefused) {
			t.Errorf("why: %v", why)
		}
		refused = append(refused, string(event))
	}})
	bad := event(2)
	bad.Action = "refuse"
	for _, e := range []indelible.Event{event(1), bad, event(3)} {
		if err := c.Record(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	var field *indelible.FieldError
	if err := c.Record(t.Context(), indelible.Event{}); !errors.As(err, &field) {
		t.Errorf("an event that is none: %v", err)
	}
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(s.events()) != 2 || len(refused) != 1 || !strings.Contains(refused[0], bad.ID) {
		t.Errorf("%d arrived, refused %v", len(s.events()), refused)
	}
}

// TestFull: a queue that is full waits, and no longer than it is told to.
func TestFull(t *testing.T) {
	t.Parallel()
	c := open(t, client.Config{URL: "http://127.0.0.1:1", Queue: 1})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	n := 0
	for ; n < 10_000; n++ {
		if err := c.Record(ctx, event(n)); err != nil {
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("full: %v", err)
			}
			break
		}
	}
	if n == 10_000 {
		t.Error("a queue of one took 10,000 events")
	}
	if err := c.Close(ctx); err == nil || !strings.Contains(err.Error(), "were not sent") {
		t.Errorf("closing with events that were not sent: %v", err)
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for _, cfg := range []client.Config{{}, {URL: "localhost:1", Key: "k"}, {URL: "ftp://x", Key: "k"}, {URL: "http://x"}, {URL: "http://x", Key: "a\nb"}} {
		if _, err := client.New(cfg); err == nil {
			t.Errorf("%+v was taken", cfg)
		}
	}
}

func TestSlog(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	c := open(t, client.Config{URL: s.URL})
	log := slog.New(client.NewHandler(c, indelible.Event{TenantID: "acme", EventType: "data_access", ResourceType: "file", Outcome: "success"}))
	log.With("user_id", "maria").WithGroup("request").Info("read a file", "bytes", 12, slog.Group("", "ok", true), "took", time.Second)
	log.Warn("gone", "action", "delete", "resource_id", "7", "big", uint64(1<<60), "ratio", 0.5, slog.Group("g", "x", nil))
	if err := log.Handler().Handle(t.Context(), slog.Record{}); err == nil {
		t.Error("a record without action was taken")
	}
	base := indelible.Event{TenantID: "acme", EventType: "e", ResourceType: "r", Outcome: "o", Action: "a"}
	slog.New(client.NewHandler(c, base)).Info("")
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range s.events() {
		got = append(got, fmt.Sprint(e.UserID, "|", e.Action, "|", e.ResourceID, "|", string(e.Details)))
	}
	all := strings.Join(got, "\n")
	if len(got) != 2 || !strings.Contains(all, `|delete|7|{"big":"1152921504606846976","g":{"x":null},"message":"gone","ratio":0.5}`) || !strings.Contains(all, "|a||{}") {
		t.Errorf("%s", all)
	}
}

func TestMiddleware(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	c := open(t, client.Config{URL: s.URL})
	h := c.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/no":
			w.WriteHeader(http.StatusForbidden)
		case "/panic":
			panic(http.ErrAbortHandler)
		}
	}), func(r *http.Request) (indelible.Event, bool) {
		return indelible.Event{TenantID: "acme", UserID: "maria", ResourceType: "page", ResourceID: r.URL.Path}, r.URL.Path != "/health"
	})
	for _, path := range []string{"/yes", "/no", "/panic", "/health"} {
		func() {
			defer func() { recover() }()
			r := httptest.NewRequest("GET", path, nil)
			r.Header.Set("User-Agent", "test")
			h.ServeHTTP(httptest.NewRecorder(), r)
		}()
	}
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for _, e := range s.events() {
		got[e.ResourceID] = fmt.Sprint(e.UserID, " ", e.Action, " ", e.Outcome, " ", e.SourceIP, " ", e.UserAgent)
	}
	want := map[string]string{"/yes": "maria GET success 192.0.2.1 test", "/no": "maria GET failure 192.0.2.1 test", "/panic": "maria GET failure 192.0.2.1 test"}
	if !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func FuzzSpool(f *testing.F) {
	f.Add([]byte("{}\n{}\nhalf"))
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "00000000000000000001.jsonl"), b, 0o600); err != nil {
			t.Fatal(err)
		}
		s := newServer(t, nil)
		c := open(t, client.Config{URL: s.URL, Spool: dir})
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func newExampleServer() *server {
	s := &server{taken: make(map[string]*indelible.Event)}
	s.Server = httptest.NewServer(s)
	return s
}
