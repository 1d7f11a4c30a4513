package dataset

import (
	"context"
	"errors"
	"io"
	"strings"
	"unicode/utf8"
)

// What the errors of a Place say, for errors.Is.
var (
	// ErrExist: the name is taken.
	ErrExist = errors.New("exists already")
	// ErrNotExist: there is no file of that name.
	ErrNotExist = errors.New("does not exist")
	// ErrBusy: another export writes there now.
	ErrBusy = errors.New("another export writes there")
	// ErrAway: the place gives no answer. Trying again later may help.
	ErrAway = errors.New("the destination does not answer")
)

// A Place is a folder, or a prefix in a bucket, that datasets are written to.
// Names are relative and slash-separated, see CheckName; a bucket takes fewer
// of them. It is safe for concurrent use.
type Place interface {
	// Create begins a file. It appears under its name whole and durable, by
	// Commit, or not at all: Commit fails with ErrExist if the name is taken,
	// unless replace is set.
	Create(ctx context.Context, name string, replace bool) (File, error)
	// Open reads a file from its beginning.
	Open(ctx context.Context, name string) (io.ReadCloser, error)
	// List returns the names that begin with prefix, in byte order.
	List(ctx context.Context, prefix string) ([]string, error)
	// Remove deletes a file. One that is not there is no error.
	Remove(ctx context.Context, name string) error
	// Sweep removes what writers that died left unfinished under a name, and
	// below name/.
	Sweep(ctx context.Context, name string) error
	// Lock makes this process the only one that writes under a name, as far as
	// the place can; ErrBusy if another does. It ends with the process.
	Lock(name string) (release func(), err error)
}

// File is a file that is being written.
type File interface {
	io.Writer
	// Commit makes the file appear. When it fails nothing appeared, as far as
	// that can be told.
	Commit(ctx context.Context) error
	// Abort gives the file up. After Commit it does nothing.
	Abort()
}

// CheckName says whether a Place takes a name. Names from a manifest are
// checked before they are opened: they come from outside.
func CheckName(name string) bool {
	if name == "" || len(name) > 400 || !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' }) {
		return false
	}
	for element := range strings.SplitSeq(name, "/") {
		if element == "" || element == "." || element == ".." {
			return false
		}
	}
	return true
}

// put writes a small file whole.
func put(ctx context.Context, p Place, name string, data []byte, replace bool) error {
	f, err := p.Create(ctx, name, replace)
	if err != nil {
		return err
	}
	defer f.Abort()
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Commit(ctx)
}

// maxDocument bounds a manifest and the other small files of a dataset.
const maxDocument = 64 << 20

// get reads a small file whole.
func get(ctx context.Context, p Place, name string) ([]byte, error) {
	r, err := p.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, maxDocument+1))
	if err == nil && len(b) > maxDocument {
		err = errors.New(name + ": larger than any file of its kind")
	}
	return b, err
}
