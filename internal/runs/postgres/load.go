package postgres

import (
	"context"
	"encoding/binary"
	"io"
	"iter"
	"strings"

	"indelible/internal/runs"
)

// CreateTable is the table as the sample makes it.
const CreateTable = `CREATE TABLE ` + TableName + ` (
  id               text PRIMARY KEY,
  tenant_id        text NOT NULL,
  workflow_name    text NOT NULL,
  workflow_version text NOT NULL,
  status           text NOT NULL,
  started_at       timestamptz,
  completed_at     timestamptz,
  duration_ms      bigint,
  steps_completed  integer,
  steps_total      integer,
  error_message    text,
  metadata         jsonb,
  created_at       timestamptz NOT NULL
)`

// Fill makes the table if there is none and fills it with made-up rows, all of
// them or none, and marks the table as a sample. Rows of an earlier sample go; a
// table with other rows is refused.
func (s *Source) Fill(ctx context.Context, rows iter.Seq[*runs.Run], about string) error {
	c, err := connect(ctx, s.config, 0)
	if err != nil {
		return err
	}
	defer c.close()
	return explain(ctx, "write sample runs", fill(ctx, c, rows, about))
}

func fill(ctx context.Context, c *conn, rows iter.Seq[*runs.Run], about string) error {
	if err := c.exec(ctx, "BEGIN; SET LOCAL client_encoding = 'UTF8'; SET LOCAL lock_timeout = '10s'"); err != nil {
		return err
	}
	found, err := c.query(ctx, findTable)
	if err != nil {
		return err
	}
	table := TableName
	if len(found) == 0 {
		if err := c.exec(ctx, CreateTable); err != nil {
			return err
		}
	} else {
		table = found[0][1]
		row, err := c.one(ctx, "SELECT EXISTS (SELECT FROM "+table+")")
		if err != nil {
			return err
		}
		switch marked := strings.HasPrefix(found[0][5], sampleMark); {
		case row[0] == "t" && !marked:
			return runs.Failf(runs.Usage, "give another database; sample rows never go among real ones", "table %s holds rows that are no sample", TableName)
		case marked:
			if err := c.exec(ctx, "TRUNCATE "+table); err != nil {
				return err
			}
		}
	}
	if err := copyRows(ctx, c, table, rows); err != nil {
		return err
	}
	return c.exec(ctx, "COMMENT ON TABLE "+table+" IS "+quote(sampleMark+" "+about+")")+"; COMMIT; ANALYZE "+table)
}

// copyRows sends rows while they are made. An interrupted copy may go on reading
// for a moment: a pipe stands between, and the rows end with it.
func copyRows(ctx context.Context, c *conn, table string, rows iter.Seq[*runs.Run]) error {
	r, w := io.Pipe()
	made := make(chan struct{})
	go func() {
		defer close(made)
		w.CloseWithError(writeCopy(w, rows))
	}()
	_, err := c.pg.CopyFrom(ctx, r, "COPY "+table+" ("+strings.Join(runs.Columns, ", ")+") FROM STDIN (FORMAT binary)")
	r.Close()
	<-made
	return err
}

// writeCopy writes a binary COPY.
func writeCopy(w io.Writer, rows iter.Seq[*runs.Run]) error {
	const enough = 64 << 10
	b := append(make([]byte, 0, 2*enough), "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"...)
	for r := range rows {
		b = appendCopyRow(b, r)
		if len(b) < enough {
			continue
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
		b = b[:0]
	}
	_, err := w.Write(binary.BigEndian.AppendUint16(b, 0xFFFF))
	return err
}

func appendCopyRow(b []byte, r *runs.Run) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(runs.Columns)))
	for _, v := range [][]byte{r.ID, r.TenantID, r.WorkflowName, r.WorkflowVersion, r.Status} {
		b = appendCopyBytes(b, v)
	}
	b = appendCopyTime(b, r.StartedAt)
	b = appendCopyTime(b, r.CompletedAt)
	b = appendCopyInt(b, r.DurationMS, 8)
	b = appendCopyInt(b, r.StepsCompleted, 4)
	b = appendCopyInt(b, r.StepsTotal, 4)
	b = appendCopyBytes(b, r.ErrorMessage)
	if r.Metadata == nil {
		b = appendCopyBytes(b, nil)
	} else { // jsonb, version 1
		b = binary.BigEndian.AppendUint32(b, uint32(len(r.Metadata)+1))
		b = append(append(b, 1), r.Metadata...)
	}
	return appendCopyTime(b, r.CreatedAt)
}

func appendCopyBytes(b, v []byte) []byte {
	if v == nil {
		return binary.BigEndian.AppendUint32(b, 0xFFFF_FFFF)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(v)))
	return append(b, v...)
}

func appendCopyTime(b []byte, t runs.Time) []byte {
	return appendCopyInt(b, runs.Int{N: t.Micros - pgEpoch, Valid: t.Valid}, 8)
}

func appendCopyInt(b []byte, n runs.Int, size uint32) []byte {
	switch {
	case !n.Valid:
		return binary.BigEndian.AppendUint32(b, 0xFFFF_FFFF)
	case size == 4:
		return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, 4), uint32(n.N))
	}
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(b, 8), uint64(n.N))
}
