package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"filippo.io/age"

	"indelible/internal/datadir"
	"indelible/internal/store/s3/s3test"
)

// newIdentity makes an age identity file and returns its name and recipient.
func newIdentity(t *testing.T) (file, recipient string) {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "identity.txt")
	if err := os.WriteFile(file, []byte(id.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file, id.Recipient().String()
}

// secretKeys are the secrets of a data directory as their files hold them.
func (m *machine) secretKeys() (secrets []string) {
	m.t.Helper()
	names, err := filepath.Glob(filepath.Join(m.dir, "keys", "*.key"))
	if err != nil || len(names) < 3 {
		m.t.Fatalf("keys: %v, %v", names, err)
	}
	for _, name := range names {
		var f struct {
			Key      []byte
			Versions []struct{ Key []byte } // of the root key
		}
		if err := json.Unmarshal(m.read(name), &f); err != nil {
			m.t.Fatal(err)
		}
		for _, v := range f.Versions {
			f.Key = v.Key
		}
		if len(f.Key) == 0 {
			m.t.Fatalf("%s holds no key", name)
		}
		secrets = append(secrets, base64.StdEncoding.EncodeToString(f.Key))
	}
	return secrets
}

func (m *machine) read(name string) []byte {
	m.t.Helper()
	if !filepath.IsAbs(name) {
		name = filepath.Join(m.dir, name)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		m.t.Fatal(err)
	}
	return b
}

// save writes text to a new file and returns its name.
func save(t *testing.T, text []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// copy copies a data directory as a crash leaves it.
func (m *machine) copy() *machine {
	m.t.Helper()
	c := newMachine(m.t, m.env)
	c.env["HOME"] = filepath.Dir(c.dir)
	if err := os.CopyFS(c.dir, os.DirFS(m.dir)); err != nil {
		m.t.Fatal(err)
	}
	err := filepath.WalkDir(c.dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		return os.Chmod(name, 0o600)
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return c
}

// TestKeysList: what is listed names every key and shows none.
func TestKeysList(t *testing.T) {
	t.Parallel()
	m := newMachine(t, nil)
	m.run("keys", "list").want(exitNoLedger)
	m.run("init").want(exitOK)
	m.runWith(sampleLines(0, 5), "append", "-q").want(exitOK)
	m.run("keys", "list").want(exitOK, "log key", "id key", "writer key", "new", "root key", "tenant key", "names key", "subject key", "default", "1 live")
	o := m.run("keys", "list", "--json").want(exitOK)
	var infos []datadir.KeyInfo
	if err := json.Unmarshal([]byte(o.out), &infos); err != nil || len(infos) < 7 || infos[0].ID == "" || infos[0].Created.IsZero() {
		t.Errorf("%+v, %v", infos, err)
	}
	for _, secret := range m.secretKeys() {
		if bytes.Contains(m.printed.Bytes(), []byte(secret)) {
			t.Error("a key was printed")
		}
	}
	if err := os.Chmod(filepath.Join(m.dir, "keys", "log.key"), 0o644); err != nil {
		t.Fatal(err)
	}
	m.run("keys", "list").want(exitFailure, "chmod 600")
}

// TestBackupAndRestore: what was lost comes back, what is there stays, and a
// backup serves nobody but its recipient, for as long as it was made for.
func TestBackupAndRestore(t *testing.T) {
	t.Parallel()
	identity, recipient := newIdentity(t)
	stranger, _ := newIdentity(t)
	m := newMachine(t, nil)
	m.run("init").want(exitOK)
	m.runWith(sampleLines(0, 50), "append").want(exitOK)
	m.run("keys", "backup").want(exitUsage, "--to")
	m.run("keys", "backup", "--to", "nobody").want(exitUsage)
	m.run("keys", "backup", "--to", recipient, "--life", "soon").want(exitUsage)
	file := filepath.Join(t.TempDir(), "backup.age")
	m.run("keys", "backup", "--to", recipient, "--out", file).want(exitOK, "to be restored until")
	m.run("keys", "backup", "--to", recipient, "--out", file).want(exitUsage, "not overwritten")
	o := m.run("keys", "backup", "--to", recipient, "--life", "1ns").want(exitOK)
	expired := save(t, []byte(o.out))
	for _, secret := range m.secretKeys() {
		if bytes.Contains(append(m.read(file), m.printed.Bytes()...), []byte(secret)) {
			t.Error("a backup shows a key")
		}
	}

	restore := func(file string) []string { return []string{"keys", "restore", "--identity", identity, file} }
	m.run(restore(file)...).want(exitOK, "nothing was missing")
	m.run("keys", "restore", file).want(exitUsage, "--identity")
	m.run("keys", "restore", "--identity", stranger, file).want(exitFailure, "not encrypted to this identity")
	m.run(restore(expired)...).want(exitFailure, "expired", "--expired-ok")
	m.run(append(restore(expired), "--expired-ok")...).want(exitOK)
	other := newMachine(t, nil)
	other.run(restore(file)...).want(exitNoLedger, "--attach")
	other.run("init").want(exitOK)
	other.run(restore(file)...).want(exitFailure, "the backup is of the log")

	lost := m.copy()
	for _, name := range []string{"keys/log.key", "keys/id.key", "keys/signed.json", "log.vkey"} {
		if err := os.Remove(filepath.Join(lost.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	lost.runWith(sampleLines(50, 1), "append").want(exitFailure, "log.key")
	lost.run(restore(file)...).want(exitOK, "restored keys/log.key", "restored keys/id.key", "restored keys/signed.json", "restored log.vkey")
	for _, name := range []string{"keys/log.key", "keys/id.key", "keys/signed.json", "log.vkey"} {
		if name != "keys/log.key" && name != "keys/id.key" && !bytes.Equal(lost.read(name), m.read(name)) {
			t.Errorf("%s is not what it was", name)
		}
	}
	lost.runWith(sampleLines(0, 60), "append").want(exitOK, "10 recorded, 50 were there already")
	lost.wantClean(60)

	// A writer key that is lost is drawn anew: another writer, which takes over.
	noWriter := m.copy()
	if err := os.Remove(filepath.Join(noWriter.dir, "keys", "writer.key")); err != nil {
		t.Fatal(err)
	}
	noWriter.run(restore(file)...).want(exitOK, "restored keys/writer.key")
	noWriter.runWith(sampleLines(50, 5), "append").want(exitOtherWriter, "--take-over")
	noWriter.runWith(sampleLines(50, 5), "append", "--take-over").want(exitOK)
	noWriter.wantClean(55)

	// Another key in its place is not replaced.
	if err := os.WriteFile(filepath.Join(lost.dir, "keys", "id.key"), other.read("keys/id.key"), 0o600); err != nil {
		t.Fatal(err)
	}
	lost.run(restore(file)...).want(exitFailure, "another key already")
}

// TestAttach: a log goes on from a new machine by a backup and a trusted
// checkpoint; nothing is written before somebody says that the other is to stop.
func TestAttach(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	bucket := server.NewBucket(t, true)
	identity, recipient := newIdentity(t)
	first := s3Machine(t, server, bucket)
	first.run("init").want(exitOK)
	first.runWith(sampleLines(0, 100), "append").want(exitOK)
	file := filepath.Join(t.TempDir(), "backup.age")
	first.run("keys", "backup", "--to", recipient, "--out", file).want(exitOK)
	trusted := save(t, []byte(first.verify(exitOK).Checkpoint))
	first.runWith(sampleLines(100, 300), "append").want(exitOK)
	size := first.verify(exitOK).Leaves

	second := s3Machine(t, server, bucket)
	attach := func(change ...string) []string {
		return append([]string{"init", "--attach", "s3://" + bucket + "/audit-logs", "--backup", file, "--identity", identity, "--trusted", trusted}, change...)
	}
	second.run("init").want(exitFailure, "holds a log already", "--attach")
	second.run(attach("--trusted", "")...).want(exitUsage, "--trusted FILE")
	second.run(attach("--backup", "")...).want(exitUsage, "--backup FILE")
	second.run(attach("--attach", t.TempDir())...).want(exitUsage, "s3://bucket/prefix")
	stranger := newMachine(t, nil)
	stranger.run("init").want(exitOK)
	second.run(attach("--trusted", save(t, []byte(stranger.verify(exitOK).Checkpoint)))...).want(exitWrongKey)
	empty := server.NewBucket(t, true)
	second.env["S3_AUDIT_BUCKET"] = empty
	second.run(attach("--attach", "s3://"+empty+"/audit-logs")...).want(exitTampered, "holds no log")
	second.run(attach()...).want(exitUsage, empty)
	second.env["S3_AUDIT_BUCKET"] = bucket

	second.run(attach()...).want(exitOK, "nothing was written to the log")
	second.run(attach()...).want(exitFailure, "there is a ledger here already")
	second.wantClean(400)
	if got := second.verify(exitOK).Leaves; got != size {
		t.Errorf("attaching made the tree grow from %d to %d", size, got)
	}
	second.runWith(sampleLines(400, 1), "append").want(exitOtherWriter, "--take-over")
	if got := first.verify(exitOK).Leaves; got != size {
		t.Errorf("a refused append made the tree grow from %d to %d", size, got)
	}
	second.runWith(sampleLines(390, 20), "append", "--take-over").want(exitOK, "10 were there already")
	second.runWith(sampleLines(410, 1), "append").want(exitOK)
	second.wantClean(411)
	first.runWith(sampleLines(420, 1), "append").want(exitOtherWriter)
	first.wantClean(411)
	if bytes.Equal(first.read("keys/writer.key"), second.read("keys/writer.key")) {
		t.Error("both machines have the same writer key")
	}
	second.wantNoSecret(server.SecretKey)

	// A store that was rolled back behind the trusted checkpoint is found out.
	ahead := save(t, []byte(second.verify(exitOK).Checkpoint))
	old := server.NewBucket(t, true)
	for _, name := range segmentNames(t, server, bucket)[:2] {
		copyObject(t, server, bucket, old, "audit-logs/"+name)
	}
	third := s3Machine(t, server, old)
	third.run(attach("--attach", "s3://"+old+"/audit-logs", "--trusted", ahead)...).want(exitTampered, "rolled back")
}
