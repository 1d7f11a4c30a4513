// Package sqlite keeps a search index in one SQLite file.
package sqlite

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	_ "modernc.org/sqlite" // the driver "sqlite", in Go

	"indelible/internal/search"
)

// What repeats in events (tenant, type, action, outcome, resource type) is
// their kind; rows carry its number. Users, resources and addresses are numbers
// made of a hash: an index on them is short, and who reads the file does not
// read their names. blocks holds the times of each 1,024 leaves, so that a query
// for a time need not look at others.
const schema = `
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE kinds (
	id INTEGER PRIMARY KEY, tenant_id TEXT NOT NULL, event_type TEXT NOT NULL, action TEXT NOT NULL, outcome TEXT NOT NULL, resource_type TEXT NOT NULL,
	n INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
	UNIQUE (tenant_id, event_type, action, outcome, resource_type)
);
CREATE TABLE events (idx INTEGER PRIMARY KEY, ms INTEGER NOT NULL, kind INTEGER NOT NULL, user_id INTEGER NOT NULL, resource_id INTEGER NOT NULL, source_ip INTEGER NOT NULL);
CREATE INDEX by_kind ON events (kind);
CREATE INDEX by_user_id ON events (user_id) WHERE user_id <> 0;
CREATE INDEX by_resource_id ON events (resource_id) WHERE resource_id <> 0;
CREATE INDEX by_source_ip ON events (source_ip) WHERE source_ip <> 0;
CREATE TABLE blocks (block INTEGER PRIMARY KEY, earliest INTEGER NOT NULL, latest INTEGER NOT NULL);
CREATE VIRTUAL TABLE words USING fts5 (text, content='', contentless_delete=1, detail=none, tokenize="unicode61 remove_diacritics 0 categories 'L* N* M* Co'");
`

// schemaVersion is SQLite's user_version of this schema.
const schemaVersion = 1

// How much each connection keeps in memory: one writes, four read. While much
// is taken in at once, a transaction touches most pages of the indexes by value:
// they are to stay in memory until it ends.
const (
	writeCache  = 32 << 10 // KiB
	filledCache = 160 << 10
	readCache   = 8 << 10
	manyRows    = 8192 // of one transaction
)

// blockLeaves is how many leaves a row of blocks speaks of.
const blockLeaves = 1024

// Index is a search index in a file.
type Index struct {
	db    *sql.DB
	write *sql.DB // one connection

	filling sync.Mutex
	large   bool // the cache of write is filledCache
}

// Open opens the index of a log, named so that it differs from any other, or
// makes an empty one. An index of another log, or of another version of this
// program, is search.ErrOther: Remove it and open again.
func Open(ctx context.Context, path, log string) (*Index, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) // SQLite's other files get the same mode
	if err != nil {
		return nil, err
	}
	f.Close()
	x := &Index{}
	source := "file:" + (&url.URL{Path: path}).EscapedPath() + "?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)" +
		"&_pragma=secure_delete(1)&_pragma=wal_autocheckpoint(16384)&_pragma=temp_store(MEMORY)&_txlock=immediate"
	if x.write, err = sql.Open("sqlite", source+cacheSize(writeCache)); err != nil {
		return nil, err
	}
	x.write.SetMaxOpenConns(1)
	if err = x.prepare(ctx, log); err == nil {
		x.db, err = sql.Open("sqlite", source+cacheSize(readCache)+"&_pragma=query_only(1)")
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("search index %s: %w", path, err), x.write.Close())
	}
	x.db.SetMaxOpenConns(4)
	return x, nil
}

func cacheSize(kib int) string { return fmt.Sprintf("&_pragma=cache_size(-%d)", kib) }

// fill gives the connection that writes a large cache while there is much to
// take in, and takes it back.
func (x *Index) fill(ctx context.Context, much bool) error {
	x.filling.Lock()
	defer x.filling.Unlock()
	if much == x.large {
		return nil
	}
	sql := fmt.Sprintf(`PRAGMA cache_size = -%d; PRAGMA shrink_memory`, writeCache)
	if much {
		sql = fmt.Sprintf(`PRAGMA cache_size = -%d`, filledCache)
	}
	_, err := x.write.ExecContext(ctx, sql)
	if err == nil {
		x.large = much
	}
	return err
}

// prepare makes the tables, or checks that those there are the log's.
func (x *Index) prepare(ctx context.Context, log string) error {
	return x.change(ctx, func(tx *sql.Tx) error {
		var version, tables int
		err := tx.QueryRowContext(ctx, `SELECT user_version, (SELECT count(*) FROM sqlite_schema) FROM pragma_user_version`).Scan(&version, &tables)
		if err != nil {
			return err
		}
		if tables == 0 {
			_, err := tx.ExecContext(ctx, schema+fmt.Sprintf(`PRAGMA user_version = %d; INSERT INTO words (words, rank) VALUES ('secure-delete', 1);`, schemaVersion))
			if err == nil {
				_, err = tx.ExecContext(ctx, `INSERT INTO meta VALUES ('log', ?), ('next', 0)`, log)
			}
			return err
		}
		if version != schemaVersion {
			return fmt.Errorf("%w: it is of version %d, this program writes %d", search.ErrOther, version, schemaVersion)
		}
		var of string
		if err := tx.QueryRowContext(ctx, `SELECT value FROM meta WHERE name = 'log'`).Scan(&of); err != nil {
			return err
		}
		if of != log {
			return fmt.Errorf("%w: it is of %q", search.ErrOther, of)
		}
		return nil
	})
}

// Remove deletes the file of an index, which nobody may have open.
func Remove(path string) error {
	for _, suffix := range []string{"-wal", "-shm", ""} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Close closes the file.
func (x *Index) Close() error { return errors.Join(x.db.Close(), x.write.Close()) }

// change runs f in a transaction that keeps others from writing.
func (x *Index) change(ctx context.Context, f func(tx *sql.Tx) error) error {
	tx, err := x.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := f(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// Next implements search.Index.
func (x *Index) Next(ctx context.Context) (next uint64, err error) {
	return next, x.db.QueryRowContext(ctx, `SELECT value FROM meta WHERE name = 'next'`).Scan(&next)
}

// number stands for a value of a field in a tenant: 0 for none. Two values may
// share one; who finds them compares.
func number(tenantID, field, value string) int64 {
	if value == "" {
		return 0
	}
	b := make([]byte, 0, 256)
	b = append(append(append(append(append(b, tenantID...), 0), field...), 0), value...)
	h := sha256.Sum256(b)
	return int64(binary.BigEndian.Uint64(h[:])) | 1
}
