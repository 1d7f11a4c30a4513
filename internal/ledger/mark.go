package ledger

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"path/filepath"

	"golang.org/x/mod/sumdb/tlog"

	"indelible"
	"indelible/internal/disk"
)

// Mark is the largest tree a data directory ever signed. It is on disk before
// the signature leaves the machine: a store rolled back behind our back does
// not make us sign a second history.
type Mark struct {
	Size uint64         `json:"size"`
	Root indelible.Hash `json:"root"`
}

func markName(dir string) string { return filepath.Join(dir, "keys", "signed.json") }

func readMark(fsys disk.FS, dir string) (Mark, error) {
	var m Mark
	b, err := disk.ReadFile(fsys, markName(dir), 1<<10)
	if err != nil {
		return m, fmt.Errorf("the record of the largest tree signed cannot be read: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return m, fmt.Errorf("%s: %w", markName(dir), err)
	}
	return m, nil
}

// ReadMark reads the largest tree a data directory signed.
func ReadMark(fsys disk.FS, dir string) (Mark, error) { return readMark(fsys, dir) }

// WriteMark records the largest tree signed; Create and an attached directory
// begin with one.
func WriteMark(fsys disk.FS, dir string, m Mark) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return disk.WriteFile(fsys, markName(dir), append(b, '\n'))
}

// checkMark checks that the published tree continues the largest one signed,
// where that lies within it. Larger marks are checked while replaying.
func (l *Ledger) checkMark(ctx context.Context, s *state, c *Checkpoint, m Mark) error {
	if m.Size == 0 || c == nil || m.Size > c.Size {
		return nil
	}
	root, err := tlog.TreeHash(int64(m.Size), treeReader(ctx, l.cfg.Store, c))
	if err != nil {
		return fmt.Errorf("compare with the largest tree signed: %w", err)
	}
	if indelible.Hash(root) != m.Root {
		return tampered(checkpointName, "its tree of size %d does not continue the tree of size %d this directory signed", c.Size, m.Size)
	}
	return nil
}

func publicKey(key ed25519.PrivateKey) (p indelible.PublicKey) {
	copy(p[:], key.Public().(ed25519.PublicKey))
	return p
}
