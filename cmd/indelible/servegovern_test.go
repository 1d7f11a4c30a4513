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

	"indelible/internal/govern"
)

// operating is a server that people decide on, over HTTP alone.
type operating struct {
	*served
	keys map[string]string
}

func (o *operating) key(name string, args ...string) {
	o.keys[name] = strings.TrimSpace(o.run(append([]string{"keys", "api", "add", "--name", name}, args...)...))
}

// do sends a request and returns what came back.
func (o *operating) do(who, method, path string, body []byte, want int) []byte {
	o.t.Helper()
	r, err := http.NewRequestWithContext(o.t.Context(), method, "http://"+o.address+path, bytes.NewReader(body))
	if err != nil {
		o.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+o.keys[who])
	if len(body) > 0 {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		o.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != want {
		o.t.Fatalf("%s %s as %s: status %d, want %d, %v\n%s", method, path, who, resp.StatusCode, want, err, b)
	}
	return b
}

// sign signs a document on a machine that has nothing but an operator's key.
func (o *operating) sign(document []byte, key string) []byte {
	o.t.Helper()
	cmd := exec.Command(o.program, "keys", "operator", "sign", "--operator", key)
	cmd.Dir, cmd.Env = o.t.TempDir(), o.env
	cmd.Stdin = bytes.NewReader(document)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		o.t.Fatalf("%v\n%s", err, errs.Bytes())
	}
	return out
}

// TestDecidedOverHTTP: what takes two people takes them over HTTP, too, each with
// a key that the server never sees.
func TestDecidedOverHTTP(t *testing.T) {
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
	o := &operating{&served{t: t, program: program, dir: filepath.Join(home, "ledger"), address: l.Addr().String(),
		env: append(os.Environ(), "HOME="+home, "XDG_STATE_HOME="+filepath.Join(home, "state"))}, make(map[string]string)}
	first, bob := filepath.Join(home, "first.key"), filepath.Join(home, "bob.key")
	o.run("init")
	server := o.begin()
	o.key("writer", "--role", "writer", "--all-tenants")
	o.key("reader", "--role", "reader", "--all-tenants")
	o.key("acme", "--role", "operator", "--tenant", "acme")
	o.key("globex", "--role", "operator", "--tenant", "globex")
	o.key("all", "--role", "operator", "--all-tenants")
	event := func(tenant, user string) []byte {
		return []byte(`{"tenant_id":"` + tenant + `","user_id":"` + user + `","event_type":"e","resource_type":"r","action":"a","outcome":"success","timestamp":"2026-01-02T03:04:05Z"}`)
	}
	for _, user := range []string{"maria", "tom"} {
		o.do("writer", "POST", "/v1/events", event("acme", user), 201)
		o.do("writer", "POST", "/v1/events", event("globex", user), 201)
	}
	maria := []byte(`{"tenant_id":"acme","user_id":"maria"}`)
	if b := o.do("acme", "POST", "/v1/erasures", maria, 409); !bytes.Contains(b, []byte("two_operators")) {
		t.Errorf("with one operator: %s", b)
	}
	o.run("keys", "operator", "add", "bob", "--key", bob)
	o.run("keys", "operator", "add", "eve", "--key", filepath.Join(home, "eve.key")) // proposed, and not approved
	if err := os.Rename(govern.OperatorPath(o.dir, "first"), first); err != nil {
		t.Fatal(err)
	}

	// A hold begins, keeps what it covers, and is another tenant's nothing.
	var hold govern.HoldInfo
	decode(t, o.do("acme", "POST", "/v1/holds", []byte(`{"tenant_id":"acme","reason":"case 17"}`), 201), &hold)
	o.do("globex", "POST", "/v1/holds", []byte(`{"tenant_id":"acme","reason":"case 17"}`), 403)
	o.do("acme", "POST", "/v1/holds", []byte(`{"from":"2026-01-01T00:00:00Z","reason":"case 17"}`), 403)
	var holds struct{ Holds []govern.HoldInfo }
	decode(t, o.do("acme", "GET", "/v1/holds", nil, 200), &holds)
	if len(holds.Holds) != 1 || holds.Holds[0].ID != hold.ID || hold.Reason != "case 17" || hold.Tenant != "acme" {
		t.Errorf("%+v, %+v", holds, hold)
	}
	decode(t, o.do("globex", "GET", "/v1/holds", nil, 200), &holds)
	if len(holds.Holds) != 0 {
		t.Errorf("globex sees %+v", holds)
	}
	if b := o.do("acme", "POST", "/v1/erasures", maria, 409); !bytes.Contains(b, []byte(`"held"`)) {
		t.Errorf("what is held: %s", b)
	}
	lift := "/v1/holds/" + hold.ID.String() + "/lift"
	o.do("globex", "POST", lift, nil, 404)
	draft := o.do("acme", "POST", lift, nil, 200)
	proposed := o.sign(draft, first)
	o.do("acme", "POST", "/v1/proposals", draft, 422)
	o.do("acme", "POST", "/v1/proposals", proposed, 201)
	o.do("acme", "POST", "/v1/proposals", proposed, 201)
	o.do("acme", "POST", "/v1/proposals", o.sign(proposed, bob), 200)
	decode(t, o.do("acme", "GET", "/v1/holds", nil, 200), &holds)
	if len(holds.Holds) != 0 {
		t.Errorf("a hold that was lifted: %+v", holds)
	}

	// A person is erased by two people, and by no fewer.
	draft = o.do("acme", "POST", "/v1/erasures", maria, 200)
	o.do("globex", "POST", "/v1/erasures", maria, 403)
	o.do("acme", "POST", "/v1/erasures", []byte(`{"tenant_id":"acme"}`), 400)
	o.do("all", "POST", "/v1/erasures", []byte(`{"tenant_id":"nobody","user_id":"maria"}`), 404)
	proposed = o.sign(draft, first)
	// Who sends it says that it is about somebody else: what was signed is not.
	o.do("acme", "POST", "/v1/proposals", bytes.Replace(proposed, []byte(`"subject": "maria"`), []byte(`"subject": "tom"`), 1), 422)
	o.do("acme", "POST", "/v1/proposals", o.sign(draft, filepath.Join(home, "eve.key")), 422)
	o.do("acme", "POST", "/v1/proposals", o.sign(proposed, bob), 404) // the first signature has to be there first
	o.do("acme", "POST", "/v1/proposals", proposed, 201)
	o.do("globex", "POST", "/v1/proposals", o.sign(proposed, bob), 403)
	o.do("acme", "POST", "/v1/proposals", o.sign(proposed, filepath.Join(home, "eve.key")), 422)
	var waiting struct{ Proposals []json.RawMessage }
	decode(t, o.do("globex", "GET", "/v1/proposals", nil, 200), &waiting)
	if len(waiting.Proposals) != 0 {
		t.Errorf("globex sees %s", waiting.Proposals)
	}
	decode(t, o.do("acme", "GET", "/v1/proposals", nil, 200), &waiting)
	if len(waiting.Proposals) != 1 || !bytes.Contains(waiting.Proposals[0], []byte("maria")) {
		t.Fatalf("acme sees %s", waiting.Proposals)
	}
	approved := o.sign(waiting.Proposals[0], bob)
	var done struct {
		State  string
		Erased *govern.Certificate
	}
	decode(t, o.do("acme", "POST", "/v1/proposals", approved, 200), &done)
	if done.State != "done" || done.Erased == nil || done.Erased.Erased != "subject" || done.Erased.Keys != 1 || done.Erased.Counts.Records != 1 {
		t.Errorf("%+v, %+v", done, done.Erased)
	}
	// What was carried out counts no more, in any form.
	o.do("acme", "POST", "/v1/proposals", approved, 404)
	o.do("acme", "POST", "/v1/proposals", proposed, 404)
	found := o.do("reader", "GET", "/v1/events?tenant_id=acme", nil, 200)
	if bytes.Contains(found, []byte("maria")) || !bytes.Contains(found, []byte("tom")) {
		t.Errorf("after the erasure: %s", found)
	}

	// Retention is of the whole log.
	o.do("acme", "GET", "/v1/retention", nil, 403)
	if b := o.do("all", "GET", "/v1/retention", nil, 200); !bytes.Contains(b, []byte(`"segments"`)) {
		t.Errorf("%s", b)
	}
	if b := o.do("all", "POST", "/v1/retention", nil, 409); !bytes.Contains(b, []byte("not_needed")) {
		t.Errorf("%s", b)
	}
	server.Process.Signal(os.Interrupt)
	if err := server.Wait(); err != nil {
		t.Errorf("a server that is asked to end: %v", err)
	}
	config := filepath.Join(o.dir, "indelible.yaml")
	b, err := os.ReadFile(config)
	if err == nil {
		err = os.WriteFile(config, append(b, "retention:\n  default: 30d\n"...), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	o.begin()
	draft = o.do("all", "POST", "/v1/retention", nil, 200)
	proposed = o.sign(draft, first)
	o.do("acme", "POST", "/v1/proposals", proposed, 403)
	o.do("all", "POST", "/v1/proposals", proposed, 201)
	o.do("all", "POST", "/v1/proposals", o.sign(proposed, bob), 200)
	if b := o.do("all", "GET", "/v1/retention", nil, 200); !bytes.Contains(b, []byte(`"default":30`)) || !bytes.Contains(b, []byte(`"recorded":true`)) {
		t.Errorf("%s", b)
	}
	// Nobody is named in what is never erased.
	looked := o.run("search", "--tenant-id", "_access", "--json", "--limit", "1000")
	if !strings.Contains(looked, `"action":"approve"`) || strings.Contains(looked, `"user_id":"maria"`) {
		t.Errorf("the access log: %s", looked)
	}
}

func decode(t *testing.T, b []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
}
