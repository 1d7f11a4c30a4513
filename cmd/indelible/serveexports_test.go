package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"indelible/internal/exports"
)

// ask sends a request with a key and returns the answer's body.
func (s *served) ask(key, method, path, body string) (int, []byte) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, "http://"+s.address+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, b
}

// export waits for an export to be in a state, or to have ended.
func (s *served) export(key, id, state string) (e exports.Export) {
	s.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(2 * time.Minute); e.State != state && e.Ended == nil; <-tick.C {
		if time.Now().After(deadline) {
			s.t.Fatalf("the export is %s", e.State)
		}
		_, b := s.ask(key, "GET", "/v1/exports/"+id, "")
		if err := json.Unmarshal(b, &e); err != nil {
			s.t.Fatalf("%v: %s", err, b)
		}
	}
	return e
}

// TestExportServerEnds: exports that the server ends under, killed or asked to
// end, are made by the next one, whole and once.
func TestExportServerEnds(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	program := filepath.Join(home, "indelible")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	s := &served{t: t, program: program, dir: filepath.Join(home, "ledger"), address: l.Addr().String(),
		env: append(os.Environ(), "HOME="+home, "XDG_STATE_HOME="+filepath.Join(home, "state"))}
	s.run("init")
	s.run("sample", "runs", "--sqlite", filepath.Join(s.dir, "runs.db"), "--rows", "20000")
	config := filepath.Join(s.dir, "indelible.yaml")
	text, err := os.ReadFile(config)
	if err == nil {
		err = os.WriteFile(config, append(text, "sources:\n  flows:\n    sqlite: runs.db\nexports:\n  to: made\n"...), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	key := strings.TrimSpace(s.run("keys", "api", "add", "--name", "learner", "--role", "exporter", "--all-tenants"))
	server := s.begin()
	var ids []string
	for _, body := range []string{`{"source":"flows","all_tenants":true}`, `{"source":"flows","all_tenants":true,"incremental":"nightly"}`, `{"source":"flows","all_tenants":true,"format":"parquet"}`} {
		var e exports.Export
		code, b := s.ask(key, "POST", "/v1/exports", body)
		if err := json.Unmarshal(b, &e); err != nil || code != http.StatusAccepted {
			t.Fatalf("status %d, %v: %s", code, err, b)
		}
		ids = append(ids, e.ID)
	}
	s.export(key, ids[0], exports.Running)
	server.Process.Kill()
	server.Wait()
	server = s.begin()
	s.export(key, ids[1], exports.Running)
	server.Process.Signal(os.Interrupt)
	if err := server.Wait(); err != nil {
		t.Errorf("a server that is asked to end: %v", err)
	}
	server = s.begin()
	for _, id := range ids {
		e := s.export(key, id, exports.Done)
		if e.State != exports.Done || e.Chain == "" && e.Made.Rows != 20000 || e.Made.Rows == 0 {
			t.Fatalf("%+v, %+v", e, e.Problem)
		}
		into := filepath.Join(home, id)
		for _, f := range e.Made.Files {
			code, b := s.ask(key, "GET", "/v1/exports/"+id+"/files/"+f.Name, "")
			if code != http.StatusOK || f.Bytes > 0 && uint64(len(b)) != f.Bytes {
				t.Fatalf("%s: status %d, %d bytes of %d", f.Name, code, len(b), f.Bytes)
			}
			name := filepath.Join(into, filepath.FromSlash(f.Name))
			err := os.MkdirAll(filepath.Dir(name), 0o700)
			if err == nil {
				err = os.WriteFile(name, b, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if out := s.run("dataset", "verify", into); !strings.Contains(out, "result      ok") {
			t.Errorf("%s", out)
		}
	}
	// What the command makes meanwhile is recorded by the server, too.
	s.run("export", "--source", "flows", "--all-tenants", "--limit", "5", "--out", filepath.Join(home, "own.jsonl"))
	links, err := filepath.Glob(filepath.Join(s.dir, "made", "chain-*", "manifests", "*.evidence.json"))
	if err != nil || len(links) != 1 {
		t.Errorf("links of the chain: %v, %v", links, err)
	}
	server.Process.Signal(os.Interrupt)
	if err := server.Wait(); err != nil {
		t.Errorf("a server that is asked to end: %v", err)
	}
	if out := s.run("verify"); !bytes.Contains([]byte(out), []byte("result      ok")) {
		t.Errorf("%s", out)
	}
}
