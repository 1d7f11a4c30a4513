// Package store is the contract of the place a ledger lives in: a directory or
// a bucket. Objects are written once, by name, and never changed; the one
// exception is the checkpoint. storetest holds the suite every driver passes.
package store

import (
	"context"
	"errors"
	"iter"
	"time"
)

// What a driver's errors say, for errors.Is. A driver wraps them with the
// object's name and the cause; text shown to a user never holds a secret.
var (
	// ErrExist: the name is taken, by whatever content.
	ErrExist = errors.New("object exists")
	// ErrNotExist: there is no such object or version.
	ErrNotExist = errors.New("object does not exist")
	// ErrChanged: Replace found another version than the caller named.
	ErrChanged = errors.New("object changed")
	// ErrUnavailable: no answer, a refusal to serve for now, or an answer that
	// leaves open whether a write happened. Trying again later may help.
	ErrUnavailable = errors.New("store unavailable")
	// ErrDenied: the store will not let us. Trying again does not help.
	ErrDenied = errors.New("store denied access")
)

// Store holds objects under slash-separated names of at most 512 bytes from
// [a-zA-Z0-9._/-] without empty, "." or ".." elements (CheckName), none of them
// the directory of another. It is safe for concurrent use.
type Store interface {
	// Create writes an object under a name that must be free, all of it or
	// nothing, and returns when it is durable. Of several concurrent calls for
	// one name exactly one succeeds, the others get ErrExist. With a non-zero
	// until the object is locked against deletion until then, in the same
	// request, as far as the driver can lock. ErrUnavailable leaves open
	// whether it was written: the caller repeats the call with the same bytes,
	// and ErrExist over an object with these bytes is success.
	Create(ctx context.Context, name string, data []byte, until time.Time) error

	// Replace writes an object that may change: it succeeds only if the
	// object's ETag is still etag, or if it does not exist when etag is empty;
	// ErrChanged otherwise. After ErrUnavailable the object is the old or the
	// new one.
	Replace(ctx context.Context, name string, data []byte, etag string) error

	// Read returns an object or a range of it, the newest version unless one
	// is named. A range reaching beyond the end is cut there, down to nothing.
	Read(ctx context.Context, name string, opt ReadOptions) (Object, error)

	// List yields the names that begin with prefix and sort after the name
	// after, in byte order. Prefixes end at any byte, not only at a slash.
	// What stands there under no valid name is passed over. After an error
	// nothing more is yielded.
	List(ctx context.Context, prefix, after string) iter.Seq2[string, error]

	// Versions returns all versions and delete markers of a name, oldest
	// first; a driver without versions returns the one object or none.
	Versions(ctx context.Context, name string) ([]Version, error)

	// Remove deletes the newest version of an object whose lock, if any, has
	// ended. Removing what is not there is no error.
	Remove(ctx context.Context, name string) error
}

// ReadOptions says which bytes of which version.
type ReadOptions struct {
	Offset  int64
	Length  int64  // 0 means to the end
	Version string // as in Version.ID; empty means the newest

	// NoETag says that the ETag is not wanted, which can save computing it.
	NoETag bool

	// Buffer, if it is large enough, may be used for the data.
	Buffer []byte
}

// Object is what Read returns.
type Object struct {
	Data        []byte
	Size        int64     // of the whole object
	ETag        string    // for Replace; may be empty when a range was read
	Version     string    // empty without versioning
	LockedUntil time.Time // zero when not locked, or not to be known
	LockMode    string    // "COMPLIANCE", "GOVERNANCE" or empty
}

// Version is one version of an object, or a delete marker.
type Version struct {
	ID           string
	Modified     time.Time
	Size         int64
	DeleteMarker bool
	Newest       bool
}

// A Clocked store tells how far its clock is ahead of ours, as of its last
// answer; false when it does not know.
type Clocked interface {
	Skew() (time.Duration, bool)
}

// NamedVersion is a version together with its object's name.
type NamedVersion struct {
	Name string
	Version
}

// A Holder is a store that keeps objects from everybody for as long as somebody
// says so (S3's legal hold). A directory is none.
type Holder interface {
	// Hold sets the hold of an object, or takes it off. ErrDenied: the store does
	// not, or will not let us.
	Hold(ctx context.Context, name string, on bool) error
}
