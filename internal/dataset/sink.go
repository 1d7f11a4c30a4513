package dataset

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"

	"indelible"
	"indelible/internal/runs"
)

// A Columnar makes files that are no lines, such as Parquet.
type Columnar interface {
	// Create begins a file. The columns are those of the rows; the rows have
	// revisions if revision is set.
	Create(w io.Writer, columns []runs.Column, revision bool, exported Timestamp) (ColumnarFile, error)
}

// ColumnarFile is such a file being written.
type ColumnarFile interface {
	// Write appends rows, which stay valid until it returns. The file must not
	// depend on how rows are cut into calls.
	Write(rows []runs.Run) error
	// Close writes what stands at the end.
	Close() error
}

// sink writes the blocks of a dataset into files and counts and hashes what
// goes into each.
type sink struct {
	job     *Job
	columns []runs.Column
	rev     bool
	stamp   Timestamp

	file   File
	closer []io.Closer // what must write its end, outermost first
	out    io.Writer   // takes what goes into the file, before encryption
	col    ColumnarFile
	raw    *digest // before compression and encryption
	stored *digest // as it lies there; the same as raw where nothing is between
	entry  DataFile
	min    runs.Time
	max    runs.Time

	files []DataFile
}

// digest counts and hashes.
type digest struct {
	hash.Hash
	n uint64
}

func newDigest() *digest { return &digest{sha256.New(), 0} }

func (d *digest) Write(p []byte) (int, error) {
	d.n += uint64(len(p))
	return d.Hash.Write(p)
}

func (d *digest) sum() (h indelible.Hash) {
	d.Sum(h[:0])
	return h
}

// begin begins the file of that name.
func (s *sink) begin(ctx context.Context, name, tenant string, replace bool) error {
	f, err := s.job.Place.Create(ctx, name, replace)
	if err != nil {
		return err
	}
	s.file, s.entry = f, DataFile{Path: name, TenantID: tenant}
	s.min, s.max = runs.Time{}, runs.Time{}
	s.closer = nil
	s.raw, s.stored = newDigest(), nil
	lines := s.job.Columnar == nil
	switch {
	case s.job.Encrypt == nil && (!lines || s.job.Pack == nil):
		s.stored = s.raw
		s.out = tee{s.raw, f}
	default:
		s.stored = newDigest()
		s.out = tee{s.stored, f}
	}
	if s.job.Encrypt != nil {
		w, err := s.job.Encrypt(s.out)
		if err != nil {
			return fmt.Errorf("encrypt %s: %w", name, err)
		}
		s.closer = append(s.closer, w)
		s.out = w
	}
	if !lines {
		w := s.out
		if s.stored != s.raw {
			w = tee{s.raw, w}
		}
		if s.col, err = s.job.Columnar.Create(w, s.columns, s.rev, s.stamp); err != nil {
			return fmt.Errorf("begin %s: %w", name, err)
		}
	}
	return nil
}

// tee hashes what it writes.
type tee struct {
	d *digest
	w io.Writer
}

func (t tee) Write(p []byte) (int, error) {
	n, err := t.w.Write(p)
	t.d.Write(p[:n])
	return n, err
}

// write appends a block to the file.
func (s *sink) write(b *block) error {
	s.entry.Rows += uint64(b.n)
	if b.min.Valid && (!s.min.Valid || b.min.Micros < s.min.Micros) {
		s.min = b.min
	}
	if b.max.Valid && (!s.max.Valid || b.max.Micros > s.max.Micros) {
		s.max = b.max
	}
	if s.col != nil {
		if err := s.col.Write(b.rows); err != nil {
			return fmt.Errorf("%s: %w", s.entry.Path, err)
		}
		return nil
	}
	data := b.lines
	if s.stored != s.raw {
		s.raw.Write(b.lines)
		if s.job.Pack != nil {
			data = b.packed
		}
	}
	_, err := s.out.Write(data)
	return err
}

// end makes the file appear. One without rows appears, too.
func (s *sink) end(ctx context.Context) error {
	if s.col != nil {
		if err := s.col.Close(); err != nil {
			return fmt.Errorf("end %s: %w", s.entry.Path, err)
		}
		s.col = nil
	}
	if s.job.Pack != nil && s.raw.n == 0 {
		// A file of no frames is none to some programs.
		if _, err := s.out.Write(s.job.Pack().Append(nil, nil)); err != nil {
			return err
		}
	}
	for _, c := range s.closer {
		if err := c.Close(); err != nil {
			return fmt.Errorf("end %s: %w", s.entry.Path, err)
		}
	}
	if err := s.file.Commit(ctx); err != nil {
		return err
	}
	s.file = nil
	e := &s.entry
	e.Bytes, e.SHA256 = s.stored.n, s.stored.sum()
	e.UncompressedBytes, e.UncompressedSHA256 = s.raw.n, s.raw.sum()
	e.MinTime, e.MaxTime = stamp(s.min), stamp(s.max)
	s.files = append(s.files, *e)
	return nil
}

func stamp(t runs.Time) *Timestamp {
	if !t.Valid {
		return nil
	}
	at := timestampOf(t.UTC())
	return &at
}

// abort gives up the file under way.
func (s *sink) abort() {
	if s.file != nil {
		s.file.Abort()
		s.file = nil
	}
}
