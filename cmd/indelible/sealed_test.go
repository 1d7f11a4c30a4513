package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// sealedMachine has a ledger with events.
func sealedMachine(t *testing.T) *machine {
	t.Helper()
	m := newMachine(t, nil)
	m.run("init").want(exitOK, "encryption  on")
	m.runWith(sampleLines(0, 60), "append", "-q").want(exitOK)
	return m
}

var keyID = regexp.MustCompile(`key [0-9a-f]{32}`)

// TestWrongKeys: with a root key or a key store that is not this ledger's, or
// that others can read, nothing is shown and nothing recorded; the key is named,
// and the log verifies all the same.
func TestWrongKeys(t *testing.T) {
	t.Parallel()
	m, other := sealedMachine(t), sealedMachine(t)
	right := m.copy()
	closed := func(m *machine, code int, what string) {
		t.Helper()
		o := m.run("show", "5").want(code, "key")
		if what != "" && !bytes.Contains([]byte(o.err), []byte(what)) {
			t.Errorf("%q does not say %q", o.err, what)
		}
		if !keyID.MatchString(o.err) {
			t.Errorf("no key is named: %s", o.err)
		}
		m.run("verify").want(exitOK, "unopened")
		m.run("tail").want(code)
		if o := m.run("prove", "5"); o.code == exitOK || o.out != "" { // it cannot be recorded
			t.Errorf("proved with a wrong key: exit %d, %d bytes", o.code, len(o.out))
		}
		if o := m.runWith(sampleLines(60, 1), "append", "-q"); o.code == exitOK {
			t.Errorf("recorded with a wrong key: %s", o.err)
		}
	}
	replace := func(m *machine, name string, b []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(m.dir, "keys", name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	root := m.copy()
	replace(root, "root.key", other.read("keys/root.key"))
	closed(root, exitWrongKey, "")
	store := m.copy()
	replace(store, "keys.db", other.read("keys/keys.db"))
	closed(store, exitWrongKey, "belongs to the log")
	lost := m.copy()
	if err := os.Remove(filepath.Join(lost.dir, "keys", "keys.db")); err != nil {
		t.Fatal(err)
	}
	closed(lost, exitWrongKey, "not there")
	readable := m.copy()
	if err := os.Chmod(filepath.Join(readable.dir, "keys", "keys.db"), 0o644); err != nil {
		t.Fatal(err)
	}
	closed(readable, exitFailure, "chmod 600")
	junk := m.copy()
	replace(junk, "keys.db", bytes.Repeat([]byte("not a database "), 500))
	closed(junk, exitWrongKey, "")
	right.run("show", "5").want(exitOK, "user_id")
}

// TestBackUpKeyStore: what a disk has lost of its keys a backup brings back, and
// what was sealed with keys made since stays closed while all else is shown.
func TestBackUpKeyStore(t *testing.T) {
	t.Parallel()
	identity, recipient := newIdentity(t)
	m := sealedMachine(t)
	backup := filepath.Join(t.TempDir(), "keys.age")
	m.run("keys", "list").want(exitOK, "no backup of the keys is noted here", "hint: ")
	m.run("keys", "backup", "--to", recipient, "--out", backup).want(exitOK)
	if o := m.run("keys", "list").want(exitOK); strings.Contains(o.err, "backup") {
		t.Errorf("with a backup of all keys: %s", o.err)
	}
	m.run("doctor").want(exitOK, "all keys that records are sealed with are in a backup")
	m.runWith(`{"timestamp":"2025-01-02T03:04:05Z","event_type":"data_access","user_id":"newcomer","tenant_id":"tenant-1","resource_type":"dataset","resource_id":"d","action":"read","outcome":"success","id":"f0000000-0000-4000-8000-000000000001"}`,
		"append", "-q").want(exitOK)
	// The new person's key and no other is in no backup: the copies say so.
	m.run("keys", "list").want(exitOK, "1 of ", "were made since the backup of")
	m.run("doctor").want(exitOK, "1 of ", "were made since the backup of", "keys backup")
	for _, name := range []string{"root.key", "keys.db"} {
		if err := os.Remove(filepath.Join(m.dir, "keys", name)); err != nil {
			t.Fatal(err)
		}
	}
	m.run("show", "5").want(exitWrongKey)
	m.run("keys", "restore", "--identity", identity, backup).want(exitOK, "restored keys/root.key", "restored keys/keys.db")
	m.run("show", "5").want(exitOK, "user_id")
	m.run("show", "f0000000-0000-4000-8000-000000000001").want(exitWrongKey, "not in the key store")
	m.runWith(sampleLines(0, 100), "append", "-q").want(exitOK, "40 recorded", "60 were there already")
	m.run("verify").want(exitOK, "unopened    1 ")
	m.run("keys", "restore", "--identity", identity, backup).want(exitOK, "nothing was missing")
}
