package datadir

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/goccy/go-yaml"

	"indelible"
	"indelible/internal/disk"
	"indelible/internal/ledger"
)

// Backup is what a log needs to go on elsewhere: its keys, but no writer key,
// since every directory draws its own, and no credentials.
type Backup struct {
	Format  string       `json:"format"`
	Created time.Time    `json:"created"`
	Expires time.Time    `json:"expires"`
	Origin  string       `json:"origin"`
	LogID   indelible.ID `json:"log_id"`
	LogKeys []backedKey  `json:"log_keys"` // the current one first
	IDKey   []byte       `json:"id_key"`
	Signed  ledger.Mark  `json:"signed"` // the largest tree signed so far
	Store   string       `json:"store"`  // as in indelible.yaml

	// Of a ledger whose records are encrypted:
	Keys     string `json:"keys,omitempty"`      // as in indelible.yaml
	RootKey  []byte `json:"root_key,omitempty"`  // the root key's file, where it is one
	KeyStore []byte `json:"key_store,omitempty"` // the key store, a SQLite file
}

// backedKey is a log key in a backup.
type backedKey struct {
	Key     []byte    `json:"key"`
	Created time.Time `json:"created,omitzero"`
	Until   time.Time `json:"until,omitzero"`
}

const backupFormat = "indelible/backup/v1"

// Errors of backups.
var (
	ErrRotating = errors.New("a rotation of the log key has begun and is not finished")
	ErrExpired  = errors.New("the backup has expired")
	ErrOtherKey = errors.New("there is another key already")
)

// Backup gathers what is to be encrypted.
func (d *Directory) Backup(ctx context.Context, life Duration) (*Backup, error) {
	if _, pending, err := d.PendingLogKey(); err != nil {
		return nil, err
	} else if pending {
		return nil, ErrRotating
	}
	now := time.Now().UTC().Truncate(time.Millisecond) // keys made later are not in it
	b := &Backup{Format: backupFormat, Created: now, Expires: now.Add(time.Duration(life)), Origin: d.Config.Origin, LogID: d.Config.LogID}
	for _, name := range []string{logKeyName, previousKeyName} {
		f, err := readKey(d.Path, name, "log key", ed25519.SeedSize)
		if os.IsNotExist(err) && name == previousKeyName {
			continue
		}
		if err != nil {
			return nil, err
		}
		b.LogKeys = append(b.LogKeys, backedKey{f.Key, f.Created, f.Until})
	}
	id, err := LoadIDKey(d.Path)
	if err != nil {
		return nil, err
	}
	b.IDKey = id[:]
	if b.Signed, err = ledger.ReadMark(disk.OS, d.Path); err != nil {
		return nil, err
	}
	store, err := yaml.Marshal(d.Config.Store)
	if err != nil {
		return nil, err
	}
	b.Store = string(store)
	return b, d.backUpKeyStore(ctx, b)
}

// ParseBackup reads a decrypted backup.
func ParseBackup(text []byte) (*Backup, error) {
	var b Backup
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&b); err != nil {
		return nil, errors.New("not a backup of this program") // the cause may hold a secret
	}
	if b.Format != backupFormat {
		return nil, fmt.Errorf("backup of format %q: %w", b.Format, indelible.ErrNewerFormat)
	}
	if len(b.LogKeys) == 0 || len(b.LogKeys) > 2 || len(b.IDKey) != 32 || checkOrigin(b.Origin) != nil {
		return nil, errors.New("the backup is not complete")
	}
	if (b.Keys == "") != (len(b.KeyStore) == 0) {
		return nil, errors.New("the backup is not complete")
	}
	for _, k := range b.LogKeys {
		if len(k.Key) != ed25519.SeedSize {
			return nil, errors.New("the backup is not complete")
		}
	}
	return &b, nil
}

// Check refuses a backup whose life has ended.
func (b *Backup) Check(expiredOK bool) error {
	if !expiredOK && time.Now().After(b.Expires) {
		return fmt.Errorf("%w on %s", ErrExpired, b.Expires.Format(time.DateOnly))
	}
	return nil
}

// StoreConfig is where the log lay when the backup was made.
func (b *Backup) StoreConfig() (c StoreConfig, err error) {
	if err := yaml.UnmarshalWithOptions([]byte(b.Store), &c, yaml.Strict()); err != nil {
		return c, errors.New("the store's configuration in the backup cannot be read")
	}
	return c, checkLock(c.Lock)
}

// logKeys are the keys that may still sign.
func (b *Backup) logKeys() (keys []ed25519.PrivateKey) {
	for i, k := range b.LogKeys {
		if i == 0 || time.Now().Before(k.Until) {
			keys = append(keys, ed25519.NewKeyFromSeed(k.Key))
		}
	}
	return keys
}

// saveKeys writes the keys that are missing. One that is there must be the same.
func (b *Backup) saveKeys(dir string) (written []string, err error) {
	save := func(name string, f keyFile) error {
		there, err := readKey(dir, name, f.Kind, len(f.Key))
		switch {
		case err == nil && bytes.Equal(there.Key, f.Key):
			return nil
		case err == nil:
			return fmt.Errorf("%w: %s", ErrOtherKey, keyPath(dir, name))
		case !errors.Is(err, fs.ErrNotExist):
			return err
		}
		written = append(written, filepath.Join("keys", name))
		return writeKey(dir, name, f)
	}
	for i, k := range b.LogKeys {
		name := []string{logKeyName, previousKeyName}[i]
		if i > 0 && time.Now().After(k.Until) {
			continue
		}
		if err := save(name, keyFile{Kind: "log key", Key: k.Key, Created: k.Created, Until: k.Until}); err != nil {
			return written, err
		}
	}
	if err := save(idKeyName, keyFile{Kind: "id key", Key: b.IDKey}); err != nil {
		return written, err
	}
	more, err := b.saveKeyStore(dir)
	return append(written, more...), err
}

// saveMark keeps the larger of the backup's mark and the directory's.
func (b *Backup) saveMark(dir string) (written bool, err error) {
	there, err := ledger.ReadMark(disk.OS, dir)
	if err == nil && there.Size >= b.Signed.Size {
		return false, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	return true, ledger.WriteMark(disk.OS, dir, b.Signed)
}

// Restore brings back what a data directory has lost of its keys. A writer key
// that is gone is drawn anew, for the epoch after the log's highest, and needs
// the store for that. It returns the files it wrote. The caller holds the lock.
func (d *Directory) Restore(ctx context.Context, b *Backup) (written []string, err error) {
	if b.LogID != d.Config.LogID || b.Origin != d.Config.Origin {
		return nil, fmt.Errorf("the backup is of the log %q, this directory of %q", b.Origin, d.Config.Origin)
	}
	if written, err = b.saveKeys(d.Path); err != nil {
		return written, err
	}
	if changed, err := b.saveMark(d.Path); err != nil {
		return written, err
	} else if changed {
		written = append(written, "keys/signed.json")
	}
	if err := d.CheckVerifierKey(); errors.Is(err, fs.ErrNotExist) {
		if err := d.saveVerifierKey(publicKey(b.logKeys()[0])); err != nil {
			return written, err
		}
		written = append(written, vkeyName)
	} else if err != nil {
		return written, err
	}
	_, err = readKey(d.Path, writerKeyName, "writer key", ed25519.SeedSize)
	if !errors.Is(err, fs.ErrNotExist) {
		return written, err
	}
	survey, err := d.survey(ctx, b.logKeys(), b.Signed)
	if err != nil {
		return written, fmt.Errorf("draw a new writer key: %w", err)
	}
	k := &Keys{Log: b.logKeys()}
	if err := k.drawWriter(d.Config, survey.Epoch+1); err != nil {
		return written, err
	}
	return append(written, "keys/"+writerKeyName), k.saveWriter(d.Path)
}

func (d *Directory) survey(ctx context.Context, keys []ed25519.PrivateKey, mark ledger.Mark) (ledger.Survey, error) {
	return ledger.TakeSurvey(ctx, ledger.Config{Store: d.Store, Origin: d.Config.Origin, LogID: d.Config.LogID, LogKeys: keys}, mark)
}
