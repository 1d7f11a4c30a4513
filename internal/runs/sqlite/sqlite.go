// Package sqlite reads workflow runs from a SQLite file, and prepares its table
// for that.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"modernc.org/sqlite"

	"indelible/internal/runs"
)

// TableName is what the table is called.
const TableName = "workflow_runs"

// Source is a SQLite file that holds workflow_runs.
type Source struct{ file string }

// New names a file. It must be there already: nothing is made by reading.
func New(file string) (*Source, error) {
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, runs.Failf(runs.Usage, "check the name; `indelible sample runs --sqlite FILE` makes one to try things out", "there is no file %s", file)
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, runs.Failf(runs.Usage, "name the database file in it", "%s is a directory", file)
	}
	return &Source{file}, nil
}

// Close has nothing to give up: connections belong to snapshots.
func (s *Source) Close() error { return nil }

// open opens the file: mode ro, rw or rwc.
func (s *Source) open(mode string) (*sql.DB, error) {
	path, err := filepath.Abs(s.file)
	if err != nil {
		return nil, err
	}
	q := url.Values{"mode": {mode}, "_pragma": {
		"busy_timeout(10000)",
		"trusted_schema(0)", // what the file's schema calls must not act on this machine
		"cell_size_check(1)",
	}}
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: q.Encode()}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

// Result codes, sqlite3.h.
const (
	codeBusy    = 5
	codeLocked  = 6
	codeRead    = 10
	codeCorrupt = 11
	codeFull    = 13
	codeCant    = 14
	codeTooBig  = 18
	codeNotADB  = 26
	codeRO      = 8
)

// explain makes what went wrong an error a user can act on.
func (s *Source) explain(ctx context.Context, err error) error {
	var known *runs.Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	out := &runs.Error{Code: runs.Lost, What: "read from SQLite: " + err.Error(), Hint: "check the file with `sqlite3 FILE 'PRAGMA integrity_check'`", Cause: err}
	var code *sqlite.Error
	if !errors.As(err, &code) {
		return out
	}
	switch code.Code() & 0xFF {
	case codeBusy, codeLocked:
		out.Code, out.What, out.Hint = runs.Conflict, "the SQLite file is locked by a writer", "wait until it is done, and try again"
	case codeNotADB:
		out.Code, out.What, out.Hint = runs.Usage, fmt.Sprintf("%s is not a SQLite database", s.file), "check the name; an encrypted one must be decrypted first"
	case codeCorrupt:
		out.Code, out.What = runs.Data, "the SQLite file is damaged: "+err.Error()
	case codeCant:
		out.Code, out.What, out.Hint = runs.Unreachable, "the SQLite file cannot be opened", "check that it is there and may be read; in WAL mode its directory must be writable"
	case codeRO:
		out.Code, out.What, out.Hint = runs.Refused, "the SQLite file may only be read", "make it and its directory writable"
	case codeRead, codeFull:
		out.Code, out.Hint = runs.Lost, "check the disk and its room"
	}
	return out
}

// quote makes an SQL name.
func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// text makes an SQL string.
func text(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
