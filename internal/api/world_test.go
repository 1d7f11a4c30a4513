package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"indelible"
	"indelible/internal/access"
	"indelible/internal/access/cedar"
	"indelible/internal/api"
	"indelible/internal/datadir"
	"indelible/internal/ledger"
	"indelible/internal/recorder"
	"indelible/internal/search/sqlite"
)

// world is a server on a ledger of its own, with a key for each role.
type world struct {
	t      *testing.T
	url    string
	vkey   string
	ledger *ledger.Ledger
	reader *ledger.Reader
	keys   *access.Keys
	keyDir string
	key    map[string]string
	logs   *syncBuffer
	server *api.Server
}

func start(t *testing.T, change func(*api.Config)) *world {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "ledger")
	noEnv := func(string) string { return "" }
	store := datadir.StoreConfig{Prefix: datadir.DefaultPrefix, Lock: "none", Retention: datadir.DefaultRetention}
	d, err := datadir.Init(t.Context(), dir, datadir.InitOptions{Store: store}, noEnv)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := d.LedgerConfig()
	if err != nil {
		t.Fatal(err)
	}
	cfg.Sealer, cfg.CommitEvery, cfg.PublishEvery = recorder.Plain, 10*time.Millisecond, 20*time.Millisecond
	l, err := ledger.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	if err := l.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	keyDir := filepath.Join(dir, "access")
	w := &world{t: t, ledger: l, keyDir: keyDir, keys: access.OpenKeys(keyDir, nil), key: make(map[string]string), logs: &syncBuffer{}}
	if w.vkey, err = d.VerifierKey(); err != nil {
		t.Fatal(err)
	}
	if w.reader, err = ledger.NewReader(t.Context(), d.Store, w.vkey); err != nil {
		t.Fatal(err)
	}
	ix, err := sqlite.Open(t.Context(), filepath.Join(dir, "search", "index.db"), "test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ix.Close() })
	policy, err := cedar.New("policy.cedar", cedar.Default)
	if err != nil {
		t.Fatal(err)
	}
	c := api.Config{
		Ledger: l, Recorder: recorder.New(l, cfg, recorder.Plain), Sealer: recorder.Plain, Store: d.Store, Reader: w.reader, Index: ix,
		Keys: w.keys, Policy: policy, PublicLog: true, Verification: func() json.RawMessage { return nil },
		Log: slog.New(slog.NewTextHandler(w.logs, nil)),
	}
	if change != nil {
		change(&c)
	}
	if w.server, err = api.New(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.server.Close)
	ts := httptest.NewUnstartedServer(nil)
	ts.Config = w.server.HTTP()
	ts.Start()
	t.Cleanup(ts.Close)
	w.url = ts.URL
	for _, role := range access.Roles {
		if role != access.BreakGlass {
			w.add(string(role), role, "acme")
			w.add(string(role)+" of globex", role, "globex")
			w.add(string(role)+" of all", role)
		}
	}
	return w
}

func (w *world) add(name string, role access.Role, tenants ...string) {
	w.t.Helper()
	text, key, err := w.keys.New(name, []access.Role{role}, len(tenants) == 0, tenants, nil, "")
	if err == nil {
		err = w.keys.Add(key)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.key[name] = text
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a *answer) code() string {
	var p struct{ Code string }
	json.Unmarshal(a.body, &p)
	return p.Code
}

func (a *answer) into(t *testing.T, v any) {
	t.Helper()
	if a.status/100 != 2 {
		t.Fatalf("status %d: %s", a.status, a.body)
	}
	if err := json.Unmarshal(a.body, v); err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
}

// do sends a request as somebody; header are pairs of names and values.
func (w *world) do(who, method, path, body string, header ...string) *answer {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if who != "" {
		key, ok := w.key[who]
		if !ok {
			w.t.Fatalf("nobody is called %q", who)
		}
		r.Header.Set("Authorization", "Bearer "+key)
	}
	if method == http.MethodPost || method == http.MethodPut {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(r)
	if err != nil {
		w.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatalf("%s %s: %v", method, path, err)
	}
	return &answer{resp.StatusCode, resp.Header, b}
}

func (w *world) get(who, path string) *answer { w.t.Helper(); return w.do(who, "GET", path, "") }

// event is the JSON of an event with a number for an id.
func event(n int, tenant string) string {
	return fmt.Sprintf(`{"id":"00000000-0000-4000-8000-%012d","timestamp":"2024-10-25T14:03:11Z","event_type":"data_access","user_id":"maria","tenant_id":%q,"resource_type":"file","resource_id":"%d","action":"read","outcome":"success"}`, n, tenant, n)
}

func id(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }

// post records an event and waits until it can be read.
func (w *world) post(n int, tenant string) {
	w.t.Helper()
	who := map[string]string{"acme": "writer", "globex": "writer of globex"}[tenant]
	if a := w.do(who, "POST", "/v1/events", event(n, tenant)); a.status != http.StatusCreated {
		w.t.Fatalf("status %d: %s", a.status, a.body)
	}
	w.settled()
}

// settled waits until all that was recorded is published and in the index.
func (w *world) settled() {
	w.t.Helper()
	if err := w.ledger.Flush(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	want := w.ledger.Status().Published
	for deadline := time.Now().Add(20 * time.Second); ; {
		var r struct {
			Indexed uint64
		}
		w.get("", "/readyz").into(w.t, &r)
		if r.Indexed >= want {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("%d of %d leaves are in the index\n%s", r.Indexed, want, w.logs.String())
		}
	}
}

// page is the answer to a search.
type page struct {
	Events []struct {
		Index uint64
		Event indelible.Event
	}
	TreeSize uint64 `json:"tree_size"`
	Next     string
}

func (w *world) search(who, query string) (p page) {
	w.t.Helper()
	w.get(who, "/v1/events"+query).into(w.t, &p)
	return p
}

// looks are the access events there are, oldest first.
func (w *world) looks() (events []*indelible.Event) {
	w.t.Helper()
	w.settled()
	r, err := w.reader.Later(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	for e, err := range r.Since(w.t.Context(), 0, func(l *indelible.Leaf) bool { return l.Kind == indelible.KindEvent }) {
		if err != nil {
			w.t.Fatal(err)
		}
		opened, err := recorder.Plain.Open(e.Payload)
		if err != nil {
			w.t.Fatal(err)
		}
		if opened.Event.TenantID == access.Tenant {
			events = append(events, opened.Event)
		}
	}
	return events
}

func describe(events []*indelible.Event) string {
	var b strings.Builder
	for _, e := range events {
		fmt.Fprintf(&b, "%s %s %s %s/%s\n", e.UserID, e.Action, e.Outcome, e.ResourceType, e.ResourceID)
	}
	return b.String()
}

// syncBuffer is a buffer for several writers.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
