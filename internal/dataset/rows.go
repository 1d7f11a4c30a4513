package dataset

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"indelible"
)

// Opened is a dataset, or a chain, whose rows are to be read. Its manifests are
// what they say they are; whether they were recorded is Verify's to say.
type Opened struct {
	place     Place
	reader    Reader
	manifests []*Manifest // oldest first
	names     []string    // of the manifests
	folder    bool
	plan      string // of all of them; what some runs made of it has none
}

// Open reads the manifests of a dataset or a chain.
func Open(ctx context.Context, p Place, file string, r Reader) (*Opened, error) {
	layouts, err := findLayouts(ctx, p, file)
	if err != nil {
		return nil, err
	}
	if len(layouts) == 0 {
		return nil, fmt.Errorf("no dataset there: its manifest %w", ErrNotExist)
	}
	o := &Opened{place: p, reader: r, folder: file == "", plan: layouts[0].plan()}
	for i, l := range layouts {
		m, _, err := readManifest(ctx, p, l.manifest())
		if err != nil {
			return nil, err
		}
		if link := m.Dataset.Chain; l.chain && (link == nil || link.Sequence != l.sequence || i > 0 && (link.Previous == nil || *link.Previous != o.manifests[i-1].Version)) {
			return nil, fmt.Errorf("%w: %s does not follow the link before it", ErrDamaged, l.manifest())
		}
		o.manifests, o.names = append(o.manifests, m), append(o.names, l.manifest())
	}
	return o, nil
}

// Manifests are those of the dataset, or of all links, oldest first.
func (o *Opened) Manifests() []*Manifest { return o.manifests }

// rowKeyOf is the key of a row by its id.
func rowKeyOf(id []byte) rowKey {
	sum := sha256.Sum256(id)
	return rowKey(sum[:16])
}

// Latest calls each with the last revision of every id: its id as JSON, and
// the row as a line of JSON without _export_*. A link newer than others goes
// before them. It holds 16 bytes and a little of each id in memory. Files are
// compared with their hashes as they are read; ErrDamaged comes after the rows
// of the file that is not what it was.
func (o *Opened) Latest(ctx context.Context, each func(id, line []byte) error) error {
	seen := map[rowKey]struct{}{}
	for at := len(o.manifests) - 1; at >= 0; at-- {
		// An id that stands twice in one link stands twice in the table.
		var these []rowKey
		err := o.rows(ctx, o.manifests[at], func(line []byte) error {
			id, err := idOf(line)
			if err != nil {
				return err
			}
			key := rowKeyOf(id)
			if _, known := seen[key]; known {
				return nil
			}
			if at > 0 {
				these = append(these, key)
			}
			return each(id, line)
		})
		if err != nil {
			return err
		}
		for _, key := range these {
			seen[key] = struct{}{}
		}
	}
	return nil
}

// rows calls each with all rows of one manifest, as lines of content.
func (o *Opened) rows(ctx context.Context, m *Manifest, each func(line []byte) error) error {
	suffix := exportSuffix(m.Dataset.ExportTimestamp.Time)
	for _, f := range m.Dataset.Files {
		if err := o.file(ctx, m, f, suffix, each); err != nil {
			return err
		}
	}
	return nil
}

func (o *Opened) file(ctx context.Context, m *Manifest, f DataFile, suffix []byte, each func(line []byte) error) error {
	in, err := o.place.Open(ctx, f.Path)
	if err != nil {
		return err
	}
	defer in.Close()
	stored := newDigest()
	whole := io.TeeReader(in, stored)
	sink := &lines{ctx: ctx, each: each}
	c := &Check{Reader: o.reader}
	_, _, why := c.rows(whole, in, m, suffix, sink)
	if sink.err != nil {
		return sink.err
	}
	if _, err := io.Copy(io.Discard, whole); err != nil {
		return fmt.Errorf("read %s: %w", f.Path, err)
	}
	switch {
	case stored.sum() != f.SHA256:
		return fmt.Errorf("%w: %s is not what the manifest says", ErrDamaged, f.Path)
	case errors.Is(why, errNoKey):
		return fmt.Errorf("%s is encrypted: give the key with --identity", f.Path)
	case errors.Is(why, errNoRandomAccess):
		return fmt.Errorf("%s cannot be read row by row where it lies: copy it here first", f.Path)
	case why != nil:
		return fmt.Errorf("read %s: %w", f.Path, why)
	}
	return nil
}

// lines takes the content of rows as it is hashed and calls each with every
// line of it.
type lines struct {
	ctx  context.Context
	each func([]byte) error
	buf  []byte
	n    int
	err  error
}

func (l *lines) Write(p []byte) (int, error) {
	if l.err != nil {
		return 0, l.err
	}
	l.buf = append(l.buf, p...)
	if !bytes.HasSuffix(p, contentEndBytes) {
		return len(p), nil
	}
	if l.n++; l.n%1024 == 0 {
		l.err = l.ctx.Err()
	}
	if l.err == nil {
		l.err = l.each(l.buf)
	}
	l.buf = l.buf[:0]
	return len(p), l.err
}

// idOf is the id of a row, as JSON.
func idOf(line []byte) ([]byte, error) {
	if head := `{"id":`; bytes.HasPrefix(line, []byte(head+`"`)) {
		for i := len(head) + 1; i < len(line); i++ {
			switch line[i] {
			case '\\':
				i++
			case '"':
				return line[len(head) : i+1], nil
			}
		}
	}
	id, ok := member(line, "id")
	if !ok {
		return nil, errors.New("the rows have no id: it is not among their columns")
	}
	return id, nil
}

// columnsIn is a row without its revision, which a database may give anew.
func columnsIn(line []byte) []byte {
	if i := bytes.LastIndex(line, []byte(`,"_revision":"`)); i >= 0 {
		return line[:i]
	}
	return bytes.TrimSuffix(line, contentEndBytes)
}

// Difference is what two datasets have not in common.
type Difference struct {
	Same    uint64   `json:"same"`
	Changed uint64   `json:"changed"`
	Added   uint64   `json:"added"`   // only in the second
	Removed uint64   `json:"removed"` // only in the first
	Columns []string `json:"columns"` // how their columns differ
	// Examples are the first ids of each kind, as JSON.
	Examples map[string][]string `json:"examples"`
}

const maxExamples = 10

// Equal says whether the datasets hold the same rows.
func (d *Difference) Equal() bool { return d.Changed+d.Added+d.Removed == 0 && len(d.Columns) == 0 }

// Diff compares the rows of two datasets by their ids, the last revisions of
// chains. It holds some 50 bytes of each row in memory.
func Diff(ctx context.Context, a, b *Opened) (*Difference, error) {
	d := &Difference{Columns: []string{}, Examples: map[string][]string{}}
	last := func(o *Opened) *Dataset { return &o.manifests[len(o.manifests)-1].Dataset }
	if what := drift(last(a).Schema, last(b).Schema); what != "" {
		d.Columns = append(d.Columns, what)
	}
	if len(a.manifests) == 1 && len(b.manifests) == 1 && last(a).ContentDigest == last(b).ContentDigest {
		d.Same = last(a).Rows
		return d, nil
	}
	rows := map[rowKey]rowKey{}
	err := a.Latest(ctx, func(id, line []byte) error {
		rows[rowKeyOf(id)] = rowKeyOf(columnsIn(line))
		return nil
	})
	if err != nil {
		return nil, err
	}
	found := func(n *uint64, kind string, id []byte) {
		if *n++; *n <= maxExamples {
			d.Examples[kind] = append(d.Examples[kind], string(id))
		}
	}
	err = b.Latest(ctx, func(id, line []byte) error {
		key := rowKeyOf(id)
		was, known := rows[key]
		switch {
		case !known:
			found(&d.Added, "added", id)
		case was == rowKeyOf(columnsIn(line)):
			d.Same++
		default:
			found(&d.Changed, "changed", id)
		}
		delete(rows, key)
		return nil
	})
	if err != nil || len(rows) == 0 {
		return d, err
	}
	return d, a.Latest(ctx, func(id, _ []byte) error {
		if _, left := rows[rowKeyOf(id)]; left {
			found(&d.Removed, "removed", id)
		}
		return nil
	})
}

// Files are all files that belong to the dataset, the manifests last.
func (o *Opened) Files() (names []string) {
	for i, m := range o.manifests {
		for _, f := range m.Dataset.Files {
			names = append(names, f.Path)
		}
		for _, d := range m.documents() {
			names = append(names, d.Path)
		}
		names = append(names, evidenceOf(o.names[i]))
	}
	if o.folder {
		names = append(names, latestName)
	}
	return slices.Concat(names, o.names)
}

// OfRuns is what some runs made of it, by their ids; nil if nothing.
func (o *Opened) OfRuns(ids []string) *Opened {
	part := &Opened{place: o.place, reader: o.reader, folder: o.folder}
	for i, m := range o.manifests {
		if slices.Contains(ids, m.Dataset.RunID) {
			part.manifests, part.names = append(part.manifests, m), append(part.names, o.names[i])
		}
	}
	if len(part.manifests) == 0 {
		return nil
	}
	return part
}

// Pending reports whether an export to the place has not ended: what is there
// may not be recorded.
func Pending(ctx context.Context, p Place, file string) (bool, error) {
	old, err := readPlan(ctx, p, layout{file: file}.plan())
	return old != nil, err
}

// evidenceOf is where the evidence of a manifest lies.
func evidenceOf(manifest string) string {
	if base, ok := strings.CutSuffix(manifest, manifestName); ok {
		return base + evidenceName
	}
	return strings.TrimSuffix(manifest, "json") + evidenceName
}

// Purge deletes the files of a dataset, and what writers of them that died left
// unfinished, after it has recorded that it does.
func (o *Opened) Purge(ctx context.Context, r Recorder, j *Job) error {
	for _, m := range o.manifests {
		e, err := purgedEvent(m, j.now(), j.Actor, j.ActorKind)
		if err != nil {
			return err
		}
		if err := r.Record(ctx, []*indelible.Event{e}); err != nil {
			return fmt.Errorf("nothing was deleted, for it could not be recorded: %w", err)
		}
	}
	if o.plan != "" {
		if err := o.place.Sweep(ctx, o.plan); err != nil {
			return err
		}
	}
	for _, name := range o.Files() {
		if err := o.place.Sweep(ctx, name); err != nil {
			return err
		}
		if err := o.place.Remove(ctx, name); err != nil {
			return err
		}
	}
	return nil
}
