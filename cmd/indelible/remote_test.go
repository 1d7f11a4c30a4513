package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"indelible"
)

// farLedger is a ledger that a server serves to machines without its disk.
type farLedger struct {
	*machine
	url  string
	cut  atomic.Int64 // POST requests whose answers get through; negative: all
	sent atomic.Int64
}

func newFarLedger(t *testing.T, init ...string) *farLedger {
	t.Helper()
	s := &farLedger{machine: newMachine(t, nil)}
	s.cut.Store(-1)
	s.run(append([]string{"init", "--origin", "test.example/log"}, init...)...).want(exitOK)
	to, err := url.Parse(s.serve("--verify-every", "0").url)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n := s.cut.Load(); r.Method == "POST" && n >= 0 && s.sent.Add(1) > n {
			proxy.ServeHTTP(httptest.NewRecorder(), r) // it is recorded, and nobody hears of it
			panic(http.ErrAbortHandler)
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	s.url = front.URL
	return s
}

// elsewhere is a machine without a ledger, with a key for tenants or for all.
func (s *farLedger) elsewhere(name string, tenants ...string) *machine {
	s.t.Helper()
	args := []string{"keys", "api", "add", "--name", name, "--role", "exporter"}
	for _, tenant := range tenants {
		args = append(args, "--tenant", tenant)
	}
	if len(tenants) == 0 {
		args = append(args, "--all-tenants")
	}
	key := strings.TrimSpace(s.run(args...).want(exitOK).out)
	return newMachine(s.t, map[string]string{"INDELIBLE_URL": s.url, "INDELIBLE_API_KEY": key})
}

// runsOf fills a database whose rows name two persons.
func (m *machine) runsOf(rows string) string {
	m.t.Helper()
	db := filepath.Join(m.t.TempDir(), "runs.db")
	m.run("sample", "runs", "--rows", rows, "--sqlite", db).want(exitOK)
	execSQLite(m.t, db, `UPDATE workflow_runs SET metadata = '{}', error_message = 'mail to ann.lee@example.com and ben@example.com bounced'`)
	return db
}

// TestExportThroughServer: a machine without the ledger exports what the
// ledger's own does, and the ledger knows whose key it was.
func TestExportThroughServer(t *testing.T) {
	t.Parallel()
	s := newFarLedger(t)
	away, other, all := s.elsewhere("nightly", "acme", "globex"), s.elsewhere("another", "acme"), s.elsewhere("all")
	db := away.runsOf("200")
	out := t.TempDir()
	at := func(name string) string { return filepath.Join(out, name) }
	s.runWith(`{"timestamp":"2025-01-02T03:04:05Z","event_type":"login","user_id":"ann.lee@example.com","tenant_id":"acme","resource_type":"door","resource_id":"d","action":"open","outcome":"success","details":{}}`+"\n", "append", "-q").want(exitOK)
	s.run("keys", "operator", "add", "bob").want(exitOK)

	export := func(m *machine, name string, args ...string) output {
		t.Helper()
		return m.run(append([]string{"export", "--sqlite", db, "--out", at(name)}, args...)...)
	}
	export(away, "away.jsonl", "--tenant", "acme").want(exitOK, "masks       pseudonym")
	export(s.machine, "here.jsonl", "--tenant", "acme").want(exitOK)
	s.run("dataset", "diff", at("away.jsonl"), at("here.jsonl")).want(exitOK, "changed     0")
	key := filepath.Join(s.dir, "log.vkey")
	away.run("dataset", "verify", "--offline", "--key", key, at("away.jsonl")).want(exitOK, "proved by evidence")
	s.run("dataset", "verify", at("away.jsonl")).want(exitOK, "proved by ledger and evidence")
	export(away, "several", "--tenant", "acme", "--tenant", "globex").want(exitOK)
	export(s.machine, "several-here", "--tenant", "acme", "--tenant", "globex").want(exitOK)
	s.run("dataset", "diff", at("several"), at("several-here")).want(exitOK)

	// A chain, whose second answer is lost: the same command ends it.
	away.run("runs", "migrate", "--sqlite", db, "--apply").want(exitOK)
	export(away, "chain", "--tenant", "acme", "--incremental", "nightly").want(exitOK, "link 1")
	s.cut.Store(1)
	s.sent.Store(0)
	export(away, "chain", "--tenant", "acme", "--incremental", "nightly").want(exitFailure, "could not be recorded", "run the same command again")
	s.cut.Store(-1)
	export(other, "chain", "--tenant", "acme", "--incremental", "nightly").want(exitOK, "link 3")
	s.run("dataset", "verify", at("chain")).want(exitOK, "chain       3 links", "proved by ledger and evidence")

	// What the key does not reach is not begun.
	export(other, "globex.jsonl", "--tenant", "globex").want(exitFailure, "exporter for every tenant")
	export(other, "globex.jsonl", "--tenant", "globex", "--mask", "off").want(exitFailure, "exporter for every tenant")
	export(away, "all.jsonl", "--all-tenants", "--mask", "off").want(exitFailure, "exporter for every tenant")
	export(all, "all.jsonl", "--all-tenants").want(exitOK)
	for _, name := range []string{"globex.jsonl", "globex.jsonl.manifest.json"} {
		if _, err := os.Stat(at(name)); err == nil {
			t.Errorf("%s was written", name)
		}
	}

	// Who was erased is in no dataset any more.
	s.run("approve", strings.TrimSpace(s.run("erase", "--tenant", "acme", "--subject", "ann.lee@example.com").want(exitOK).out)).want(exitOK)
	export(away, "after.jsonl", "--tenant", "acme").want(exitOK)
	tokens := func(name string) (first, second string) {
		t.Helper()
		b, err := os.ReadFile(at(name))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b), "example.com") {
			t.Errorf("%s has an address in the clear", name)
		}
		parts := strings.Split(string(b), "[EMAIL_ADDRESS")
		first, _, _ = strings.Cut(parts[1], "]")
		second, _, _ = strings.Cut(parts[2], "]")
		return first, second
	}
	ann, ben := tokens("away.jsonl")
	if annAfter, benAfter := tokens("after.jsonl"); ann == "" || annAfter != "" || benAfter != ben {
		t.Errorf("ann was %q and is %q, ben was %q and is %q", ann, annAfter, ben, benAfter)
	}

	away.run("dataset", "purge", "--apply", at("after.jsonl")).want(exitOK, "deleted")
	said := map[string]int{}
	for line := range strings.Lines(s.run("search", "--tenant-id", "_system", "--order", "log", "--json", "--limit", "1000").want(exitOK).out) {
		var shown struct{ Event indelible.Event }
		if err := json.Unmarshal([]byte(line), &shown); err != nil {
			t.Fatal(err)
		}
		var d struct{ Actor string }
		if err := json.Unmarshal(shown.Event.Details, &d); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(shown.Event.EventType, "dataset.") && d.Actor == "authenticated" {
			said[shown.Event.EventType+" "+shown.Event.UserID]++
		}
	}
	want := map[string]int{
		"dataset.export.started nightly": 5, "dataset.exported nightly": 5, "dataset.purged nightly": 1,
		"dataset.export.started another": 1, "dataset.exported another": 1, "dataset.export.started all": 1, "dataset.exported all": 1,
	}
	for what, n := range want {
		if said[what] != n {
			t.Errorf("%s: %d times, want %d; all: %v", what, said[what], n, said)
		}
	}
	for _, m := range []*machine{away, other} {
		m.wantNoSecret(m.env["INDELIBLE_API_KEY"])
	}
	s.run("verify").want(exitOK)
}

// TestExportThroughServerRefused: what is missing is said before anything is begun.
func TestExportThroughServerRefused(t *testing.T) {
	t.Parallel()
	s := newFarLedger(t, "--no-encryption")
	away := s.elsewhere("nightly")
	key := away.env["INDELIBLE_API_KEY"]
	db := away.runsOf("20")
	out := filepath.Join(t.TempDir(), "runs.jsonl")
	export := func(args ...string) output {
		t.Helper()
		return away.run(append([]string{"export", "--sqlite", db, "--tenant", "acme", "--out", out}, args...)...)
	}
	export().want(exitNoLedger, "--mask redact")
	export("--where-metadata", "a=b").want(exitUsage, "INDELIBLE_URL")
	export("--report", out+".txt").want(exitUsage, "dataset verify")
	with := func(env ...string) func() {
		before := map[string]string{}
		for i := 0; i < len(env); i += 2 {
			before[env[i]] = away.env[env[i]]
			away.env[env[i]] = env[i+1]
		}
		return func() {
			for name, value := range before {
				away.env[name] = value
			}
		}
	}
	for what, c := range map[string]struct {
		env  []string
		code int
		text string
	}{
		"no key":             {[]string{"INDELIBLE_API_KEY", ""}, exitUsage, "INDELIBLE_API_KEY_FILE"},
		"two keys":           {[]string{"INDELIBLE_API_KEY_FILE", "key"}, exitUsage, "one of the two"},
		"no such file":       {[]string{"INDELIBLE_API_KEY", "", "INDELIBLE_API_KEY_FILE", out}, exitUsage, "exporter"},
		"in the clear":       {[]string{"INDELIBLE_URL", "http://logs.example.com"}, exitUsage, "https"},
		"a key in the URL":   {[]string{"INDELIBLE_URL", "https://me:" + key + "@logs.example.com"}, exitUsage, "without a key"},
		"no URL":             {[]string{"INDELIBLE_URL", "logs.example.com"}, exitUsage, "https://"},
		"nobody there":       {[]string{"INDELIBLE_URL", "http://127.0.0.1:1"}, exitFailure, "does not answer"},
		"not ours":           {[]string{"INDELIBLE_URL", s.url + "/healthz?"}, exitUsage, "address"},
		"another path":       {[]string{"INDELIBLE_URL", s.url + "/elsewhere"}, exitFailure, "server"},
		"a key that is none": {[]string{"INDELIBLE_API_KEY", "ind_0000000000000000_x"}, exitFailure, "role exporter"},
	} {
		restore := with(c.env...)
		if got := export("--mask", "off"); got.code != c.code || !strings.Contains(got.err, c.text) {
			t.Errorf("%s: exit code %d, want %d and %q\n%s", what, got.code, c.code, c.text, got.err)
		}
		restore()
	}
	if names, err := os.ReadDir(filepath.Dir(out)); err != nil || len(names) > 0 {
		t.Errorf("something was left: %v, %v", names, err)
	}
	file := filepath.Join(t.TempDir(), "key")
	write(t, file, []byte(key+"\n"))
	with("INDELIBLE_API_KEY", "", "INDELIBLE_API_KEY_FILE", file)
	export("--mask", "redact").want(exitOK, "masks       redact")
	if b, err := os.ReadFile(out); err != nil || strings.Contains(string(b), "example.com") || !strings.Contains(string(b), "[EMAIL_ADDRESS]") {
		t.Errorf("%v, %.300s", err, b)
	}
	away.wantNoSecret(key)
}
