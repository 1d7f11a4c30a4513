package compat

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	"indelible"
	"indelible/internal/datadir"
	"indelible/internal/ledger"
	"indelible/internal/recorder"
	"indelible/internal/vectortest"
)

const (
	v1       = root + "/testdata/ledgers/v1"
	v1Sealed = root + "/testdata/ledgers/v1-sealed"
)

// TestGenerate makes testdata/ledgers/v1 and v1-sealed with -update, where they
// are not there. They are never made again while the format is version 1: that
// old ledgers open is what they are for. Time and randomness are made up, so
// that they could be.
func TestGenerate(t *testing.T) {
	if !vectortest.Updating() {
		return
	}
	for to, keys := range map[string]*datadir.KeysConfig{v1: nil, v1Sealed: {Root: "file"}} {
		dir := filepath.Join(to, "ledger")
		if _, err := os.Stat(dir); err == nil {
			continue
		}
		if err := os.MkdirAll(to, 0o755); err != nil {
			t.Fatal(err)
		}
		t.Run(filepath.Base(to), func(t *testing.T) {
			cryptotest.SetGlobalRandom(t, 1)
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(time.Until(time.Date(2025, 1, 15, 10, 0, 0, 0, time.UTC)))
				generate(t, to, keys)
			})
			u := &user{t: t, home: t.TempDir(), dir: dir}
			write(t, to, "event.json", u.must("", "prove", "--tenant", "acme", generatedID))
			write(t, to, "without-person.json", u.must("", "prove", "--tenant", "acme", generatedID, "--without-person"))
			write(t, to, "complete.json", u.must("", "prove", "--tenant", "acme"))
		})
	}
}

func write(t *testing.T, to, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(to, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// generate makes the ledger in five processes, as far as it can tell; the last
// ends before what it recorded is in the store.
func generate(t *testing.T, to string, keys *datadir.KeysConfig) {
	dir := filepath.Join(to, "ledger")
	c := datadir.StoreConfig{Prefix: datadir.DefaultPrefix, Lock: "none", Retention: datadir.DefaultRetention}
	if _, err := datadir.Init(t.Context(), dir, datadir.InitOptions{Origin: "example.com/ledger-v1", Store: c, Keys: keys}, noEnv); err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(strings.TrimSpace(generated), "\n")
	session := func(store bool, lines ...string) string {
		time.Sleep(time.Minute)
		return record(t, dir, store, strings.Join(lines, ""))
	}
	session(true)
	receipts := session(true, lines[:3]...)
	receipts += session(true, lines[3:5]...)
	session(true, lines[0]) // a repeat
	receipts += session(true, lines[5:]...)
	write(t, to, "events.jsonl", strings.TrimSpace(generated)+"\n")
	write(t, to, "receipts.jsonl", receipts)
	write(t, to, "waiting.jsonl", session(false, generatedWaiting))
}

func noEnv(string) string { return "" }

// record records events as one process and returns their receipts.
func record(t *testing.T, dir string, store bool, lines string) string {
	t.Helper()
	d, err := datadir.Open(t.Context(), dir, noEnv)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := d.LedgerConfig()
	if err != nil {
		t.Fatal(err)
	}
	var sealer recorder.Sealer = recorder.Plain
	if d.Encrypted() {
		keys, err := d.OpenKeys(t.Context(), false, noEnv)
		if err != nil {
			t.Fatal(err)
		}
		defer keys.Close()
		sealer = &recorder.Sealed{Keys: keys, Origin: cfg.Origin, IDKey: cfg.IDKey}
	}
	cfg.Sealer = sealer
	if !store {
		cfg.CommitEvery, cfg.PublishEvery = time.Hour, time.Hour
	}
	l, err := ledger.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	var events []*indelible.Event
	for line := range strings.Lines(lines) {
		e, err := indelible.ParseEvent([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, e)
	}
	pending, err := recorder.New(l, cfg, sealer).Record(t.Context(), events, recorder.Options{AwaitStore: store})
	if err != nil {
		t.Fatal(err)
	}
	if store {
		if err := l.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	var receipts strings.Builder
	for _, p := range pending {
		receipt, _, err := p.Poll(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		line, err := json.Marshal(receipt)
		if err != nil {
			t.Fatal(err)
		}
		receipts.WriteString(string(line) + "\n")
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return receipts.String()
}

// The events of the ledger: two tenants, an actor without a name, text that is
// not ASCII, numbers, empty details.
const (
	generatedID = "0192c5a0-0000-7000-8000-000000000001"

	generated = `
{"id":"0192c5a0-0000-7000-8000-000000000001","timestamp":"2024-10-25T14:03:11.25Z","event_type":"data_access","user_id":"maria@acme.example","tenant_id":"acme","resource_type":"dataset","resource_id":"ds-7","action":"export","outcome":"success","source_ip":"192.0.2.7","user_agent":"browser/1.0","details":{"rows":1000,"format":"csv"}}
{"id":"0192c5a0-0000-7000-8000-000000000002","timestamp":"2024-10-25T14:03:12Z","event_type":"authentication","user_id":"j.novak@acme.example","tenant_id":"acme","resource_type":"session","resource_id":"se-1","action":"login","outcome":"failure","details":{"reason":"the second factor did not match","risk":0.8}}
{"id":"0192c5a0-0000-7000-8000-000000000001","timestamp":"2024-10-25T14:03:13.000000001Z","event_type":"configuration_change","user_id":"jürgen@mueller.example","tenant_id":"müller-gmbh","resource_type":"setting","resource_id":"retention","action":"update","outcome":"success","details":{"from":{"days":30},"to":{"days":400},"note":"für die Prüfung \"2024\" – 監査"}}
{"id":"0192c5a0-0000-7000-8000-000000000004","timestamp":"2024-10-25T14:04:00Z","event_type":"system","user_id":"","tenant_id":"acme","resource_type":"disk","resource_id":"","action":"check","outcome":"success","details":{}}
{"id":"0192c5a0-0000-7000-8000-000000000005","timestamp":"2024-10-25T16:04:01+02:00","event_type":"workflow_execution","user_id":"svc-ingest","tenant_id":"müller-gmbh","resource_type":"workflow","resource_id":"wf-1","action":"execute","outcome":"success","details":{"numbers":[0,-1.5,1e21,9007199254740991],"nested":[[],{}],"null":null}}
{"id":"0192c5a0-0000-7000-8000-000000000006","timestamp":"2024-10-25T14:05:00Z","event_type":"data_access","user_id":"maria@acme.example","tenant_id":"acme","resource_type":"dataset","resource_id":"ds-8","action":"read","outcome":"success","source_ip":"2001:db8::1","details":{"rows":0}}
`

	generatedWaiting = `{"id":"0192c5a0-0000-7000-8000-000000000007","timestamp":"2024-10-25T15:00:00Z","event_type":"authentication","user_id":"maria@acme.example","tenant_id":"acme","resource_type":"session","resource_id":"se-2","action":"logout","outcome":"success"}
{"id":"0192c5a0-0000-7000-8000-000000000008","timestamp":"2024-10-25T15:00:01Z","event_type":"authentication","user_id":"new@third.example","tenant_id":"third","resource_type":"session","resource_id":"se-3","action":"login","outcome":"success"}
`
)
