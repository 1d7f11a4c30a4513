package main

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"indelible/internal/seal/sealtest"
)

// rooted is a ledger whose root key is where env says.
type rooted struct {
	t   *testing.T
	dir string
	env map[string]string
}

func (r *rooted) run(stdin string, args ...string) (stdout, stderr string, code int) {
	r.t.Helper()
	var out, errs bytes.Buffer
	env := func(name string) string { return r.env[name] }
	code = run(r.t.Context(), append([]string{"--dir", r.dir}, args...), strings.NewReader(stdin), &out, &errs, env)
	return out.String(), errs.String(), code
}

func (r *rooted) must(stdin string, args ...string) string {
	r.t.Helper()
	out, errs, code := r.run(stdin, args...)
	if code != exitOK {
		r.t.Fatalf("%v: exit code %d\n%s", args, code, errs)
	}
	return out
}

const oneEvent = `{"id":"11111111-1111-4111-8111-111111111111","timestamp":"2025-01-02T03:04:05Z","event_type":"login","user_id":"ann","tenant_id":"acme","resource_type":"door","resource_id":"d","action":"open","outcome":"success","details":{}}` + "\n"

// works records, reads back, rotates and reads again.
func (r *rooted) works() {
	r.t.Helper()
	r.must(oneEvent, "append", "-q")
	r.must("", "keys", "rotate")
	if text := r.must("", "show", "11111111-1111-4111-8111-111111111111"); !strings.Contains(text, `"ann"`) {
		r.t.Errorf("shown as %s", text)
	}
	r.must("", "verify")
	if b, err := os.ReadFile(filepath.Join(r.dir, "keys", "root.key")); err == nil {
		r.t.Errorf("there is a root key file: %d bytes", len(b))
	}
}

func TestRootKeyInVault(t *testing.T) {
	t.Parallel()
	v := sealtest.StartVault(t)
	r := &rooted{t, filepath.Join(t.TempDir(), "log"), map[string]string{"XDG_STATE_HOME": t.TempDir(), "VAULT_ADDR": v.URL}}
	if _, errs, code := r.run("", "init", "--root", "vault"); code != exitUsage || !strings.Contains(errs, "--root-key") {
		t.Errorf("without a key: %d, %s", code, errs)
	}
	key := v.NewKey()
	if _, errs, code := r.run("", "init", "--root", "vault", "--root-key", key); code == exitOK || !strings.Contains(errs, "VAULT_TOKEN") {
		t.Errorf("without a token: %d, %s", code, errs)
	}
	r.env["VAULT_TOKEN"] = v.Token
	if _, errs, code := r.run("", "init", "--root", "vault", "--root-key", "mistyped"); code == exitOK || !strings.Contains(errs, "unknown root key") {
		t.Errorf("a key that is not there: %d, %s", code, errs)
	}
	r.must("", "init", "--root", "vault", "--root-key", key)
	config, err := os.ReadFile(filepath.Join(r.dir, "indelible.yaml"))
	if err != nil || bytes.Contains(config, []byte(v.Token)) || !bytes.Contains(config, []byte(v.URL)) {
		t.Errorf("indelible.yaml: %v\n%s", err, config)
	}
	r.works()
	v.Fail(http.StatusForbidden, "permission denied")
	out, errs, code := r.run("", "show", "11111111-1111-4111-8111-111111111111")
	if strings.Contains(out, "ann") || strings.Contains(errs, v.Token) {
		t.Errorf("Vault refuses, and it is shown: %d\n%s%s", code, out, errs)
	}
	if _, errs, code := r.run("", "verify"); code != exitOK {
		t.Errorf("verification needs no key: %d, %s", code, errs)
	}
	// Away is something else than a refusal, and says what it waits for.
	v.Fail(http.StatusServiceUnavailable, "sealed")
	out, errs, code = r.run("", "show", "11111111-1111-4111-8111-111111111111")
	if code != exitFailure || strings.Contains(out, "ann") || !keyID.MatchString(errs) || !strings.Contains(errs, "does not answer") {
		t.Errorf("Vault is away: %d\n%s%s", code, out, errs)
	}
}

func TestRootKeyInKMS(t *testing.T) {
	k := sealtest.StartKMS(t)
	// The usual AWS chain reads the environment of the process.
	t.Setenv("AWS_ACCESS_KEY_ID", k.AccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", k.SecretKey)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	r := &rooted{t, filepath.Join(t.TempDir(), "log"), map[string]string{"XDG_STATE_HOME": t.TempDir(), "AWS_ENDPOINT_URL_KMS": k.URL}}
	r.must("", "init", "--root", "awskms", "--root-key", k.NewKey())
	r.works()
}

// TestRootKeyPassphrase: a key file can be encrypted; the passphrase is in no flag.
func TestRootKeyPassphrase(t *testing.T) {
	t.Parallel()
	r := &rooted{t, filepath.Join(t.TempDir(), "log"), map[string]string{"XDG_STATE_HOME": t.TempDir(), "INDELIBLE_PASSPHRASE": "correct horse"}}
	r.must("", "init")
	r.must(oneEvent, "append", "-q")
	r.env["INDELIBLE_PASSPHRASE"] = "battery staple"
	if _, errs, code := r.run(oneEvent, "append", "-q"); code == exitOK || strings.Contains(errs, "battery") {
		t.Errorf("another passphrase: %d, %s", code, errs)
	}
	if out, _, _ := r.run("", "show", "11111111-1111-4111-8111-111111111111"); strings.Contains(out, "ann") {
		t.Errorf("shown without the passphrase: %s", out)
	}
}

// TestAppendWithAnotherRootKey: the key is wrong, not the event, which must not
// lie in the clear among refused input.
func TestAppendWithAnotherRootKey(t *testing.T) {
	t.Parallel()
	env := map[string]string{"XDG_STATE_HOME": t.TempDir()}
	r := &rooted{t, filepath.Join(t.TempDir(), "log"), env}
	other := &rooted{t, filepath.Join(t.TempDir(), "log"), env}
	r.must("", "init")
	r.must(oneEvent, "append", "-q")
	other.must("", "init")
	b, err := os.ReadFile(filepath.Join(other.dir, "keys", "root.key"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(r.dir, "keys", "root.key"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	another := strings.Replace(oneEvent, "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222", 1)
	if _, errs, code := r.run(another, "append", "-q"); code != exitWrongKey || !strings.Contains(errs, "keys restore") {
		t.Errorf("exit code %d, %s", code, errs)
	}
	if _, err := os.Stat(filepath.Join(r.dir, "rejects")); err == nil {
		t.Error("the event is among refused input")
	}
}
