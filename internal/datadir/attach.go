package datadir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"indelible"
	"indelible/internal/disk"
	"indelible/internal/ledger"
)

// Attach makes a data directory on a new machine that can go on with a log
// that exists: the log's keys from a backup, a writer key and an identity of
// its own. The store's checkpoint must continue the trusted one. It does not
// write to the log: the first writer to do so has to take over.
func Attach(ctx context.Context, path, address string, b *Backup, trusted []byte, env Env) (*Directory, error) {
	if _, err := os.Stat(filepath.Join(path, configName)); err == nil {
		return nil, fmt.Errorf("%w: %s", ErrExists, path)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	store, err := b.storeAt(address, env)
	if err != nil {
		return nil, err
	}
	c := &Config{Version: 1, Origin: b.Origin, LogID: b.LogID, Directory: newID(), Store: store}
	if c.Keys, err = b.KeysConfig(); err != nil {
		return nil, err
	}
	if err := c.checkEnv(env); err != nil {
		return nil, err
	}
	mark, err := b.markOf(trusted)
	if err != nil {
		return nil, err
	}
	st, err := OpenStore(ctx, path, &c.Store, env)
	if err != nil {
		return nil, err
	}
	d := &Directory{Path: path, Config: c, Store: st}
	// Both what is trusted and what the backup says was signed must be continued.
	survey, err := d.survey(ctx, b.logKeys(), mark)
	if err == nil && b.Signed.Size > mark.Size {
		mark = b.Signed
		survey, err = d.survey(ctx, b.logKeys(), mark)
	}
	if err != nil {
		return nil, err
	}
	if survey.Published == 0 {
		return nil, fmt.Errorf("%s holds no published log", c.Store.describe())
	}
	k := &Keys{Log: b.logKeys(), ID: [32]byte(b.IDKey)}
	if err := k.drawWriter(c, survey.Epoch+1); err != nil {
		return nil, err
	}
	if err := c.makeDirs(path); err != nil {
		return nil, err
	}
	if _, err := b.saveKeys(path); err != nil {
		return nil, err
	}
	if err := k.saveWriter(path); err != nil {
		return nil, err
	}
	if err := ledger.WriteMark(disk.OS, path, mark); err != nil {
		return nil, err
	}
	if err := d.saveVerifierKey(publicKey(k.Log[0])); err != nil {
		return nil, err
	}
	return d, d.saveConfig()
}

// storeAt is the backup's store configuration for s3://bucket/prefix.
func (b *Backup) storeAt(address string, env Env) (StoreConfig, error) {
	rest, isS3 := strings.CutPrefix(address, "s3://")
	bucket, prefix, _ := strings.Cut(rest, "/")
	if !isS3 || bucket == "" {
		return StoreConfig{}, &UsageError{fmt.Sprintf("--attach %q is not s3://bucket/prefix", address), "a log in a directory moves by copying its data directory"}
	}
	c, err := b.StoreConfig()
	if err != nil {
		return c, err
	}
	if c.S3 == nil {
		c.S3, c.Lock = &S3{}, "none"
	}
	c.S3.Bucket, c.Prefix = bucket, strings.Trim(prefix, "/")
	if c.Prefix == "" {
		c.Prefix = DefaultPrefix
	}
	if e := env("S3_ENDPOINT"); e != "" {
		c.S3.Endpoint = e
	}
	if r := env("S3_REGION"); r != "" {
		c.S3.Region = r
	}
	return c, nil
}

// markOf opens the trusted checkpoint with any key of the backup.
func (b *Backup) markOf(trusted []byte) (ledger.Mark, error) {
	var first error
	for _, key := range b.logKeys() {
		vkey, err := indelible.FormatVerifierKey(b.Origin, publicKey(key))
		if err != nil {
			return ledger.Mark{}, err
		}
		c, err := ledger.OpenCheckpoint(trusted, vkey)
		if err == nil {
			return ledger.Mark{Size: c.Size, Root: c.Root}, nil
		}
		if first == nil {
			first = err
		}
	}
	return ledger.Mark{}, fmt.Errorf("the trusted checkpoint: %w", first)
}
