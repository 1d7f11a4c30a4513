// Package runs reads the history of workflow runs from where it is kept: the
// table workflow_runs in PostgreSQL or SQLite. Its drivers, runs/postgres and
// runs/sqlite, give the rows of one consistent snapshot, in an order that is
// the same for the same data.
package runs

import "time"

// Run is one row of workflow_runs. Its slices belong to the source and are valid
// until the function that was handed the row returns; nil stands for NULL, an
// empty text is not nil.
type Run struct {
	ID              []byte // text, a UUID in its usual form, or a decimal number
	TenantID        []byte
	WorkflowName    []byte
	WorkflowVersion []byte
	Status          []byte // as found: completed, failed, cancelled, running, …
	StartedAt       Time
	CompletedAt     Time
	DurationMS      Int
	StepsCompleted  Int
	StepsTotal      Int
	ErrorMessage    []byte
	Metadata        []byte // JSON without white space, an object as a rule
	CreatedAt       Time

	// Revision grows with each change of a row, across the table. It is set
	// where Info.Revision is.
	Revision uint64

	// Extra are the columns asked for beyond these, in the order of
	// Info.Columns, as JSON without white space.
	Extra [][]byte
}

// Time is a moment in UTC, in microseconds since 1970, between the years 1 and
// 9999. A source refuses what lies outside, infinity too.
type Time struct {
	Micros int64
	Valid  bool // false: NULL
}

// TimeOf is t in microseconds.
func TimeOf(t time.Time) Time { return Time{t.UnixMicro(), true} }

// UTC is the moment as a time.Time.
func (t Time) UTC() time.Time { return time.UnixMicro(t.Micros).UTC() }

// The moments a Time can be: what RFC 3339 can write.
var (
	minMicros = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	maxMicros = time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC).UnixMicro()
)

// Representable says whether a moment is between the years 1 and 9999.
func Representable(micros int64) bool { return micros >= minMicros && micros <= maxMicros }

// Int is a whole number that may be NULL.
type Int struct {
	N     int64
	Valid bool // false: NULL
}
