package datadir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/goccy/go-yaml"

	"indelible/internal/disk"
	"indelible/internal/seal"
)

const keyStoreName = "keys.db"

// KeyStorePath is where the keys lie that records are sealed with.
func (d *Directory) KeyStorePath() string { return keyPath(d.Path, keyStoreName) }

// Encrypted reports whether what is recorded is sealed.
func (d *Directory) Encrypted() bool { return d.Config.Keys != nil }

// OpenKeys opens the key store under its root key.
func (d *Directory) OpenKeys(ctx context.Context, readOnly bool, env Env) (*seal.Keys, error) {
	root, err := OpenRootKey(ctx, d.Path, d.Config.Keys, env)
	if err != nil {
		return nil, fmt.Errorf("root key: %w", err)
	}
	k, err := seal.Open(ctx, d.KeyStorePath(), seal.Options{Origin: d.Config.Origin, Root: root, ReadOnly: readOnly})
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: %s", ErrNoKeyStore, d.KeyStorePath())
	}
	return k, err
}

// ErrNoKeyStore: the keys that records were sealed with are not there.
var ErrNoKeyStore = errors.New("the key store of this ledger is not there")

// makeKeys draws the root key and an empty key store for a new ledger. What an
// earlier init that was cut short left of them is used or made anew.
func (d *Directory) makeKeys(ctx context.Context, env Env) error {
	if d.Config.Keys == nil {
		return nil
	}
	if _, err := CreateRootKey(ctx, d.Path, d.Config.Keys, env); errors.Is(err, fs.ErrExist) {
		if _, err := OpenRootKey(ctx, d.Path, d.Config.Keys, env); err != nil {
			return fmt.Errorf("root key: %w", err)
		}
	} else if err != nil {
		return fmt.Errorf("root key: %w", err)
	}
	err := seal.Create(ctx, d.KeyStorePath(), d.Config.Origin)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	if used, err := seal.Used(ctx, d.KeyStorePath()); err != nil || used {
		return fmt.Errorf("%s holds keys of another ledger; move it away: %w", d.KeyStorePath(), errors.Join(fs.ErrExist, err))
	}
	if err := os.Remove(d.KeyStorePath()); err != nil {
		return err
	}
	return seal.Create(ctx, d.KeyStorePath(), d.Config.Origin)
}

// maxRootKey bounds the root key's file.
const maxRootKey = 1 << 20

// backUpKeyStore adds the keys that records are sealed with to a backup.
func (d *Directory) backUpKeyStore(ctx context.Context, b *Backup) error {
	if d.Config.Keys == nil {
		return nil
	}
	text, err := yaml.Marshal(d.Config.Keys)
	if err != nil {
		return err
	}
	b.Keys = string(text)
	if d.Config.Keys.Root == "file" {
		if b.RootKey, err = disk.ReadFile(disk.OS, keyPath(d.Path, rootKeyName), maxRootKey); err != nil {
			return fmt.Errorf("root key: %w", err)
		}
	}
	b.KeyStore, err = seal.Snapshot(ctx, d.KeyStorePath())
	return err
}

// KeysConfig is where the root key was when the backup was made; nil where
// records were not encrypted.
func (b *Backup) KeysConfig() (*KeysConfig, error) {
	if b.Keys == "" {
		return nil, nil
	}
	var c KeysConfig
	if err := yaml.UnmarshalWithOptions([]byte(b.Keys), &c, yaml.Strict()); err != nil {
		return nil, errors.New("the keys' configuration in the backup cannot be read")
	}
	return &c, c.check()
}

// saveKeyStore writes root key and key store where they are missing. What is
// there stays: it may hold keys that were made since, and not those that were
// destroyed.
func (b *Backup) saveKeyStore(dir string) (written []string, err error) {
	for _, f := range []struct {
		name string
		data []byte
	}{{rootKeyName, b.RootKey}, {keyStoreName, b.KeyStore}} {
		if len(f.data) == 0 {
			continue
		}
		err := disk.CreateFile(disk.OS, keyPath(dir, f.name), f.data)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return written, err
		}
		written = append(written, filepath.Join("keys", f.name))
	}
	return written, nil
}

// KeysSince counts the keys that records are sealed with, and those of them that
// were made after a time.
func (d *Directory) KeysSince(ctx context.Context, at time.Time, env Env) (since, all int, err error) {
	if d.Config.Keys == nil {
		return 0, 0, nil
	}
	keys, err := d.OpenKeys(ctx, true, env)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, keys.Close()) }()
	return keys.MadeSince(ctx, at)
}

// ListSealingKeys describes the keys that records are sealed with.
func (d *Directory) ListSealingKeys(ctx context.Context, env Env) (infos []KeyInfo, err error) {
	if d.Config.Keys == nil {
		return nil, nil
	}
	keys, err := d.OpenKeys(ctx, true, env)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, keys.Close()) }()
	about, err := keys.Describe(ctx)
	root := d.rootInfo(about)
	if err != nil {
		root.Note = "cannot be asked: " + err.Error()
	}
	infos = append(infos, root)
	list, err := keys.List(ctx)
	for _, l := range list {
		k := KeyInfo{
			Kind: l.Kind, File: "keys/" + keyStoreName, Created: l.Created,
			Tenant: l.Tenant.String(), Class: l.Class, Period: l.Period, Live: l.Live, Destroyed: l.Gone,
		}
		if l.Kind == "tenant key" {
			k.ID = l.ID.String()
		}
		infos = append(infos, k)
	}
	return infos, err
}

// DescribeRoot describes the key that wraps the tenants' keys; nil where records
// are not encrypted.
func (d *Directory) DescribeRoot(ctx context.Context, env Env) (_ *KeyInfo, err error) {
	if d.Config.Keys == nil {
		return nil, nil
	}
	keys, err := d.OpenKeys(ctx, true, env)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, keys.Close()) }()
	about, err := keys.Describe(ctx)
	if err != nil {
		return nil, err
	}
	root := d.rootInfo(about)
	return &root, nil
}

func (d *Directory) rootInfo(about seal.Description) KeyInfo {
	root := KeyInfo{Kind: RootKey, ID: about.Key, Created: about.Created, Note: fmt.Sprintf("%s, version %d, wraps the tenants' keys", about.Driver, about.Version)}
	if d.Config.Keys.Root == "file" {
		root.File = "keys/" + rootKeyName
	}
	if about.Destroyed {
		root.Note = "destroyed: nobody can read a record"
	}
	return root
}
