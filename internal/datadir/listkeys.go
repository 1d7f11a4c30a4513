package datadir

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// KeyInfo describes a key without a byte of it.
type KeyInfo struct {
	Kind    string    `json:"kind"`
	ID      string    `json:"id"` // of a public key its first 8 bytes, of the id key 8 bytes of a hash
	File    string    `json:"file"`
	Created time.Time `json:"created"`
	Until   time.Time `json:"until,omitzero"` // when it signs no more
	Note    string    `json:"note,omitempty"`

	// Of keys that records are sealed with, those of a kind, tenant, class and
	// month together:
	Tenant    string `json:"tenant_ref,omitempty"`
	Class     string `json:"class,omitempty"`  // retention class, or purpose
	Period    uint32 `json:"period,omitempty"` // month of sealing, as 202611, or a purpose key's generation
	Live      int    `json:"live,omitempty"`
	Destroyed int    `json:"destroyed,omitempty"`
}

// Kinds of keys that can be rotated: KeyInfo.Kind.
const (
	LogKey  = "log key"
	RootKey = "root key"
)

// ListKeys describes the keys of a data directory.
func ListKeys(dir string) ([]KeyInfo, error) {
	var infos []KeyInfo
	for _, k := range []struct{ name, kind, note string }{
		{logKeyName, LogKey, "signs checkpoints"},
		{previousKeyName, LogKey, "rotated away, signs beside the current one"},
		{nextKeyName, LogKey, "comes next: the rotation is not finished"},
		{idKeyName, "id key", "makes references out of ids"},
		{writerKeyName, "writer key", "signs segments and receipts of this directory"},
	} {
		f, err := readKey(dir, k.name, k.kind, 32)
		if errors.Is(err, fs.ErrNotExist) && (k.name == previousKeyName || k.name == nextKeyName) {
			continue
		}
		if err != nil {
			return infos, err
		}
		info := KeyInfo{Kind: k.kind, File: filepath.ToSlash(filepath.Join("keys", k.name)), Created: f.Created, Until: f.Until, Note: k.note}
		if k.kind == "id key" {
			sum := sha256.Sum256(append([]byte("indelible id of a key\x00"), f.Key...))
			info.ID = hex.EncodeToString(sum[:8])
		} else {
			public := publicKey(ed25519.NewKeyFromSeed(f.Key))
			info.ID = hex.EncodeToString(public[:8])
		}
		if info.Created.IsZero() { // of a version that did not note it
			if stat, err := os.Stat(keyPath(dir, k.name)); err == nil {
				info.Created = stat.ModTime().UTC()
			}
		}
		infos = append(infos, info)
	}
	return infos, nil
}
