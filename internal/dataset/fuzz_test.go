package dataset

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"
	"unicode/utf8"

	"indelible/internal/runs"
)

// FuzzManifest: whatever is taken as a manifest is written back as it was, and
// leads nowhere else.
func FuzzManifest(f *testing.F) {
	m := &Manifest{Dataset: Dataset{RunID: "r", Tenants: []Tenant{}, Files: []DataFile{{Path: "runs/a/1/part"}}, Chain: &Link{Name: "c", Cursor: json.RawMessage(`{"a":"1"}`)}}}
	b, err := m.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"format":"indelible/dataset/v2"}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseManifest(b)
		if err != nil {
			return
		}
		if again, err := m.encode(); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%v: %q is written as %q", err, b, again)
		}
		for _, file := range m.Dataset.Files {
			if !CheckName(file.Path) {
				t.Errorf("leads to %q", file.Path)
			}
		}
	})
}

// FuzzRow: a row is JSON that says what the row says, and its id is found.
func FuzzRow(f *testing.F) {
	f.Add([]byte("run-1"), []byte("line\nline \\ \" \x7f é"), int64(1727771400123456), int64(-5))
	f.Add([]byte(`\"`), []byte{0xff}, int64(-62135596800000000), int64(0))
	var columns []runs.Column
	for _, name := range runs.Columns {
		columns = append(columns, runs.Column{Name: name})
	}
	exported := time.Date(2025, 1, 2, 3, 4, 5, 600_000_000, time.UTC)
	f.Fuzz(func(t *testing.T, id, text []byte, micros, number int64) {
		if !runs.Representable(micros) {
			return
		}
		e, err := newRowEncoder(columns, true, exported)
		if err != nil {
			t.Fatal(err)
		}
		r := runs.Run{ID: id, ErrorMessage: text, CreatedAt: runs.Time{Micros: micros, Valid: true}, DurationMS: runs.Int{N: number, Valid: true}}
		line, err := e.appendContent(nil, &r)
		if valid := utf8.Valid(id) && utf8.Valid(text); valid != (err == nil) {
			t.Fatalf("%q %q: %v", id, text, err)
		} else if !valid {
			return
		}
		whole := append(bytes.Clone(line), e.suffix...)
		var got struct {
			ID       *string   `json:"id"`
			Error    *string   `json:"error_message"`
			Created  time.Time `json:"created_at"`
			Duration int64     `json:"duration_ms"`
			Exported time.Time `json:"_export_timestamp"`
		}
		if err := json.Unmarshal(whole, &got); err != nil {
			t.Fatalf("%s: %v", whole, err)
		}
		same := func(s *string, b []byte) bool { return (s == nil) == (b == nil) && (s == nil || *s == string(b)) }
		if !same(got.ID, id) || !same(got.Error, text) || got.Created.UnixMicro() != micros || got.Duration != number || !got.Exported.Equal(exported) {
			t.Errorf("%s does not say %+v", whole, r)
		}
		found, err := idOf(append(line, contentEnd...))
		if err != nil {
			t.Fatal(err)
		}
		var back *string
		if err := json.Unmarshal(found, &back); err != nil || !same(back, id) {
			t.Errorf("id %q of %s: %v", found, whole, err)
		}
		rows, err := contentOf(bytes.NewReader(whole), e.suffix, func(content []byte) error {
			if !bytes.Equal(content, line[:len(content)]) {
				t.Errorf("%q is read back as %q", line, content)
			}
			return nil
		})
		if err != nil || rows != 1 {
			t.Errorf("%d rows, %v", rows, err)
		}
	})
}
