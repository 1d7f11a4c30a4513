package dataset

import (
	"io"

	"indelible/internal/runs"
)

// Reader says how the files of a dataset are read back.
type Reader struct {
	// Unpack undoes a compression; the stream ends where the packed one does.
	Unpack func(compression string, r io.Reader) (io.ReadCloser, error)
	// Decrypt undoes the encryption; nil without a key: then the files are
	// compared as they lie there.
	Decrypt func(io.Reader) (io.Reader, error)
	// Rows reads the rows of a file that is no lines.
	Rows func(r io.ReaderAt, size int64, columns []runs.Column, revision bool, fn func(*runs.Run) error) error
}
