package runs

import (
	"context"
	"encoding/json"
	"time"
)

// Source is a database that holds workflow runs.
type Source interface {
	// Open takes a snapshot and says what reading it will give. Errors that a
	// user can do something about are of type *Error.
	Open(ctx context.Context, q Query) (Snapshot, error)
	// Close gives up the connections.
	Close() error
}

// Snapshot is a view of the table at one moment: whatever is written meanwhile,
// its rows do not change.
type Snapshot interface {
	// Info says what is read. It does not change.
	Info() Info

	// Scan hands the rows of one shard, 0 ≤ shard < Info.Shards, to fn, one after
	// the other. tenant is one of Query.Tenants, or empty with AllTenants. Shards
	// may be scanned at the same time by several goroutines; at most Query.Jobs
	// of them get on. The same shard of the same data gives the same rows in the
	// same order; all shards one after the other give the order of the table.
	// An error of fn ends the scan and is returned as it is.
	Scan(ctx context.Context, tenant string, shard int, fn func(*Run) error) error

	// Close ends the snapshot.
	Close() error
}

// Query says which rows to read and how.
type Query struct {
	Tenants    []string // each is scanned for itself
	AllTenants bool     // one scan over all of them
	NoRLS      bool     // read as whoever the connection is, without the database's policy

	TimeColumn   string   // what Since and Until go by; empty is created_at
	Since, Until Time     // Since ≤ t < Until
	Statuses     []string // any of them; none is all
	Workflows    []string // any of them; none is all
	Metadata     []Member // all of them
	Limit        Int      // at most so many rows of each tenant's scan; then there is one shard

	Columns []string // what to read; none is every column of Run. Other names are extra columns
	Ordered bool     // by created_at, then id
	Range   *Range   // a link of a chain; nil reads what is there

	Jobs     int           // how many shards are read at the same time; 0 is 1
	MaxRow   int64         // bytes of a row's values; larger ones are refused by id; 0 is DefaultMaxRow
	MaxRate  int           // rows per second, over all shards; 0 is no limit
	Timeout  time.Duration // of one statement; 0 is no limit
	MaxAge   time.Duration // of the snapshot; 0 is DefaultMaxAge
	Terminal []string      // statuses that are final; none is DefaultTerminal

	// Plan is Info.Plan of an attempt that did not end: the same range is read
	// again.
	Plan json.RawMessage
}

// Member is a member of metadata and its value as text.
type Member struct{ Name, Value string }

// Range is a link of a chain of incremental reads.
type Range struct {
	// From is Info.Cursor of the link before. It is opaque to all but the driver.
	// Nil is the beginning: every row is read.
	From json.RawMessage
	// Resync reads every row, although there is a From: after a database was
	// replaced, or its rows were stamped anew.
	Resync bool
	// Column is what a chain goes by where rows have no revision: completed_at
	// when empty.
	Column string
	// Overlap is how far such a chain reads back; 0 is DefaultOverlap.
	Overlap time.Duration
	// IncludeRunning asks for rows that have not ended, too. Without revisions
	// it is refused.
	IncludeRunning bool
}

// What a Query is when it does not say.
const (
	DefaultMaxRow  = 64 << 20
	DefaultMaxAge  = 6 * time.Hour
	DefaultOverlap = 24 * time.Hour
)

// DefaultTerminal are the statuses after which a run does not change.
var DefaultTerminal = []string{"completed", "failed", "cancelled", "skipped", "timeout"}

// Columns are the columns of Run, in the order of an exported row.
var Columns = []string{
	"id", "tenant_id", "workflow_name", "workflow_version", "status", "started_at", "completed_at", "duration_ms",
	"steps_completed", "steps_total", "error_message", "metadata", "created_at",
}

// Info describes a snapshot. Nothing in it names a host, a user or a password.
type Info struct {
	Kind    string   // postgresql or sqlite
	Version string   // of the database
	Time    Time     // of the snapshot, by the clock of the database
	Shards  int      // 1 to 64
	Columns []Column // what is read: the columns of Run that were asked for, then extra ones
	Rows    int64    // an estimate over all tenants; -1 when nobody knows
	Sample  bool     // the rows are made up
	// Isolation says what keeps tenants apart, for people.
	Isolation string

	Revision bool // rows have a Revision
	// Cursor is where the next link of the chain begins; nil outside chains.
	Cursor json.RawMessage
	// Repeats says that rows of the link before may be read again unchanged: the
	// reader drops them by id and content.
	Repeats bool
	// Guarantee is what holds for the chain, or for the one read, for people.
	Guarantee string
	// NullCursor counts the rows that a chain without revisions never sees: what
	// it goes by is NULL in them.
	NullCursor int64

	// Plan makes the same read again, see Query.Plan.
	Plan json.RawMessage
	// Notes are worth a line to the user: how far behind a standby is, who holds
	// rows back.
	Notes []string
}

// Column is a column as the database declares it.
type Column struct {
	Name     string
	Type     string // as the database calls it
	Nullable bool
	Extra    bool // not one of Columns
}

// What holds for what is read, in words for people: Info.Guarantee.
const (
	ExactGuarantee = "every revision committed and still current at a run's snapshot appears in exactly one successful run of this chain; an id may appear again with a higher _revision; deletions are not shown"
	BestEffort     = "best effort: later corrections and commits older than the window are not seen"
	OneSnapshot    = "every row of one consistent snapshot"
)

// Check refuses questions that make no sense, and fills in what was not said.
func (q *Query) Check() error {
	switch {
	case len(q.Tenants) == 0 && !q.AllTenants:
		return Failf(Usage, "name one with --tenant, or say --all-tenants", "no tenant is named")
	case len(q.Tenants) > 0 && q.AllTenants:
		return Failf(Usage, "choose one", "--tenant and --all-tenants exclude each other")
	case q.Since.Valid && q.Until.Valid && q.Since.Micros >= q.Until.Micros:
		return Failf(Usage, "rows from --since on and before --until are read", "--until is not after --since")
	case q.Limit.Valid && q.Limit.N < 0:
		return Failf(Usage, "give the number of rows to read", "--limit %d", q.Limit.N)
	case q.Range != nil && (q.Limit.Valid || q.Since.Valid || q.Until.Valid):
		return Failf(Usage, "a chain reads what is new, all of it", "--limit, --since and --until do not go with a chain")
	}
	for _, t := range q.Tenants {
		if t == "" || t == "*" {
			return Failf(Usage, "name a tenant, or say --all-tenants", "no tenant is called %q", t)
		}
	}
	if q.MaxRow <= 0 {
		q.MaxRow = DefaultMaxRow
	}
	if q.MaxAge <= 0 {
		q.MaxAge = DefaultMaxAge
	}
	if q.Jobs <= 0 {
		q.Jobs = 1
	}
	if len(q.Terminal) == 0 {
		q.Terminal = DefaultTerminal
	}
	return nil
}
