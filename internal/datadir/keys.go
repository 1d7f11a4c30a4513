package datadir

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"indelible"
	"indelible/internal/disk"
)

// Keys are the secrets of a data directory. The log key and the id-key belong
// to the log and are backed up; the writer key belongs to the directory.
type Keys struct {
	Log      []ed25519.PrivateKey // the current one first, then the one before, then the next, where there is one
	ID       [32]byte
	Writer   ed25519.PrivateKey
	Endorsed indelible.Writer
}

// keyFile is the JSON form of a key on disk, format version first.
type keyFile struct {
	Version int       `json:"version"`
	Kind    string    `json:"kind"`
	Key     []byte    `json:"key"` // base64
	Created time.Time `json:"created,omitzero"`
	// Until is when a log key that was rotated away signs no more; Overlap is
	// how long the one before will sign beside a key that comes next.
	Until   time.Time `json:"until,omitzero"`
	Overlap Duration  `json:"overlap,omitzero"`
	// Endorsement is the log key's word for a writer key.
	Endorsement *indelible.Writer `json:"endorsement,omitempty"`
}

const (
	logKeyName      = "log.key"
	previousKeyName = "log-previous.key"
	nextKeyName     = "log-next.key"
	idKeyName       = "id.key"
	writerKeyName   = "writer.key"
)

func keyPath(dir, name string) string { return filepath.Join(dir, "keys", name) }

// HasWriter reports whether this directory is one that writes its log. One that
// was copied without its writer key only reads.
func HasWriter(dir string) bool {
	_, err := os.Stat(keyPath(dir, writerKeyName))
	return !errors.Is(err, fs.ErrNotExist)
}

func writeKey(dir, name string, f keyFile) error {
	f.Version = 1
	if f.Created.IsZero() {
		f.Created = time.Now().UTC().Truncate(time.Second)
	}
	b, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	return disk.WriteFile(disk.OS, keyPath(dir, name), append(b, '\n'))
}

func readKey(dir, name, kind string, size int) (keyFile, error) {
	path := keyPath(dir, name)
	var f keyFile
	if err := disk.CheckPrivate(path); err != nil {
		return f, err
	}
	b, err := disk.ReadFile(disk.OS, path, 1<<16)
	if err != nil {
		return f, err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return f, fmt.Errorf("%s is not a key file of this program", path)
	}
	if f.Version > 1 {
		return f, fmt.Errorf("%s: version %d: %w", path, f.Version, indelible.ErrNewerFormat)
	}
	if f.Version != 1 || f.Kind != kind || len(f.Key) != size {
		return f, fmt.Errorf("%s is not a %s", path, kind)
	}
	return f, nil
}

// newKeys draws all keys of a new log and its first directory.
func newKeys(c *Config) (*Keys, error) {
	k := &Keys{}
	rand.Read(k.ID[:])
	_, logKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	k.Log = []ed25519.PrivateKey{logKey}
	return k, k.drawWriter(c, 1)
}

// drawWriter draws the directory's own writer key.
func (k *Keys) drawWriter(c *Config, epoch uint64) error {
	_, writer, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	k.Writer = writer
	k.Endorsed = indelible.Endorse(k.Log[0], c.Origin, c.LogID, c.Directory, publicKey(writer), epoch)
	return nil
}

func (k *Keys) save(dir string) error {
	if err := writeKey(dir, logKeyName, keyFile{Kind: "log key", Key: k.Log[0].Seed()}); err != nil {
		return err
	}
	if err := writeKey(dir, idKeyName, keyFile{Kind: "id key", Key: k.ID[:]}); err != nil {
		return err
	}
	return k.saveWriter(dir)
}

func (k *Keys) saveWriter(dir string) error {
	return writeKey(dir, writerKeyName, keyFile{Kind: "writer key", Key: k.Writer.Seed(), Endorsement: &k.Endorsed})
}

func loadKeys(dir string, c *Config) (*Keys, error) {
	k := &Keys{}
	for _, name := range []string{logKeyName, previousKeyName, nextKeyName} {
		f, err := readKey(dir, name, "log key", ed25519.SeedSize)
		if os.IsNotExist(err) && name != logKeyName {
			continue
		}
		if err != nil {
			return nil, err
		}
		if !f.Until.IsZero() && !time.Now().Before(f.Until) {
			continue
		}
		k.Log = append(k.Log, ed25519.NewKeyFromSeed(f.Key))
	}
	f, err := readKey(dir, idKeyName, "id key", len(k.ID))
	if err != nil {
		return nil, err
	}
	copy(k.ID[:], f.Key)
	if f, err = readKey(dir, writerKeyName, "writer key", ed25519.SeedSize); err != nil {
		return nil, err
	}
	k.Writer = ed25519.NewKeyFromSeed(f.Key)
	if f.Endorsement == nil || f.Endorsement.Key != publicKey(k.Writer) || f.Endorsement.Directory != c.Directory {
		return nil, fmt.Errorf("%s is not the writer key of this directory", keyPath(dir, writerKeyName))
	}
	k.Endorsed = *f.Endorsement
	return k, nil
}

// LoadIDKey reads the ledger id-key alone: enough to check references.
func LoadIDKey(dir string) (*[32]byte, error) {
	f, err := readKey(dir, idKeyName, "id key", 32)
	if err != nil {
		return nil, err
	}
	return (*[32]byte)(f.Key), nil
}

func publicKey(key ed25519.PrivateKey) (p indelible.PublicKey) {
	copy(p[:], key.Public().(ed25519.PublicKey))
	return p
}
