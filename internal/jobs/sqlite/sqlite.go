// Package sqlite opens the jobs database of a data directory.
package sqlite

import (
	"database/sql"
	"fmt"
	"net/url"
	"time"

	_ "modernc.org/sqlite" // the driver
)

// LockWait is how long a process waits for a lock that another one holds.
const LockWait = 15 * time.Second

// Open opens a database file, and makes it if it is not there. Other processes
// may have it open: they wait for each other.
func Open(name string) (*sql.DB, error) {
	// Transactions take the lock when they begin: one that only reads at first
	// could not get it later.
	q := url.Values{"_txlock": {"immediate"}, "_pragma": {fmt.Sprintf("busy_timeout(%d)", LockWait.Milliseconds()), "journal_mode(wal)", "synchronous(full)"}}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Opaque: url.PathEscape(name), RawQuery: q.Encode()}).String())
	if err != nil {
		return nil, fmt.Errorf("jobs database: %w", err)
	}
	db.SetMaxOpenConns(1) // River asks for it
	return db, nil
}
