package exports_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"indelible/internal/access"
	"indelible/internal/dataset"
	"indelible/internal/exports"
)

// everything is a policy that allows what the tenants of a principal allow.
type everything struct{}

func (everything) Allowed(access.Request) (bool, error) { return true, nil }
func (everything) Hash() string                         { return "" }

// scopeOf is the scope of somebody with tenants; without any, of all.
func scopeOf(t *testing.T, tenants ...string) access.TenantScope {
	t.Helper()
	a := access.Authorizer{Policy: everything{}}
	s, err := a.Authorize(&access.Principal{Name: "somebody", All: len(tenants) == 0, Tenants: tenants}, access.Export, "")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// world is a queue whose exports end when a test says so.
type world struct {
	t     *testing.T
	cfg   exports.Config
	begun chan *exports.Task
	end   chan error
}

func newWorld(t *testing.T) *world {
	var n atomic.Int64
	w := &world{t: t, begun: make(chan *exports.Task, 100), end: make(chan error, 100)}
	w.cfg = exports.Config{
		Dir:   filepath.Join(t.TempDir(), "exports"),
		NewID: func() string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n.Add(1)) },
		Check: func(*exports.Spec) error { return nil },
		Make: func(ctx context.Context, task *exports.Task) (*exports.Made, error) {
			run := task.NewRun()
			w.begun <- task
			select {
			case err := <-w.end:
				if err != nil {
					return nil, err
				}
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			return &exports.Made{Rows: 7, RunID: run, Tenants: []string{"acme", "globex"}, Files: []exports.File{{Name: "a.jsonl", Rows: 7}}}, nil
		},
		Explain: func(err error) *exports.Problem { return &exports.Problem{Detail: "not for " + err.Error()} },
		Open: func(_ context.Context, e *exports.Export, name string) (io.ReadCloser, error) {
			if name == "gone.jsonl" {
				return nil, dataset.ErrNotExist
			}
			return io.NopCloser(strings.NewReader(e.ID)), nil
		},
		Log: slog.New(slog.DiscardHandler), Clock: time.Now,
	}
	return w
}

func (w *world) open() *exports.Queue {
	w.t.Helper()
	q, err := exports.Open(w.cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(q.Close)
	return q
}

func (w *world) add(q *exports.Queue, by string, tenants ...string) *exports.Export {
	w.t.Helper()
	e, err := q.Add(&exports.Spec{Source: "flows", Tenants: tenants, AllTenants: len(tenants) == 0, Metadata: []string{"owner=maria"}}, by)
	if err != nil {
		w.t.Fatal(err)
	}
	return e
}

// until waits for an export to be in a state.
func (w *world) until(q *exports.Queue, id, state string) *exports.Export {
	w.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		e, err := q.Get(scopeOf(w.t), id)
		if err != nil {
			w.t.Fatal(err)
		}
		if e.State == state {
			return e
		}
		runtime.Gosched()
		if time.Now().After(deadline) {
			w.t.Fatalf("%s is %s, not %s", id, e.State, state)
		}
	}
}

func TestQueue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	q := w.open()
	acme, both, all := w.add(q, "a", "acme"), w.add(q, "a", "acme", "globex"), w.add(q, "b")
	<-w.begun
	<-w.begun
	if e, _ := q.Get(scopeOf(t), all.ID); e.State != exports.Queued {
		t.Errorf("of three, the third is %s", e.State)
	}
	// Who may not export each tenant sees nothing of it.
	for _, c := range []struct {
		scope access.TenantScope
		want  int
	}{{scopeOf(t, "acme"), 1}, {scopeOf(t, "globex"), 0}, {scopeOf(t, "acme", "globex"), 2}, {scopeOf(t), 3}, {access.TenantScope{}, 0}} {
		if list := q.List(c.scope); len(list) != c.want {
			t.Errorf("%d exports are seen, want %d", len(list), c.want)
		}
	}
	if _, err := q.Get(scopeOf(t, "globex"), both.ID); !errors.Is(err, exports.ErrNotFound) {
		t.Errorf("of another's too: %v", err)
	}
	if _, err := q.Cancel(scopeOf(t, "globex"), acme.ID); !errors.Is(err, exports.ErrNotFound) {
		t.Errorf("cancelling another's: %v", err)
	}
	if _, err := q.Cancel(scopeOf(t, "acme"), acme.ID); err != nil {
		t.Error(err)
	}
	w.until(q, acme.ID, exports.Cancelled)
	<-w.begun // the third
	if _, err := q.Cancel(scopeOf(t, "acme"), acme.ID); !errors.Is(err, exports.ErrEnded) {
		t.Errorf("cancelling twice: %v", err)
	}
	if _, _, err := q.File(t.Context(), scopeOf(t), all.ID, "a.jsonl"); !errors.Is(err, exports.ErrNotFound) {
		t.Errorf("a file before the end: %v", err)
	}
	w.end <- nil
	w.end <- nil
	w.until(q, both.ID, exports.Done)
	if e := w.until(q, all.ID, exports.Done); len(e.Tenants) != 2 || e.RowsRead != 7 {
		t.Errorf("of all tenants: %+v", e)
	}
	r, f, err := q.File(t.Context(), scopeOf(t), all.ID, "a.jsonl")
	if err != nil || f.Rows != 7 {
		t.Fatal(err)
	}
	r.Close()
	for _, name := range []string{"../a.jsonl", "b.jsonl", ""} {
		if _, _, err := q.File(t.Context(), scopeOf(t), all.ID, name); !errors.Is(err, exports.ErrNotFound) {
			t.Errorf("the file %q: %v", name, err)
		}
	}
	if _, _, err := q.File(t.Context(), scopeOf(t, "acme", "globex"), all.ID, "a.jsonl"); !errors.Is(err, exports.ErrNotFound) {
		t.Errorf("all tenants' file for two: %v", err)
	}
	failed := w.add(q, "a", "acme")
	w.end <- errors.New("ears")
	if e := w.until(q, failed.ID, exports.Failed); e.Problem == nil || e.Problem.Detail != "not for ears" {
		t.Errorf("failed: %+v", e.Problem)
	}
	// Nothing of a filter's value is kept longer than it is needed.
	files, err := filepath.Glob(filepath.Join(w.cfg.Dir, "*"))
	if err != nil || len(files) != 4 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, name := range files {
		if b, err := os.ReadFile(name); err != nil || strings.Contains(string(b), "maria") {
			t.Errorf("%s: %s, %v", name, b, err)
		}
	}
}

// TestRestart: what waited and what was under way is made by the next server,
// with the ids of runs it may go on with; what had ended is known.
func TestRestart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	q := w.open()
	done := w.add(q, "a", "acme")
	<-w.begun
	w.end <- nil
	w.until(q, done.ID, exports.Done)
	var ids []string
	for range 3 {
		ids = append(ids, w.add(q, "a", "acme").ID)
	}
	<-w.begun
	<-w.begun
	q.Close()
	if _, err := q.Add(&exports.Spec{Tenants: []string{"acme"}}, "a"); !errors.Is(err, exports.ErrFull) {
		t.Errorf("after the end: %v", err)
	}
	q = w.open()
	if e, err := q.Get(scopeOf(t, "acme"), done.ID); err != nil || e.State != exports.Done || len(e.Made.Files) != 1 {
		t.Errorf("what had ended: %+v, %v", e, err)
	}
	for range 3 {
		task := <-w.begun
		if want := len(task.Runs); task.Spec.Metadata[0] != "owner=maria" || task.ID == ids[2] != (want == 0) {
			t.Errorf("%s goes on with the runs %v of %+v", task.ID, task.Runs, task.Spec)
		}
		w.end <- nil
	}
	for _, id := range ids {
		w.until(q, id, exports.Done)
	}
	// One under which the server ends again and again is given up.
	again := w.add(q, "a", "acme")
	for range 5 {
		<-w.begun
		q.Close()
		q = w.open()
	}
	if e := w.until(q, again.ID, exports.Failed); e.Problem == nil {
		t.Errorf("%+v", e)
	}
	if err := os.WriteFile(filepath.Join(w.cfg.Dir, "x.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := exports.Open(w.cfg); err == nil || !strings.Contains(err.Error(), "x.json") {
		t.Errorf("a state that is none: %v", err)
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	q := w.open()
	for range 8 {
		w.add(q, "greedy", "acme")
	}
	if _, err := q.Add(&exports.Spec{Tenants: []string{"acme"}}, "greedy"); !errors.Is(err, exports.ErrTooMany) {
		t.Errorf("a ninth of one asker: %v", err)
	}
	for i := range 26 {
		w.add(q, fmt.Sprint("other", i), "acme")
	}
	if _, err := q.Add(&exports.Spec{Tenants: []string{"acme"}}, "late"); !errors.Is(err, exports.ErrFull) {
		t.Errorf("one more: %v", err)
	}
	for range 34 {
		w.end <- nil
	}
	for range 34 {
		<-w.begun
	}
	for i := range 500 {
		e := w.add(q, fmt.Sprint("later", i), "acme")
		<-w.begun
		w.end <- nil
		w.until(q, e.ID, exports.Done)
	}
	if list := q.List(scopeOf(t)); len(list) > 502 {
		t.Errorf("%d are still known", len(list))
	}
}

func TestParseSpec(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		``, `[]`, `{}`, `{"source":"a"}`, `{"tenant":["x"]}`, `{"source":"a","tenant":["x"],"all_tenants":true}`, `{"source":"a","tenant":["x"],"out":"/etc"}`,
		`{"source":"a","tenant":["x"]} {}`, `{"source":"a","tenant":["x"],"sqlite":"/x"}`, `{"source":"a","tenant":"x"}`,
		`{"source":"a","tenant":["x"],"status":[` + strings.Repeat(`"a",`, 1000) + `"a"]}`,
	} {
		if s, err := exports.ParseSpec([]byte(text)); err == nil {
			t.Errorf("%.60s is %+v", text, s)
		}
	}
	s, err := exports.ParseSpec([]byte(`{"source":"a","tenant":["y","x","y"],"limit":0,"status":["failed"]}`))
	if err != nil || len(s.Tenants) != 2 || s.Tenants[0] != "x" || *s.Limit != 0 {
		t.Fatalf("%+v, %v", s, err)
	}
	if q := s.Query(); q["status"] != `["failed"]` || q["source"] != "a" || q["limit"] != "0" || len(q) != 3 {
		t.Errorf("query %v", q)
	}
	if exports.ChainID("a", []string{"b", "c"}) == exports.ChainID("a", []string{"bc"}) || exports.ChainID("a", nil) == exports.ChainID("b", nil) {
		t.Error("two chains have one place")
	}
}
