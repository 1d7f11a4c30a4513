package postgres

import (
	"bytes"
	"encoding/json"
	"testing"

	"indelible/internal/runs"
)

// FuzzDecode: whatever a server sends is a row or an error.
func FuzzDecode(f *testing.F) {
	t := &table{stamped: true, columns: []column{
		{"id", "text", typeText, false, true}, {"tenant_id", "uuid", typeUUID, false, true}, {"workflow_name", "text", typeText, false, true}, {"workflow_version", "text", typeText, false, true},
		{"status", "text", typeText, false, true}, {"started_at", "timestamptz", typeTimestampTZ, false, true}, {"completed_at", "timestamp", typeTimestamp, false, true},
		{"duration_ms", "numeric", typeNumeric, false, true}, {"steps_completed", "smallint", typeInt2, false, true}, {"steps_total", "integer", typeInt4, false, true},
		{"error_message", "text", typeText, false, true}, {"metadata", "jsonb", typeJSONB, false, true}, {"created_at", "timestamptz", typeTimestampTZ, false, true},
		{"more", "text", typeText, false, true},
	}}
	list, _, err := t.selection(append([]string{"more"}, runs.Columns...))
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte("\x03r-1\x10\x00"), []byte{1, '{', '}'})
	f.Add(bytes.Repeat([]byte{8, 0, 0, 0, 0, 0, 0, 0, 0}, 15), []byte{1, '"'})
	f.Fuzz(func(t *testing.T, lengths, data []byte) {
		values := make([][]byte, len(list))
		for i := range values {
			if i >= len(lengths) || lengths[i] == 0xFF {
				continue
			}
			n := min(int(lengths[i]), len(data))
			values[i] = bytes.Clone(data[:n])
			data = data[n:]
		}
		d := newDecoder(list, 1<<20, true)
		if err := d.decode(values); err == nil && (d.run.ID == nil || d.run.CreatedAt.Valid && !runs.Representable(d.run.CreatedAt.Micros)) {
			t.Errorf("a row that is none: %+v", d.run)
		}
	})
}

// FuzzCursor: a cursor that was tampered with is refused, or is one.
func FuzzCursor(f *testing.F) {
	f.Add(`{"kind":"postgresql","system":"1","database":"2","table":"3","timeline":1,"lsn":"0/10","snapshot":"3:3:"}`)
	f.Add(`{"kind":"postgresql","system":"1","database":"2","table":"3","timeline":1,"lsn":"x","snapshot":"::"}`)
	f.Fuzz(func(t *testing.T, text string) {
		here := &table{oid: "3", stamped: true}
		at := &place{system: "1", database: "2", timeline: 1, lsn: "0/20", snapshot: "5:7:6"}
		q := &runs.Query{Range: &runs.Range{From: json.RawMessage(text)}}
		l, err := here.chainOf(at, q, nil)
		if err != nil {
			return
		}
		if _, xmax, err := parseSnapshot(l.from.Snapshot); err != nil || xmax > 7 || l.from.System != "1" || l.from.Timeline != 1 {
			t.Errorf("%q goes on as %+v", text, l.from)
		}
	})
}
