package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"indelible"
	"indelible/internal/ledger"
	"indelible/internal/recorder"
)

// entry is a leaf as show and tail print it in JSON: docs/cli-json.md.
type entry struct {
	Index    uint64          `json:"index"`
	Kind     string          `json:"kind"`
	Segment  uint64          `json:"segment"`
	Time     string          `json:"time"`
	TenantNo uint64          `json:"tenant_no,omitempty"`
	TreeSize uint64          `json:"tree_size"`
	Leaf     entryLeaf       `json:"leaf"`
	Event    json.RawMessage `json:"event,omitempty"`
	Content  json.RawMessage `json:"content,omitempty"`
}

type entryLeaf struct {
	Hash        indelible.Hash `json:"hash"`
	EventRef    indelible.Ref  `json:"event_ref"`
	TenantSeq   uint64         `json:"tenant_seq,omitempty"`
	Previous    indelible.Hash `json:"previous"`
	PayloadHash indelible.Hash `json:"payload_hash"`
	Encoded     []byte         `json:"encoded"`
}

// commitTime is how the times of leaves are written: UTC, milliseconds.
func commitTime(ms int64) string {
	return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z07:00")
}

// newEntry reads a proved leaf and its payload.
func newEntry(e *ledger.Entry, treeSize uint64) (*entry, *indelible.Event, error) {
	l := &e.Leaf
	out := &entry{
		Index: e.Index, Kind: l.Kind.String(), Segment: l.Segment, Time: commitTime(l.Time), TenantNo: l.TenantNo, TreeSize: treeSize,
		Leaf: entryLeaf{indelible.LeafHash(e.Encoded), l.EventRef, l.TenantSeq, l.Previous, l.Payload, e.Encoded},
	}
	if l.Kind.Recorded() {
		event, err := recorder.Plain.Open(e.Payload)
		if err != nil {
			return nil, nil, fmt.Errorf("leaf %d: %w", e.Index, err)
		}
		out.Event = event.AppendJSON(nil)
		return out, event, nil
	}
	p, err := indelible.DecodePayload(e.Payload)
	if err != nil {
		return nil, nil, fmt.Errorf("leaf %d: %w", e.Index, err)
	}
	if part := p.Parts[0]; part.Alg == indelible.AlgNone && json.Valid(part.Data) {
		out.Content = part.Data
	}
	return out, nil, nil
}

// line is the entry as one line of JSON, the event in its canonical form.
func (e *entry) line() ([]byte, error) { return jsonLine(e) }

// jsonLine is json.Marshal and a newline, without changing the letters < > &
// of canonical text.
func jsonLine(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return b.Bytes(), err
}
