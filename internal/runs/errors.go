package runs

import "fmt"

// Code is the kind of a failure.
type Code string

const (
	Usage       Code = "usage"        // the question cannot be asked
	Unreachable Code = "unreachable"  // nobody answers
	Refused     Code = "refused"      // password, permission, TLS
	Schema      Code = "schema"       // a table or column is missing or of another type
	Isolation   Code = "isolation"    // the database would not keep tenants apart
	Lost        Code = "lost"         // the connection or the snapshot is gone
	Timeout     Code = "timeout"      // a statement, or the snapshot, took too long
	Conflict    Code = "conflict"     // a standby had to take rows away
	Pooler      Code = "pooler"       // something between here and the database
	Data        Code = "data"         // a row that cannot be exported
	OtherSource Code = "other source" // the cursor is of another database, or of its future
)

// Error is a failure a user can do something about.
type Error struct {
	Code  Code
	What  string // one line, without names of hosts and users, without passwords
	Hint  string // what to do
	Cause error  // may be nil; its text is not part of Error's
}

func (e *Error) Error() string { return e.What }

func (e *Error) Unwrap() error { return e.Cause }

// Failf makes an Error.
func Failf(code Code, hint, format string, args ...any) *Error {
	return &Error{Code: code, What: fmt.Sprintf(format, args...), Hint: hint}
}
