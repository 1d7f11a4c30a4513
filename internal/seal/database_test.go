package seal

import (
	"bytes"
	"os"
	"testing"
)

// A row that was changed, or moved to another tenant, is of no use.
func TestChangedRows(t *testing.T) {
	t.Parallel()
	for what, change := range map[string]string{
		"key of another":    `UPDATE keys SET wrapped = (SELECT wrapped FROM keys WHERE id != ?1) WHERE id = ?1`,
		"tenant of another": `UPDATE keys SET tenant = (SELECT tenant FROM keys WHERE id != ?1) WHERE id = ?1`,
		"month":             `UPDATE keys SET period = 209901 WHERE id = ?1`,
		"class":             `UPDATE keys SET class = 'longer' WHERE id = ?1`,
		"subject":           `UPDATE keys SET subject = x'00112233445566778899aabbccddeeff' WHERE id = ?1`,
		"cut short":         `UPDATE keys SET wrapped = substr(wrapped, 1, 59) WHERE id = ?1`,
		"secret of another": `UPDATE tenants SET wrapped = (SELECT wrapped FROM tenants o WHERE o.no != tenants.no) WHERE no = (SELECT tenant FROM keys WHERE id = ?1)`,
		"tenants swapped":   `UPDATE tenants SET no = no + 10 WHERE no = (SELECT tenant FROM keys WHERE id = ?1)`,
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := newKeyStore(t, &memoryRoot{})
			s.ready()
			maria := s.subject(acme, "maria")
			s.subject(bolt, "jan")
			if what == "tenants swapped" {
				change = `PRAGMA foreign_keys = 0; UPDATE tenants SET ref = CASE no WHEN 1 THEN (SELECT x'02' || zeroblob(15)) ELSE (SELECT x'01' || zeroblob(15)) END WHERE ?1 IS NOT NULL AND no > 0`
				if _, err := s.db.Exec(`DROP INDEX live_tenants`); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := s.db.Exec(change, maria.ID[:]); err != nil {
				t.Fatal(err)
			}
			s.again()
			s.ready()
			if d, _, err := s.Key(t.Context(), maria.ID); err == nil {
				t.Errorf("a key is taken from a changed row (%v)", d.Key == maria.Key)
			}
		})
	}
}

// Nobody's name stands in the file.
func TestNoNames(t *testing.T) {
	t.Parallel()
	s := newKeyStore(t, &memoryRoot{})
	s.subject(acme, "maria@acme.example")
	s.again()
	b, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(b, []byte("maria")) {
		t.Error("the key store names a person")
	}
	if info, err := os.Stat(s.path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := os.Chmod(s.path, 0o644); err != nil {
		t.Fatal(err)
	}
	if k, err := Open(t.Context(), s.path, s.opt); err == nil {
		k.Close()
		t.Error("a key store that others can read is opened")
	}
}
