package compat

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// TestNothingReadable: no file of a sealed ledger, its journal among them, shows
// a tenant, a person or an id, in clear, base64 or hex.
func TestNothingReadable(t *testing.T) {
	t.Parallel()
	journals := 0
	err := filepath.WalkDir(filepath.Join(v1Sealed, "ledger"), func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || filepath.Base(name) == "indelible.yaml" { // its comments have examples
			return err
		}
		if filepath.Ext(name) == ".journal" {
			journals++
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		for _, secret := range []string{"acme", "müller", "third", "maria@acme.example", "svc-ingest", generatedID, "data_access", "ds-7", "192.0.2.7"} {
			for _, as := range []string{secret, hex.EncodeToString([]byte(secret)), base64.StdEncoding.EncodeToString([]byte(secret))[:len(secret)]} {
				if bytes.Contains(b, []byte(as)) {
					t.Errorf("%s shows %s", name, secret)
				}
			}
		}
		return nil
	})
	if err != nil || journals == 0 {
		t.Errorf("%d journals searched, %v", journals, err)
	}
}
