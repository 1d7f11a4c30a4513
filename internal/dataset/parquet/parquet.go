// Package parquet writes and reads the rows of datasets as Apache Parquet:
// typed columns in the order of the rows' members, packed with Zstandard.
package parquet

import (
	"fmt"
	"io"
	"slices"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"indelible/internal/dataset"
	"indelible/internal/runs"
)

// Format makes Parquet files. Compressed says whether they are packed.
type Format struct{ Compressed bool }

var _ dataset.Columnar = Format{}

// A row group ends after the block of rows that makes it as large as this. What
// is packed of it is held in memory until then.
const (
	groupRows  = 100_000
	groupBytes = 64 << 20 // before packing
	// Large rows pack less well, and so make smaller groups.
	largeRow        = 16 << 10
	largeGroupBytes = 16 << 20
)

const (
	revisionName  = "_revision"
	timestampName = "_export_timestamp"
	versionName   = "_export_version"
)

// column is a column of the file: how a row's value stands in it.
type column struct {
	name     string
	node     parquet.Node
	optional bool
	blob     bool                          // text that may be long, and that nobody looks for by its order
	get      func(*runs.Run) parquet.Value // Null where there is none
	set      func(*runs.Run, parquet.Value)
}

func text(name string, field func(*runs.Run) *[]byte, node parquet.Node) column {
	return column{
		name: name, node: node, optional: true,
		get: func(r *runs.Run) parquet.Value {
			if v := *field(r); v != nil {
				return parquet.ByteArrayValue(v)
			}
			return parquet.Value{}
		},
		set: func(r *runs.Run, v parquet.Value) {
			*field(r) = nil
			if !v.IsNull() {
				*field(r) = append([]byte{}, v.ByteArray()...)
			}
		},
	}
}

func moment(name string, field func(*runs.Run) *runs.Time) column {
	return column{
		name: name, node: parquet.Encoded(parquet.Timestamp(parquet.Microsecond), &parquet.DeltaBinaryPacked), optional: true,
		get: func(r *runs.Run) parquet.Value {
			if t := field(r); t.Valid {
				return parquet.Int64Value(t.Micros)
			}
			return parquet.Value{}
		},
		set: func(r *runs.Run, v parquet.Value) { *field(r) = runs.Time{Micros: v.Int64(), Valid: !v.IsNull()} },
	}
}

func number(name string, field func(*runs.Run) *runs.Int) column {
	return column{
		name: name, node: parquet.Encoded(parquet.Int(64), &parquet.DeltaBinaryPacked), optional: true,
		get: func(r *runs.Run) parquet.Value {
			if n := field(r); n.Valid {
				return parquet.Int64Value(n.N)
			}
			return parquet.Value{}
		},
		set: func(r *runs.Run, v parquet.Value) { *field(r) = runs.Int{N: v.Int64(), Valid: !v.IsNull()} },
	}
}

// Few texts occur again and again in some columns; others differ in each row.
func few() parquet.Node { return parquet.Encoded(parquet.String(), &parquet.RLEDictionary) }
func many() parquet.Node {
	return parquet.Encoded(parquet.String(), &parquet.DeltaLengthByteArray)
}
func json() parquet.Node {
	return parquet.Encoded(parquet.JSON(), &parquet.DeltaLengthByteArray)
}

// columnsOf are the columns of a file, in the order of a row's members.
func columnsOf(columns []runs.Column, revision bool, exported dataset.Timestamp) ([]column, error) {
	var all []column
	extra := 0
	for _, c := range columns {
		var col column
		switch {
		case c.Extra:
			at := extra
			extra++
			col = text(c.Name, func(r *runs.Run) *[]byte { return &r.Extra[at] }, json())
		case c.Name == "id":
			col = text(c.Name, func(r *runs.Run) *[]byte { return &r.ID }, many())
		case c.Name == "tenant_id":
			col = text(c.Name, func(r *runs.Run) *[]byte { return &r.TenantID }, few())
		case c.Name == "workflow_name":
			col = text(c.Name, func(r *runs.Run) *[]byte { return &r.WorkflowName }, few())
		case c.Name == "workflow_version":
			col = text(c.Name, func(r *runs.Run) *[]byte { return &r.WorkflowVersion }, few())
		case c.Name == "status":
			col = text(c.Name, func(r *runs.Run) *[]byte { return &r.Status }, few())
		case c.Name == "started_at":
			col = moment(c.Name, func(r *runs.Run) *runs.Time { return &r.StartedAt })
		case c.Name == "completed_at":
			col = moment(c.Name, func(r *runs.Run) *runs.Time { return &r.CompletedAt })
		case c.Name == "duration_ms":
			col = number(c.Name, func(r *runs.Run) *runs.Int { return &r.DurationMS })
		case c.Name == "steps_completed":
			col = number(c.Name, func(r *runs.Run) *runs.Int { return &r.StepsCompleted })
		case c.Name == "steps_total":
			col = number(c.Name, func(r *runs.Run) *runs.Int { return &r.StepsTotal })
		case c.Name == "error_message":
			col = text(c.Name, func(r *runs.Run) *[]byte { return &r.ErrorMessage }, many())
		case c.Name == "metadata":
			col = text(c.Name, func(r *runs.Run) *[]byte { return &r.Metadata }, json())
		case c.Name == "created_at":
			col = moment(c.Name, func(r *runs.Run) *runs.Time { return &r.CreatedAt })
		default:
			return nil, fmt.Errorf("no column is called %q", c.Name)
		}
		col.blob = c.Extra || c.Name == "error_message" || c.Name == "metadata"
		all = append(all, col)
	}
	if revision {
		all = append(all, column{
			name: revisionName, node: parquet.Encoded(parquet.Uint(64), &parquet.DeltaBinaryPacked),
			get: func(r *runs.Run) parquet.Value { return parquet.Int64Value(int64(r.Revision)) },
			set: func(r *runs.Run, v parquet.Value) { r.Revision = uint64(v.Int64()) },
		})
	}
	stamp, version := parquet.Int64Value(exported.UnixMicro()), parquet.Int32Value(dataset.RowSchema)
	return append(all,
		column{name: timestampName, node: parquet.Encoded(parquet.Timestamp(parquet.Microsecond), &parquet.DeltaBinaryPacked), get: func(*runs.Run) parquet.Value { return stamp }},
		column{name: versionName, node: parquet.Encoded(parquet.Int(32), &parquet.DeltaBinaryPacked), get: func(*runs.Run) parquet.Value { return version }},
	), nil
}

// ordered is a group whose fields keep their order.
type ordered struct {
	parquet.Group
	fields []parquet.Field
}

func (o ordered) Fields() []parquet.Field { return o.fields }

func schemaOf(columns []column) (*parquet.Schema, error) {
	group := parquet.Group{}
	for _, c := range columns {
		node := c.node
		if c.optional {
			node = parquet.Optional(node)
		}
		if group[c.name] != nil {
			return nil, fmt.Errorf("two columns are called %q", c.name)
		}
		group[c.name] = node
	}
	fields := group.Fields()
	inOrder := make([]parquet.Field, len(columns))
	for i, c := range columns {
		inOrder[i] = fields[slices.IndexFunc(fields, func(f parquet.Field) bool { return f.Name() == c.name })]
	}
	return parquet.NewSchema("workflow_runs", ordered{group, inOrder}), nil
}

// file is a Parquet file being written.
type file struct {
	w       *parquet.GenericWriter[any]
	columns []column
	values  []parquet.Value
	rows    int
	bytes   int
}

// Create implements dataset.Columnar.
func (f Format) Create(w io.Writer, columns []runs.Column, revision bool, exported dataset.Timestamp) (dataset.ColumnarFile, error) {
	cols, err := columnsOf(columns, revision, exported)
	if err != nil {
		return nil, err
	}
	schema, err := schemaOf(cols)
	if err != nil {
		return nil, err
	}
	options := []parquet.WriterOption{
		schema, parquet.CreatedBy("indelible", "1", ""), parquet.PageBufferSize(512 << 10), parquet.DictionaryMaxBytes(1 << 20),
	}
	for _, c := range cols {
		if c.blob {
			// Bounds of such values tell a reader nothing, and would be kept whole, of
			// every page, until the end of the file.
			options = append(options, parquet.SkipPageBounds(c.name), parquet.SkipPageStatistics(c.name))
		}
	}
	if f.Compressed {
		options = append(options, parquet.Compression(&zstd.Codec{Level: zstd.SpeedFastest, Concurrency: 1}))
	}
	return &file{w: parquet.NewGenericWriter[any](w, options...), columns: cols}, nil
}

// Write implements dataset.ColumnarFile.
func (f *file) Write(rows []runs.Run) error {
	writers := f.w.ColumnWriters()
	for i, c := range f.columns {
		level := 0
		if c.optional {
			level = 1
		}
		f.values = f.values[:0]
		for j := range rows {
			v := c.get(&rows[j])
			if v.IsNull() {
				v = v.Level(0, 0, i)
			} else {
				v = v.Level(0, level, i)
			}
			f.values = append(f.values, v)
		}
		if n, err := writers[i].WriteRowValues(f.values); err != nil || n != len(rows) {
			return fmt.Errorf("column %s: %d of %d rows: %w", c.name, n, len(rows), err)
		}
	}
	clear(f.values)
	f.rows += len(rows)
	for i := range rows {
		r := &rows[i]
		f.bytes += 64 + len(r.ID) + len(r.ErrorMessage) + len(r.Metadata)
		for _, x := range r.Extra {
			f.bytes += len(x)
		}
	}
	if f.rows >= groupRows || f.bytes >= groupBytes || f.bytes >= largeGroupBytes && f.bytes/f.rows >= largeRow {
		f.rows, f.bytes = 0, 0
		return f.w.Flush()
	}
	return nil
}

// Close implements dataset.ColumnarFile.
func (f *file) Close() error { return f.w.Close() }

// Rows reads a file that Create made, row by row.
func Rows(r io.ReaderAt, size int64, columns []runs.Column, revision bool, fn func(*runs.Run) error) error {
	cols, err := columnsOf(columns, revision, dataset.Timestamp{})
	if err != nil {
		return err
	}
	in, err := parquet.OpenFile(r, size, parquet.SkipBloomFilters(true))
	if err != nil {
		return fmt.Errorf("not a Parquet file: %w", err)
	}
	names := in.Schema().Columns()
	if len(names) != len(cols) {
		return fmt.Errorf("%d columns, want %d", len(names), len(cols))
	}
	extra := 0
	for i, c := range cols {
		if len(names[i]) != 1 || names[i][0] != c.name {
			return fmt.Errorf("column %d is %v, want %s", i+1, names[i], c.name)
		}
		if i < len(columns) && columns[i].Extra {
			extra++
		}
	}
	run := runs.Run{Extra: make([][]byte, extra)}
	buf := make([]parquet.Row, 256)
	for _, group := range in.RowGroups() {
		if err := groupOf(group, buf, cols, &run, fn); err != nil {
			return err
		}
	}
	return nil
}

func groupOf(group parquet.RowGroup, buf []parquet.Row, cols []column, run *runs.Run, fn func(*runs.Run) error) error {
	rows := group.Rows()
	defer rows.Close()
	for {
		n, err := rows.ReadRows(buf)
		for _, row := range buf[:n] {
			for _, v := range row {
				if i := v.Column(); i >= 0 && i < len(cols) && cols[i].set != nil {
					cols[i].set(run, v)
				}
			}
			if err := fn(run); err != nil {
				return err
			}
		}
		if err == io.EOF || err == nil && n == 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
