package datadir

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"indelible"
	"indelible/internal/disk"
	"indelible/internal/ledger"
	"indelible/internal/store"
)

// Defaults of init.
const (
	DefaultPrefix    = "audit-logs"
	DefaultRetention = Duration(400 * 24 * time.Hour)
)

// Directory is an opened data directory.
type Directory struct {
	Path   string
	Config *Config
	Store  store.Store
}

// Open opens the data directory of an existing ledger for reading. No lock is taken.
func Open(ctx context.Context, path string, env Env) (*Directory, error) {
	c, err := LoadConfig(path)
	if err != nil {
		return nil, err
	}
	if err := c.checkEnv(env); err != nil {
		return nil, err
	}
	if err := c.checkStoreThere(path); err != nil {
		return nil, err
	}
	st, err := OpenStore(ctx, path, &c.Store, env)
	if err != nil {
		return nil, err
	}
	return &Directory{Path: path, Config: c, Store: st}, nil
}

// ErrStoreGone: the directory that holds the log is not there. That may be a
// disk that is not mounted as well as a log that was taken away.
var ErrStoreGone = errors.New("the store of this ledger is not there")

func (c *Config) checkStoreThere(path string) error {
	if c.Store.S3 != nil {
		return nil
	}
	root := filepath.Join(path, storeDir, filepath.FromSlash(c.Store.Prefix))
	if _, err := os.Stat(root); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s", ErrStoreGone, root)
	}
	return nil
}

// JournalPath is where the journal lies.
func (d *Directory) JournalPath() string { return filepath.Join(d.Path, "journal") }

// VerifierKey reads log.vkey: one line, the public key of the log.
func (d *Directory) VerifierKey() (string, error) {
	return ReadVerifierKey(filepath.Join(d.Path, vkeyName))
}

// ReadVerifierKey reads a file of one verifier key.
func ReadVerifierKey(name string) (string, error) {
	b, err := disk.ReadFile(disk.OS, name, 4<<10)
	if err != nil {
		return "", err
	}
	vkey := strings.TrimSpace(string(b))
	if _, _, err := indelible.ParseVerifierKey(vkey); err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return vkey, nil
}

// LedgerConfig is the ledger's configuration with the keys of the directory,
// without a sealer.
func (d *Directory) LedgerConfig() (ledger.Config, error) {
	k, err := loadKeys(d.Path, d.Config)
	if err != nil {
		return ledger.Config{}, fmt.Errorf("keys: %w", err)
	}
	return d.ledgerConfig(k), nil
}

func (d *Directory) ledgerConfig(k *Keys) ledger.Config {
	c := d.Config
	cfg := ledger.Config{
		Store: d.Store, FS: disk.OS, Dir: d.Path, Origin: c.Origin, LogID: c.LogID,
		LogKeys: k.Log, Writer: ledger.Writer{Key: k.Writer, Endorsed: k.Endorsed}, IDKey: &k.ID,
		CommitEvery: time.Duration(c.Commit.Every), PublishEvery: time.Duration(c.Commit.Publish),
	}
	if c.Store.S3 != nil {
		if cfg.CommitEvery == 0 {
			cfg.CommitEvery = time.Second
		}
		if cfg.PublishEvery == 0 {
			cfg.PublishEvery = 5 * time.Second
		}
	}
	if c.Store.Lock != "none" {
		cfg.Retention = time.Duration(c.Store.Retention)
	}
	return cfg
}

// InitOptions are the choices made once.
type InitOptions struct {
	Origin string // empty: indelible.invalid/<random>
	Store  StoreConfig
	Keys   *KeysConfig // nil: records are not encrypted
	// Operator makes the key of the first operator, once there is a directory
	// for keys; nil: none.
	Operator func() (indelible.PublicKey, error)
}

// ErrExists: there is a ledger already.
var ErrExists = errors.New("there is a ledger here already")

// Init makes a new ledger: keys, configuration and a genesis in its store.
// Until the last step, which is the configuration, the directory holds no
// ledger; a crash leaves nothing that a second init would trip over but keys
// of a log that never was.
func Init(ctx context.Context, path string, opt InitOptions, env Env) (*Directory, error) {
	if _, err := os.Stat(filepath.Join(path, configName)); err == nil {
		return nil, fmt.Errorf("%w: %s", ErrExists, path)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	c := &Config{Version: 1, Origin: opt.Origin, LogID: newID(), Directory: newID(), Store: opt.Store, Keys: opt.Keys}
	if c.Origin == "" {
		c.Origin = "indelible.invalid/" + hex.EncodeToString(c.LogID[:8])
	}
	if err := checkOrigin(c.Origin); err != nil {
		return nil, err
	}
	if err := c.makeDirs(path); err != nil {
		return nil, err
	}
	st, err := OpenStore(ctx, path, &c.Store, env)
	if err != nil {
		return nil, err
	}
	if err := ledger.CheckEmpty(ctx, st); err != nil {
		return nil, err
	}
	k, err := newKeys(c)
	if err != nil {
		return nil, err
	}
	d := &Directory{Path: path, Config: c, Store: st}
	if err := d.save(k, ledger.Mark{}); err != nil {
		return nil, err
	}
	if err := d.makeKeys(ctx, env); err != nil {
		return nil, err
	}
	cfg := d.ledgerConfig(k)
	if opt.Operator != nil {
		operator, err := opt.Operator()
		if err != nil {
			return nil, err
		}
		cfg.Operator = &operator
	}
	if err := ledger.Create(ctx, cfg); err != nil {
		return nil, err
	}
	return d, d.saveConfig()
}

func (c *Config) makeDirs(path string) error {
	names := []string{"", "journal", "keys"}
	if c.Store.S3 == nil {
		names = append(names, filepath.Join(storeDir, filepath.FromSlash(c.Store.Prefix)))
	}
	for _, name := range names {
		if err := disk.OS.MkdirAll(filepath.Join(path, name)); err != nil {
			return err
		}
	}
	return nil
}

// save writes keys, verifier key and mark.
func (d *Directory) save(k *Keys, m ledger.Mark) error {
	if err := k.save(d.Path); err != nil {
		return err
	}
	if err := ledger.WriteMark(disk.OS, d.Path, m); err != nil {
		return err
	}
	return d.saveVerifierKey(publicKey(k.Log[0]))
}

func (d *Directory) saveConfig() error {
	b, err := d.Config.marshal()
	if err != nil {
		return err
	}
	return disk.WriteFile(disk.OS, filepath.Join(d.Path, configName), b)
}

func checkOrigin(origin string) error {
	_, err := note.NewEd25519VerifierKey(origin, make([]byte, 32))
	if err != nil || strings.Contains(origin, "://") || strings.ContainsAny(origin, "+ \t\n") {
		return &UsageError{fmt.Sprintf("origin %q is not a name a log can have", origin), "use a URL without its scheme, such as logs.example.com/audit"}
	}
	return nil
}

func newID() (id indelible.ID) {
	rand.Read(id[:])
	return id
}
