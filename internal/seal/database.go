package seal

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite" // the driver "sqlite", in Go

	"indelible"
	"indelible/internal/disk"
)

// schema of the key store. A destroyed key keeps its row without material.
const schema = `
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE tenants (
	no INTEGER PRIMARY KEY, ref BLOB NOT NULL, id BLOB NOT NULL UNIQUE, wrapped BLOB, created INTEGER NOT NULL, destroyed INTEGER, fence INTEGER
);
CREATE UNIQUE INDEX live_tenants ON tenants (ref) WHERE wrapped IS NOT NULL;
CREATE TABLE keys (
	no INTEGER PRIMARY KEY, id BLOB NOT NULL, tenant INTEGER NOT NULL, kind INTEGER NOT NULL, period INTEGER NOT NULL, class TEXT NOT NULL,
	subject BLOB NOT NULL, wrapped BLOB, created INTEGER NOT NULL, destroyed INTEGER, fence INTEGER
);
CREATE UNIQUE INDEX live_keys ON keys (tenant, kind, period, class, subject) WHERE wrapped IS NOT NULL;
CREATE TABLE erased (tenant INTEGER NOT NULL, subject BLOB NOT NULL, at INTEGER NOT NULL, later INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (tenant, subject)) WITHOUT ROWID;
CREATE TABLE fenced (id BLOB PRIMARY KEY, at INTEGER NOT NULL, fence INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE erased_refs (tenant BLOB NOT NULL, subject BLOB NOT NULL, PRIMARY KEY (tenant, subject)) WITHOUT ROWID;
`

// schemaVersion is SQLite's user_version of this schema.
const schemaVersion = 1

// Create makes an empty key store. One that is there is never replaced.
func Create(ctx context.Context, path, origin string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", dataSource(path, ""))
	if err != nil {
		return err
	}
	var numbering [16]byte
	rand.Read(numbering[:])
	_, err = db.ExecContext(ctx, `BEGIN;`+schema+fmt.Sprintf(`PRAGMA user_version = %d;`, schemaVersion)+
		`INSERT INTO meta VALUES ('origin', ?), ('fenced_to', 0), ('numbering', ?), ('next_no', 1); COMMIT`, origin, numbering[:])
	if err = errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("make the key store: %w", err)
	}
	return syncDir(filepath.Dir(path))
}

// Used reports whether a key store has held a key.
func Used(ctx context.Context, path string) (bool, error) {
	db, err := openDB(ctx, path, true)
	if err != nil {
		return false, err
	}
	var n int
	err = db.QueryRowContext(ctx, `SELECT count(*) FROM tenants`).Scan(&n)
	return n > 0, errors.Join(err, db.Close())
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// dataSource names the file with what must hold on every connection: what is
// committed is on the disk, and what is deleted is overwritten.
func dataSource(path, more string) string {
	return "file:" + (&url.URL{Path: path}).EscapedPath() +
		"?_pragma=busy_timeout(10000)&_pragma=secure_delete(1)&_pragma=synchronous(FULL)" + more
}

func openDB(ctx context.Context, path string, readOnly bool) (*sql.DB, error) {
	if err := disk.CheckPrivate(path); err != nil {
		return nil, err
	}
	if !readOnly {
		return checkDB(ctx, dataSource(path, "&_pragma=journal_mode(WAL)&_txlock=immediate"))
	}
	db, err := checkDB(ctx, dataSource(path, "&mode=ro"))
	if err == nil {
		return db, nil
	}
	// In a directory nobody may write to, SQLite has no place for its index of
	// the write-ahead log. Where there is no such log it needs none.
	if wal, werr := os.Stat(path + "-wal"); errors.Is(werr, fs.ErrNotExist) || werr == nil && wal.Size() == 0 {
		if db, ierr := checkDB(ctx, dataSource(path, "&mode=ro&immutable=1")); ierr == nil {
			return db, nil
		}
	}
	return nil, err
}

func checkDB(ctx context.Context, source string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", source)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(4)
	var version int
	if err := db.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	switch {
	case version > schemaVersion:
		err = fmt.Errorf("version %d: %w", version, indelible.ErrNewerFormat)
	case version != schemaVersion:
		err = errors.New("not a key store")
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}
