package api_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"indelible/internal/api"
	"indelible/internal/dataset/folder"
	"indelible/internal/exports"
)

// exportWorld is a server whose exports have one file, and end when told.
type exportWorld struct {
	*world
	end  chan struct{}
	data []byte
}

func startExports(t *testing.T) *exportWorld {
	dir := t.TempDir()
	place := folder.New(dir)
	x := &exportWorld{end: make(chan struct{}, 10), data: bytes.Repeat([]byte("0123456789abcdef"), 100_000)}
	if err := os.MkdirAll(filepath.Join(dir, "runs"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "runs", "part-0001.jsonl"), x.data, 0o600); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	n := 0
	q, err := exports.Open(exports.Config{
		Dir: filepath.Join(dir, "state"),
		NewID: func() string {
			mu.Lock()
			defer mu.Unlock()
			n++
			return id(n)
		},
		Check: func(s *exports.Spec) error {
			if s.Order == "random" {
				return errors.New("there is no such order")
			}
			return nil
		},
		Make: func(ctx context.Context, task *exports.Task) (*exports.Made, error) {
			select {
			case <-x.end:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			return &exports.Made{Rows: 3, Tenants: []string{"acme", "globex"}, Files: []exports.File{
				{Name: "runs/part-0001.jsonl", Rows: 3, Bytes: uint64(len(x.data)), SHA256: strings.Repeat("ab", 32)}, {Name: "gone.json"},
			}}, nil
		},
		Explain: func(err error) *exports.Problem { return &exports.Problem{Detail: err.Error(), Hint: "do else"} },
		Open: func(ctx context.Context, _ *exports.Export, name string) (io.ReadCloser, error) {
			return place.Open(ctx, name)
		},
		Log: slog.New(slog.DiscardHandler), Clock: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(q.Close)
	x.world = start(t, func(c *api.Config) { c.Exports = q })
	return x
}

func (x *exportWorld) ask(who, body string) *answer {
	x.t.Helper()
	return x.do(who, "POST", "/v1/exports", body)
}

// made asks for an export and waits until it is done.
func (x *exportWorld) made(who, body string) string {
	x.t.Helper()
	var e exports.Export
	a := x.ask(who, body)
	a.into(x.t, &e)
	if a.status != http.StatusAccepted || a.header.Get("Location") != "/v1/exports/"+e.ID {
		x.t.Errorf("status %d, %v", a.status, a.header)
	}
	x.end <- struct{}{}
	for deadline := time.Now().Add(20 * time.Second); e.State != exports.Done; {
		if time.Now().After(deadline) {
			x.t.Fatalf("it is %s", e.State)
		}
		x.get(who, "/v1/exports/"+e.ID).into(x.t, &e)
	}
	return e.ID
}

func TestExports(t *testing.T) {
	t.Parallel()
	x := startExports(t)
	one := x.made("exporter", `{"source":"flows","tenant":["acme"]}`)
	all := x.made("exporter of all", `{"source":"flows","all_tenants":true}`)
	file := "/v1/exports/" + one + "/files/runs/part-0001.jsonl"

	a := x.get("exporter", file)
	if a.status != 200 || !bytes.Equal(a.body, x.data) || a.header.Get("ETag") == "" || a.header.Get("Cache-Control") != "no-store" || a.header.Get("Content-Disposition") != `attachment; filename=part-0001.jsonl` {
		t.Errorf("status %d, %d bytes, %v", a.status, len(a.body), a.header)
	}
	if a := x.do("exporter", "GET", file, "", "Range", "bytes=16-31"); a.status != 206 || string(a.body) != "0123456789abcdef" {
		t.Errorf("a part: status %d, %.40s", a.status, a.body)
	}
	for what, c := range map[string]struct {
		who, method, path, body string
		status                  int
		code                    string
	}{
		"another's tenant":        {"exporter", "POST", "/v1/exports", `{"source":"flows","tenant":["acme","globex"]}`, 403, "tenant_forbidden"},
		"a tenant nobody has":     {"exporter", "POST", "/v1/exports", `{"source":"flows","tenant":["nobody"]}`, 403, "tenant_forbidden"},
		"the log's tenant":        {"exporter of all", "POST", "/v1/exports", `{"source":"flows","tenant":["_access"]}`, 403, "tenant_forbidden"},
		"all for one":             {"exporter", "POST", "/v1/exports", `{"source":"flows","all_tenants":true}`, 403, "tenant_forbidden"},
		"a reader":                {"reader", "POST", "/v1/exports", `{"source":"flows","tenant":["acme"]}`, 403, "forbidden"},
		"a path":                  {"exporter", "POST", "/v1/exports", `{"source":"flows","tenant":["acme"],"out":"/tmp/x"}`, 400, "bad_request"},
		"not JSON":                {"exporter", "POST", "/v1/exports", `source`, 400, "bad_request"},
		"what cannot be":          {"exporter", "POST", "/v1/exports", `{"source":"flows","tenant":["acme"],"order":"random"}`, 400, "bad_request"},
		"too much":                {"exporter", "POST", "/v1/exports", `{"source":"` + strings.Repeat("a", 300<<10) + `"}`, 413, "too_large"},
		"a parameter":             {"exporter", "GET", "/v1/exports?x=1", "", 400, "bad_query"},
		"no id":                   {"exporter", "GET", "/v1/exports/1", "", 400, "bad_request"},
		"another's":               {"exporter of globex", "GET", "/v1/exports/" + one, "", 404, "not_found"},
		"another's file":          {"exporter of globex", "GET", file, "", 404, "not_found"},
		"another's to cancel":     {"exporter of globex", "DELETE", "/v1/exports/" + one, "", 404, "not_found"},
		"all tenants' for one":    {"exporter", "GET", "/v1/exports/" + all, "", 404, "not_found"},
		"all tenants' file":       {"exporter", "GET", "/v1/exports/" + all + "/files/runs/part-0001.jsonl", "", 404, "not_found"},
		"no such export":          {"exporter", "GET", "/v1/exports/" + id(99), "", 404, "not_found"},
		"no such file":            {"exporter", "GET", "/v1/exports/" + one + "/files/runs/part-0002.jsonl", "", 404, "not_found"},
		"a file that is gone":     {"exporter", "GET", "/v1/exports/" + one + "/files/gone.json", "", 404, "not_found"},
		"out of the folder":       {"exporter", "GET", "/v1/exports/" + one + "/files/../state/x.json", "", 400, "bad_path"},
		"out of it, escaped":      {"exporter", "GET", "/v1/exports/" + one + "/files/..%2fstate", "", 400, "bad_path"},
		"a range that is none":    {"exporter", "GET", file + "?x", "", 400, "bad_query"},
		"cancelling what is done": {"exporter", "DELETE", "/v1/exports/" + one, "", 409, "ended"},
		"a file, by a reader":     {"reader", "GET", file, "", 403, "forbidden"},
		"a file, by an auditor":   {"auditor of all", "GET", file, "", 403, "forbidden"},
		"nobody":                  {"", "GET", file, "", 401, "unauthorized"},
	} {
		if a := x.do(c.who, c.method, c.path, c.body); a.status != c.status || a.code() != c.code {
			t.Errorf("%s: status %d, want %d, %.200s", what, a.status, c.status, a.body)
		}
	}
	for who, want := range map[string]int{"exporter": 1, "exporter of globex": 0, "exporter of all": 2} {
		var list struct{ Exports []exports.Export }
		x.get(who, "/v1/exports").into(t, &list)
		if len(list.Exports) != want {
			t.Errorf("%s sees %d exports, want %d", who, len(list.Exports), want)
		}
	}
	var e exports.Export
	x.ask("exporter", `{"source":"flows","tenant":["acme"]}`).into(t, &e)
	if a := x.do("exporter", "DELETE", "/v1/exports/"+e.ID, ""); a.status != http.StatusAccepted {
		t.Errorf("cancel: status %d, %s", a.status, a.body)
	}

	// Each download was recorded before it, and how it ended.
	want := map[string]int{"exporter download_export intent": 0}
	for _, look := range x.looks() {
		if look.Action == "download_export" && strings.Contains(string(look.Details), `"file":"runs/part-0001.jsonl"`) {
			want[fmt.Sprint(look.UserID, " ", look.Action, " ", look.Outcome, " ", look.ResourceID)]++
		}
	}
	if want["exporter download_export intent acme"] != 2 || want["exporter download_export success acme"] != 2 {
		t.Errorf("the access log says %v", want)
	}
	if a := start(t, nil).get("exporter", "/v1/exports"); a.status != 404 || !strings.Contains(string(a.body), "exports.to") {
		t.Errorf("without exports: status %d, %s", a.status, a.body)
	}
}

// TestDownloadFailsClosed: what cannot be recorded is not given out.
func TestDownloadFailsClosed(t *testing.T) {
	t.Parallel()
	x := startExports(t)
	one := x.made("exporter", `{"source":"flows","tenant":["acme"]}`)
	x.ledger.Close()
	if a := x.get("exporter", "/v1/exports/"+one+"/files/runs/part-0001.jsonl"); a.status != http.StatusServiceUnavailable {
		t.Errorf("status %d, %.100s", a.status, a.body)
	}
}
