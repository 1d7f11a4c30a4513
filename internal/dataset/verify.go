package dataset

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"

	"indelible"
	"indelible/internal/runs"
)

// Results of a verification.
const (
	ResultOK         = "ok"
	ResultTampered   = "tampered"
	ResultUnverified = "not verified"
)

// Check says what to verify, and with what.
type Check struct {
	Place Place
	File  string // of a dataset that is one file; empty: a folder

	Reader

	// Evidence checks the sidecar and returns the event it proves.
	Evidence func(ctx context.Context, sidecar []byte) (*indelible.Event, error)
	// Recorded asks the ledger for an event; nil to stay offline, and nil from
	// it where there is none.
	Recorded func(ctx context.Context, tenantID, eventID string) (*indelible.Event, error)

	Progress func(done, total uint64) // bytes
}

// Report is what a verification found.
type Report struct {
	Result    string         `json:"result"`
	Manifest  string         `json:"manifest"`
	Version   indelible.Hash `json:"version"`
	Links     int            `json:"links,omitempty"` // of a chain
	Rows      uint64         `json:"rows"`
	Files     int            `json:"files"`
	Bytes     uint64         `json:"bytes"`
	Digest    indelible.Hash `json:"content_digest"`
	Recorded  string         `json:"recorded"` // what proves the record: ledger, evidence, or both
	Problems  []Finding      `json:"problems"`
	Unchecked []string       `json:"unchecked"`

	manifests []*Manifest
	total     uint64
	done      uint64
	proofs    map[string]int

	unfinished bool // the newest manifest is there, and not yet the latest
}

// Manifests are those that were verified, oldest first.
func (r *Report) Manifests() []*Manifest { return r.manifests }

// Finding is something that is not as it was written.
type Finding struct {
	File string `json:"file"`
	What string `json:"what"`
}

func (r *Report) problem(file, format string, args ...any) {
	r.Problems = append(r.Problems, Finding{file, fmt.Sprintf(format, args...)})
}

func (r *Report) unchecked(format string, args ...any) {
	r.Unchecked = append(r.Unchecked, fmt.Sprintf(format, args...))
}

// Verify reads a whole dataset and compares it with its manifest, and the
// manifest with the ledger. The error is for what kept it from reading.
func Verify(ctx context.Context, c *Check) (*Report, error) {
	r := &Report{Problems: []Finding{}, Unchecked: []string{}, proofs: map[string]int{}}
	layouts, err := findLayouts(ctx, c.Place, c.File)
	if err != nil {
		return nil, err
	}
	if len(layouts) == 0 {
		return nil, fmt.Errorf("no dataset there: its manifest %w", ErrNotExist)
	}
	for _, l := range layouts {
		if err := c.one(ctx, r, l); err != nil {
			return nil, err
		}
	}
	c.links(r)
	if c.File == "" {
		if err := c.latest(ctx, r, layouts[len(layouts)-1]); err != nil {
			return nil, err
		}
		if err := c.strangers(ctx, r); err != nil {
			return nil, err
		}
	}
	for _, m := range r.manifests {
		for _, f := range m.Dataset.Files {
			r.total += f.Bytes
		}
	}
	for _, m := range r.manifests {
		if err := c.files(ctx, r, m); err != nil {
			return nil, err
		}
	}
	r.conclude(len(layouts))
	return r, nil
}

// findLayouts finds the manifests of a place, of a chain all links, oldest first.
func findLayouts(ctx context.Context, p Place, file string) ([]layout, error) {
	if file != "" {
		if _, err := get(ctx, p, layout{file: file}.manifest()); err != nil {
			if errors.Is(err, ErrNotExist) {
				err = nil
			}
			return nil, err
		}
		return []layout{{file: file}}, nil
	}
	last, err := lastLink(ctx, p)
	if err != nil {
		return nil, err
	}
	var all []layout
	for n := uint64(1); n <= last; n++ {
		all = append(all, layout{chain: true, sequence: n})
	}
	if last > 0 {
		return all, nil
	}
	for _, name := range []string{manifestName, latestName} {
		names, err := p.List(ctx, name)
		if err != nil {
			return nil, err
		}
		if len(names) > 0 && names[0] == name {
			return []layout{{}}, nil
		}
	}
	return nil, nil
}

// one checks a manifest and its record.
func (c *Check) one(ctx context.Context, r *Report, l layout) error {
	name := l.manifest()
	r.Manifest = name
	m, encoded, err := readManifest(ctx, c.Place, name)
	switch {
	case errors.Is(err, ErrNotExist):
		r.problem(name, "is missing")
		return nil
	case errors.Is(err, ErrDamaged):
		r.problem(name, "%s", strings.TrimPrefix(err.Error(), name+": "))
		return nil
	case err != nil:
		return err
	}
	d := &m.Dataset
	if l.file != "" && (len(d.Files) != 1 || d.Files[0].Path != l.file) {
		r.problem(name, "is of another file")
		return nil
	}
	if l.chain != (d.Chain != nil) || l.chain && d.Chain.Sequence != l.sequence {
		r.problem(name, "is not the link it lies there as")
		return nil
	}
	r.manifests = append(r.manifests, m)
	r.Version, r.Digest = m.Version, d.ContentDigest
	return c.record(ctx, r, l, m, encoded)
}

// record compares a manifest with what was recorded of it.
func (c *Check) record(ctx context.Context, r *Report, l layout, m *Manifest, encoded []byte) error {
	sidecar, err := get(ctx, c.Place, l.evidence())
	switch {
	case errors.Is(err, ErrNotExist):
		r.unchecked("%s: there is no evidence beside it", l.manifest())
	case err != nil:
		return err
	default:
		e, err := c.Evidence(ctx, sidecar)
		switch {
		case errors.Is(err, indelible.ErrEvidence), errors.Is(err, ErrDamaged):
			r.problem(l.evidence(), "%v", err)
		case errors.Is(err, indelible.ErrNewerFormat), errors.Is(err, indelible.ErrCriticalField):
			r.unchecked("%s: %v", l.evidence(), err)
		case err != nil:
			return err
		default:
			if err := tells(e, m, encoded); err != nil {
				r.problem(l.manifest(), "%v", err)
			} else {
				r.proofs["evidence"]++
			}
		}
	}
	if c.Recorded == nil {
		return nil
	}
	e, err := c.Recorded(ctx, systemTenant, exportedID(m.Version, systemTenant))
	switch {
	case err != nil:
		return err
	case e == nil:
		r.unchecked("%s: the ledger here has no record of this version", l.manifest())
	default:
		if err := tells(e, m, encoded); err != nil {
			r.problem(l.manifest(), "%v", err)
		} else {
			r.proofs["ledger"]++
		}
	}
	return nil
}

// links compares each link of a chain with the one before.
func (c *Check) links(r *Report) {
	for i, m := range r.manifests {
		link := m.Dataset.Chain
		if link == nil {
			continue
		}
		r.Links++
		name := layout{chain: true, sequence: link.Sequence}.manifest()
		switch {
		case i == 0 && link.Sequence == 1 && link.Previous == nil:
		case i > 0 && link.Previous != nil && *link.Previous == r.manifests[i-1].Version && link.Name == r.manifests[0].Dataset.Chain.Name:
		default:
			r.problem(name, "does not follow the link before it")
		}
	}
}

// latest checks that latest.json leads to the newest manifest.
func (c *Check) latest(ctx context.Context, r *Report, l layout) error {
	if len(r.manifests) == 0 {
		return nil
	}
	newest := r.manifests[len(r.manifests)-1]
	encoded, err := get(ctx, c.Place, l.manifest())
	if err != nil {
		return err
	}
	want, err := latestOf(l.manifest(), newest, encoded)
	if err != nil {
		return err
	}
	b, err := get(ctx, c.Place, latestName)
	if err != nil && !errors.Is(err, ErrNotExist) {
		return err
	}
	if bytes.Equal(b, want) {
		return nil
	}
	plan, err := readPlan(ctx, c.Place, planName)
	switch {
	case err != nil:
		return err
	case plan != nil && plan.RunID == newest.Dataset.RunID:
		r.unfinished = true
		r.unchecked("the export of %s did not end: the same command ends it", l.manifest())
	case b == nil:
		r.problem(latestName, "is missing")
	default:
		r.problem(latestName, "does not lead to the newest manifest")
	}
	return nil
}

// strangers looks for files among the data that no manifest names: who reads
// all that lies there would read them, too.
func (c *Check) strangers(ctx context.Context, r *Report) error {
	known := map[string]bool{}
	for _, m := range r.manifests {
		for _, f := range m.Dataset.Files {
			known[f.Path] = true
		}
		for _, d := range m.documents() {
			known[d.Path] = true
		}
	}
	names, err := c.Place.List(ctx, "")
	if err != nil {
		return err
	}
	pending := false
	for _, name := range names {
		pending = pending || name == planName
	}
	for _, name := range names {
		switch {
		case known[name] || !strings.HasPrefix(name, runsPrefix) || len(r.manifests) == 0:
		case pending:
			r.unchecked("%s: of an export that did not end", name)
		default:
			r.problem(name, "no manifest names it")
		}
	}
	return nil
}

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

// conclude draws the result: whatever was not proved to be recorded is not
// verified.
func (r *Report) conclude(manifests int) {
	switch {
	case r.proofs["ledger"] == manifests && r.proofs["evidence"] == manifests:
		r.Recorded = "ledger and evidence"
	case r.proofs["ledger"] == manifests:
		r.Recorded = "ledger"
	case r.proofs["evidence"] == manifests:
		r.Recorded = "evidence"
	}
	switch {
	case len(r.Problems) > 0:
		r.Result = ResultTampered
	case r.Recorded == "" || r.unfinished:
		r.Result = ResultUnverified
	default:
		r.Result = ResultOK
	}
}
