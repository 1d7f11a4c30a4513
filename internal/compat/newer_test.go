package compat

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"indelible"
)

// TestNewerVersion changes the version of one kind of file at a time. What a
// later version wrote is never called damaged, tampered with or missing: the
// error says that the program is too old.
func TestNewerVersion(t *testing.T) {
	t.Parallel()
	const lastSegment = "store/audit-logs/wal/00000000000000000004"
	for _, c := range []struct {
		name   string
		file   string // the first that matches
		change func([]byte) []byte
		args   []string
	}{
		{"configuration", "indelible.yaml", replace("version: 1", "version: 2"), []string{"append", "-"}},
		{"configuration, reading", "indelible.yaml", replace("version: 1", "version: 2"), []string{"verify"}},
		{"log key", "keys/log.key", replace(`"version": 1`, `"version": 2`), []string{"append", "-"}},
		{"writer key", "keys/writer.key", replace(`"version": 1`, `"version": 2`), []string{"append", "-"}},
		{"id key", "keys/id.key", replace(`"version": 1`, `"version": 2`), []string{"append", "-"}},
		{"journal", "journal/*.journal", newerJournal, []string{"append", "-"}},
		{"segment, verified", lastSegment, newerSegment, []string{"verify"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			u := copyLedger(t, filepath.Join(v1, "ledger"))
			found, err := filepath.Glob(filepath.Join(u.dir, c.file))
			if err != nil || len(found) == 0 {
				t.Fatalf("%s: %v", c.file, err)
			}
			before, err := os.ReadFile(found[0])
			if err != nil {
				t.Fatal(err)
			}
			after := c.change(bytes.Clone(before))
			if bytes.Equal(before, after) {
				t.Fatal("nothing was changed")
			}
			if err := os.WriteFile(found[0], after, 0o600); err != nil {
				t.Fatal(err)
			}
			wantNewer(t, u, more, c.args...)
		})
	}
}

func TestNewerEvidence(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"event.json", "complete.json"} {
		u := &user{t: t, home: t.TempDir(), dir: filepath.Join(t.TempDir(), "none")}
		text := strings.Replace(stored(t, v1, name), "/v1\"", "/v2\",\n  \"something\": \"new\"", 1)
		wantNewer(t, u, text, "check", "--key", filepath.Join(v1, "ledger", "log.vkey"), "-")
	}
}

// wantNewer fails the test unless a command says that something is too new for it.
func wantNewer(t *testing.T, u *user, stdin string, args ...string) {
	t.Helper()
	stdout, stderr, got := u.run(stdin, args...)
	if got != 21 || !strings.Contains(stdout+stderr, "newer version") {
		t.Errorf("indelible %v: exit code %d, want 21 and a word about a newer version\n%s%s", args, got, stdout, stderr)
	}
}

func replace(old, with string) func([]byte) []byte {
	return func(b []byte) []byte { return bytes.Replace(b, []byte(old), []byte(with), 1) }
}

// newerSegment raises the version of a segment and has the writer sign it anew:
// docs/format.md, Segment. A version that was changed without the key is damage.
func newerSegment(b []byte) []byte {
	var key struct {
		Key []byte `json:"key"`
	}
	text, err := os.ReadFile(filepath.Join(v1, "ledger", "keys", "writer.key"))
	if err != nil || json.Unmarshal(text, &key) != nil {
		return b
	}
	b[4]++
	end := binary.BigEndian.Uint32(b[8:]) + binary.BigEndian.Uint32(b[12:])*indelible.LeafSize
	hash := sha256.Sum256(b[:end])
	copy(b[end:], hash[:])
	copy(b[end+32:], ed25519.Sign(ed25519.NewKeyFromSeed(key.Key), indelible.SegmentMessage(hash)))
	return b
}

// newerJournal raises the version of a journal and makes its header's CRC anew:
// with the old one it would be a flipped bit.
func newerJournal(b []byte) []byte {
	const header = 60
	b[4]++
	binary.BigEndian.PutUint32(b[header-4:], crc32.Checksum(b[:header-4], crc32.MakeTable(crc32.Castagnoli)))
	return b
}
