package dataset

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"indelible"
	"indelible/internal/runs"
)

// files reads the files of one manifest.
func (c *Check) files(ctx context.Context, r *Report, m *Manifest) error {
	d := &m.Dataset
	suffix := exportSuffix(d.ExportTimestamp.Time)
	content := sha256.New()
	complete := true // whether the rows of all files could be read
	for _, f := range d.Files {
		read, err := c.file(ctx, r, m, f, suffix, content)
		if err != nil {
			return err
		}
		complete = complete && read
		r.Rows += f.Rows
		r.Bytes += f.Bytes
		r.Files++
	}
	if complete && indelible.Hash(content.Sum(nil)) != d.ContentDigest {
		r.problem(r.Manifest, "the rows do not have its content digest")
	}
	for _, doc := range m.documents() {
		b, err := get(ctx, c.Place, doc.Path)
		switch {
		case errors.Is(err, ErrNotExist):
			r.problem(doc.Path, "is missing")
		case err != nil:
			return err
		case indelible.Hash(sha256.Sum256(b)) != doc.SHA256:
			r.problem(doc.Path, "is not what the manifest says")
		}
	}
	return nil
}

// file reads one file with rows; read says whether its rows were, and went
// into content.
func (c *Check) file(ctx context.Context, r *Report, m *Manifest, f DataFile, suffix []byte, content io.Writer) (read bool, err error) {
	in, err := c.Place.Open(ctx, f.Path)
	if errors.Is(err, ErrNotExist) {
		r.problem(f.Path, "is missing")
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer in.Close()
	stored := newDigest()
	counted := &counting{r: io.TeeReader(in, stored), ctx: ctx, check: c, report: r}
	// What follows must see the whole file, whatever it makes of it.
	finish := func() error {
		_, err := io.Copy(io.Discard, counted)
		return err
	}
	rows, raw, why := c.rows(counted, in, m, suffix, content)
	if err := finish(); err != nil {
		return false, fmt.Errorf("read %s: %w", f.Path, err)
	}
	if stored.n != f.Bytes || stored.sum() != f.SHA256 {
		r.problem(f.Path, "is not what the manifest says: %d bytes with SHA-256 %s, not %d with %s", stored.n, stored.sum(), f.Bytes, f.SHA256)
		return false, nil
	}
	switch {
	case errors.Is(why, errNoKey):
		r.unchecked("%s: its rows are encrypted; give the key with --identity to read them", f.Path)
		return false, nil
	case errors.Is(why, errNoRandomAccess):
		r.unchecked("%s: its rows were not read again; the file is, byte for byte, what was written", f.Path)
		return false, nil
	case why != nil:
		r.problem(f.Path, "%v", why)
		return false, nil
	}
	if raw != nil && (raw.n != f.UncompressedBytes || raw.sum() != f.UncompressedSHA256) {
		r.problem(f.Path, "its content is not what the manifest says")
	}
	if rows != f.Rows {
		r.problem(f.Path, "has %d rows, the manifest says %d", rows, f.Rows)
	}
	return true, nil
}

var (
	errNoKey          = errors.New("encrypted")
	errNoRandomAccess = errors.New("not at hand as a whole")
)

// rows reads the rows of a file as far as its form allows.
func (c *Check) rows(counted io.Reader, in io.Reader, m *Manifest, suffix []byte, content io.Writer) (rows uint64, raw *digest, err error) {
	spec := &m.Dataset.Spec
	plain := counted
	if spec.Encrypted {
		if c.Decrypt == nil {
			return 0, nil, errNoKey
		}
		if plain, err = c.Decrypt(plain); err != nil {
			return 0, nil, err
		}
	}
	if spec.Format != "jsonl" {
		at, ok := in.(io.ReaderAt)
		size, sized := in.(interface{ Size() int64 })
		if !ok || !sized || spec.Encrypted || c.Rows == nil {
			return 0, nil, errNoRandomAccess
		}
		rows, err = c.columnar(at, size.Size(), m, content)
		return rows, nil, err
	}
	if spec.Compression != "none" {
		unpacked, err := c.Unpack(spec.Compression, plain)
		if err != nil {
			return 0, nil, err
		}
		defer unpacked.Close()
		plain = unpacked
	}
	raw = newDigest()
	rows, err = contentOf(io.TeeReader(plain, raw), suffix, func(line []byte) error {
		content.Write(line)
		content.Write(contentEndBytes)
		return nil
	})
	return rows, raw, err
}

// columnar reads the rows of a file that is no lines and writes their content
// as it would stand in lines.
func (c *Check) columnar(at io.ReaderAt, size int64, m *Manifest, content io.Writer) (rows uint64, err error) {
	columns, revision := columnsOf(m)
	e, err := newRowEncoder(columns, revision, m.Dataset.ExportTimestamp.Time)
	if err != nil {
		return 0, err
	}
	var line []byte
	err = c.Rows(at, size, columns, revision, func(r *runs.Run) error {
		var err error
		if line, err = e.appendContent(line[:0], r); err != nil {
			return err
		}
		rows++
		content.Write(append(line, contentEnd...))
		return nil
	})
	return rows, err
}

// columnsOf are the columns of a dataset's rows.
func columnsOf(m *Manifest) (columns []runs.Column, revision bool) {
	for _, f := range m.Dataset.Schema {
		if f.Role == roleExport {
			continue
		}
		columns = append(columns, runs.Column{Name: f.Name, Type: f.Source, Nullable: f.Nullable, Extra: index(runs.Columns, f.Name) < 0})
	}
	return columns, m.Dataset.Source.Revision
}

// maxLine bounds a line that is read back: a row's limit, escaped at the worst.
const maxLine = 6*runs.DefaultMaxRow + 1<<20

// contentOf calls each with every line's content, as it stands before the
// members of the export. A line without them is not of this export.
func contentOf(r io.Reader, suffix []byte, each func(content []byte) error) (rows uint64, err error) {
	br := bufio.NewReaderSize(r, 256<<10)
	var long []byte
	for {
		line, err := br.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			long = append(long, line...)
			if len(long) > maxLine {
				return rows, fmt.Errorf("line %d is longer than any row", rows+1)
			}
			continue
		}
		if len(long) > 0 {
			long = append(long, line...)
			line, long = long, long[:0]
		}
		if err == io.EOF && len(line) == 0 {
			return rows, nil
		}
		if err == io.EOF {
			return rows, errors.New("the last line has no end")
		}
		if err != nil {
			return rows, err
		}
		rows++
		content, ok := bytes.CutSuffix(line, suffix)
		if !ok {
			return rows, fmt.Errorf("line %d is not of this export", rows)
		}
		if err := each(content); err != nil {
			return rows, err
		}
	}
}

// counting reports progress and stops when the verification is given up.
type counting struct {
	r      io.Reader
	ctx    context.Context
	check  *Check
	report *Report
}

func (c *counting) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.r.Read(p)
	c.report.done += uint64(n)
	if c.check.Progress != nil {
		c.check.Progress(c.report.done, c.report.total)
	}
	return n, err
}
