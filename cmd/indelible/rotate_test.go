package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"indelible/internal/datadir"
	"indelible/internal/store/s3/s3test"
)

// rotationSteps are the files a rotation writes, in their order.
var rotationSteps = []string{"keys/log-next.key", "keys/log-previous.key", "keys/log.key", "keys/writer.key", "log.vkey"}

// TestRotateSigner: the log has a new key, signs with both for a while, and
// what was proved before still is.
func TestRotateSigner(t *testing.T) {
	t.Parallel()
	_, recipient := newIdentity(t)
	m := newMachine(t, nil)
	m.run("init").want(exitOK)
	m.runWith(sampleLines(0, 300), "append").want(exitOK)
	before := m.copy()
	old := save(t, m.read("log.vkey"))
	evidence := save(t, []byte(m.run("prove", "7").want(exitOK).out))
	m.run("keys", "rotate-signer", "--overlap", "often").want(exitUsage)
	o := m.run("keys", "rotate-signer").want(exitOK, "signs beside it until")
	if o.out != string(m.read("log.vkey")) || bytes.Equal(m.read("log.vkey"), before.read("log.vkey")) {
		t.Errorf("log.vkey holds %s, printed was %s", m.read("log.vkey"), o.out)
	}
	m.run("keys", "list").want(exitOK, "rotated away, signs beside the current one until")
	m.wantClean(300)
	m.wantClean(300, "--key", old)
	receipt := save(t, []byte(m.runWith(sampleLines(300, 1), "append").want(exitOK).out))
	m.wantClean(301)
	m.wantClean(301, "--key", old)
	m.run("check", receipt, "--key", filepath.Join(m.dir, "log.vkey")).want(exitOK)
	m.run("check", evidence, "--key", old).want(exitOK)
	fresh := save(t, []byte(m.run("prove", "7").want(exitOK).out))
	m.run("check", fresh, "--key", old).want(exitOK)
	m.run("check", fresh, "--key", filepath.Join(m.dir, "log.vkey")).want(exitOK)
	m.run("keys", "backup", "--to", recipient).want(exitOK)

	// The overlap ends: the old key goes, and signs nothing more.
	expire(t, m)
	m.runWith(sampleLines(301, 1), "append").want(exitOK)
	if _, err := os.Stat(filepath.Join(m.dir, "keys", "log-previous.key")); !os.IsNotExist(err) {
		t.Errorf("the old key is still there: %v", err)
	}
	m.wantClean(302)
	m.verify(exitWrongKey, "--key", old)
	m.run("check", evidence, "--key", old).want(exitOK)

	// Once more, without overlap.
	m.run("keys", "rotate-signer", "--overlap", "0s").want(exitOK)
	m.runWith(sampleLines(302, 1), "append").want(exitOK)
	m.wantClean(303)
	if infos, err := datadir.ListKeys(m.dir); err != nil || len(infos) != 3 {
		t.Errorf("%d keys, %v, want 3", len(infos), err)
	}

	// A directory restored from before knows nothing of the new key.
	before.copyStore(m)
	before.runWith(sampleLines(400, 1), "append").want(exitTampered)
}

// TestCheckAfterRotation: with the log at hand the keys it had before count;
// what is not of this log does not hold.
func TestCheckAfterRotation(t *testing.T) {
	t.Parallel()
	m := newMachine(t, nil)
	m.run("init").want(exitOK)
	receipt := save(t, []byte(m.runWith(sampleLines(0, 1), "append").want(exitOK).out))
	m.runWith(sampleLines(1, 20), "append").want(exitOK)
	evidence := save(t, []byte(m.run("prove", "7").want(exitOK).out))
	other := m.copy()
	for _, n := range []int{100, 200} {
		m.run("keys", "rotate-signer", "--overlap", "0s").want(exitOK)
		m.runWith(sampleLines(n, 1), "append").want(exitOK)
		m.run("check", receipt).want(exitOK, "kept")
		m.run("check", evidence).want(exitOK, "is in the log")
	}
	complete := save(t, []byte(other.run("prove", "--tenant", "tenant-1").want(exitOK).out))
	m.run("check", complete).want(exitOK)

	key := filepath.Join(m.dir, "log.vkey")
	m.run("check", receipt, "--key", key).want(exitWrongKey)
	m.run("check", evidence, "--key", key).want(exitWrongKey)
	m.run("check", complete, "--key", key).want(exitWrongKey)

	// An earlier key signed another history.
	other.runWith(sampleLines(300, 3), "append").want(exitOK)
	forked := save(t, []byte(other.run("prove", "7").want(exitOK).out))
	m.run("check", forked).want(exitTampered, "does not continue")
	other.runWith(sampleLines(400, 90), "append").want(exitOK)
	m.run("check", save(t, []byte(other.run("prove", "7").want(exitOK).out))).want(exitTampered, "does not reach")

	// Somebody else's, under the same name.
	origin := strings.SplitN(string(m.read("log.vkey")), "+", 2)[0]
	twin := newMachine(t, nil)
	twin.run("init", "--origin", origin).want(exitOK)
	m.run("check", save(t, []byte(twin.runWith(sampleLines(0, 1), "append").want(exitOK).out))).want(exitWrongKey)
	m.run("check", save(t, []byte(twin.run("prove", "1").want(exitOK).out))).want(exitWrongKey)

	// A log that cannot be asked: the key alone decides.
	if err := os.RemoveAll(filepath.Join(m.dir, "store")); err != nil {
		t.Fatal(err)
	}
	m.run("check", evidence).want(exitWrongKey, "is not asked")
}

// TestRollbackAfterRotation: what was accepted under the key before is not
// forgotten.
func TestRollbackAfterRotation(t *testing.T) {
	t.Parallel()
	m := newMachine(t, nil)
	m.run("init").want(exitOK)
	m.runWith(sampleLines(0, 10), "append").want(exitOK)
	early := m.copy()
	m.runWith(sampleLines(10, 90), "append").want(exitOK)
	m.wantClean(100)
	early.env["HOME"] = m.env["HOME"]
	early.run("keys", "rotate-signer", "--overlap", "0s").want(exitOK)
	if r := early.verify(exitTampered); len(r.Problems) != 1 || !strings.Contains(r.Problems[0].What, "rolled back") {
		t.Errorf("%+v", r.Problems)
	}
	early.runWith(sampleLines(200, 200), "append").want(exitOK)
	if r := early.verify(exitTampered); len(r.Problems) != 1 || !strings.Contains(r.Problems[0].What, "forked") {
		t.Errorf("%+v", r.Problems)
	}
	m.run("keys", "rotate-signer", "--overlap", "0s").want(exitOK)
	if r := m.verify(exitOK); !strings.Contains(strings.Join(r.Unchecked, " "), "split view") {
		t.Errorf("%q", r.Unchecked)
	}
}

// TestRotationCrash stops a rotation after each of its steps: whoever writes
// next, be it an append, finishes it or leaves it as it was.
func TestRotationCrash(t *testing.T) {
	t.Parallel()
	m := newMachine(t, nil)
	m.run("init").want(exitOK)
	m.runWith(sampleLines(0, 20), "append").want(exitOK)
	before := m.copy()
	m.run("keys", "rotate-signer").want(exitOK)
	next := keyFileOf(t, m, "keys/log.key")
	next["overlap"] = "30d"
	pending, err := json.Marshal(next)
	if err != nil {
		t.Fatal(err)
	}
	for done := range len(rotationSteps) + 1 {
		for _, published := range []bool{false, true} {
			if !published && done > 1 {
				continue // files change after the leaf is published
			}
			c := before.copy()
			if published {
				c.copyStore(m)
				if err := os.WriteFile(filepath.Join(c.dir, "keys", "signed.json"), m.read("keys/signed.json"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for _, name := range rotationSteps[:done] {
				b := pending
				if name != "keys/log-next.key" {
					b = m.read(name)
				}
				if err := os.WriteFile(filepath.Join(c.dir, name), b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if published && done == 0 {
				continue // cannot be: the key is on disk first
			}
			c.runWith(sampleLines(20, 5), "append").want(exitOK, "5 recorded")
			c.wantClean(25)
			_, err := os.Stat(filepath.Join(c.dir, "keys", "log-next.key"))
			if finished := os.IsNotExist(err); finished != (published || done == 0) {
				t.Errorf("%d steps, published %v: finished %v", done, published, finished)
			}
			// It can always be finished by asking for it.
			c.run("keys", "rotate-signer").want(exitOK)
			c.wantClean(25)
			c.runWith(sampleLines(25, 5), "append").want(exitOK)
			c.wantClean(30)
			infos, err := datadir.ListKeys(c.dir)
			if err != nil || len(infos) != 4 {
				t.Errorf("%d steps, published %v: %d keys, %v, want 4", done, published, len(infos), err)
			}
			if names := segmentFiles(t, c); !slices.IsSorted(names) {
				t.Error(names)
			}
		}
	}
}

func keyFileOf(t *testing.T, m *machine, name string) map[string]any {
	t.Helper()
	var f map[string]any
	if err := json.Unmarshal(m.read(name), &f); err != nil {
		t.Fatal(err)
	}
	return f
}

// expire lets the overlap of a rotation end.
func expire(t *testing.T, m *machine) {
	t.Helper()
	f := keyFileOf(t, m, "keys/log-previous.key")
	f["until"] = "2020-01-01T00:00:00Z"
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(m.dir, "keys", "log-previous.key"), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// copyStore gives a machine the store of another.
func (m *machine) copyStore(from *machine) {
	m.t.Helper()
	if err := os.RemoveAll(filepath.Join(m.dir, "store")); err != nil {
		m.t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(m.dir, "store"), os.DirFS(filepath.Join(from.dir, "store"))); err != nil {
		m.t.Fatal(err)
	}
}

func segmentFiles(t *testing.T, m *machine) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(m.dir, "store", "*", "wal", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// TestRotateAway: with the store away nothing is begun, and the key can be
// rotated later.
func TestRotateAway(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	m := s3Machine(t, server, server.NewBucket(t, true))
	m.run("init").want(exitOK)
	m.runWith(sampleLines(0, 20), "append").want(exitOK)
	server.Stop()
	m.run("keys", "rotate-signer").want(exitFailure, "the store does not answer")
	server.Start()
	_, recipient := newIdentity(t)
	m.run("keys", "backup", "--to", recipient).want(exitOK)
	m.runWith(sampleLines(20, 1), "append").want(exitOK)
	m.wantClean(21)
	m.run("keys", "rotate-signer").want(exitOK)
	m.wantClean(21)
	m.wantNoSecret(server.SecretKey)
}

// TestRotateWhileServing: the process that writes has the log's new key at
// once, and goes on with it.
func TestRotateWhileServing(t *testing.T) {
	t.Parallel()
	x := newTimed(t, "2026-03-01T12:00:00Z")
	x.run("init").want(exitOK)
	x.runWith(sampleLines(0, 50), "append").want(exitOK)
	old := save(t, x.read("log.vkey"))
	p := x.begin("listening", "serve", "--listen", "127.0.0.1:0", "--verify-every", "0")
	o := x.run("keys", "rotate-signer").want(exitOK, "signs beside it until")
	vkey := filepath.Join(x.dir, "log.vkey")
	if o.out != string(x.read("log.vkey")) || bytes.Equal(x.read("log.vkey"), []byte(readAll(t, old))) {
		t.Errorf("log.vkey holds %s, printed was %s", x.read("log.vkey"), o.out)
	}
	receipt := save(t, []byte(x.runWith(sampleLines(50, 1), "append").want(exitOK).out))
	x.run("check", receipt, "--key", vkey).want(exitOK)
	x.wantClean(51)
	x.wantClean(51, "--key", old)
	x.run("keys", "rotate-signer", "--overlap", "0s").want(exitOK)
	x.runWith(sampleLines(51, 1), "append").want(exitOK)
	p.end()
	p = x.begin("listening", "serve", "--listen", "127.0.0.1:0", "--verify-every", "0")
	receipt = save(t, []byte(x.runWith(sampleLines(52, 1), "append").want(exitOK).out))
	p.end()
	x.run("check", receipt, "--key", vkey).want(exitOK)
	x.wantClean(53)
	if left, err := filepath.Glob(filepath.Join(x.dir, "keys", "log-next.key")); err != nil || len(left) > 0 {
		t.Errorf("the rotation is not finished: %v, %v", left, err)
	}
}

func readAll(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
