package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"indelible"
	"indelible/internal/ledger"
	"indelible/internal/recorder"
	"indelible/internal/seal"
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
	Members  json.RawMessage `json:"members,omitempty"` // of an event, as far as there are keys
	Missing  string          `json:"missing,omitempty"` // why there are none for the rest
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

// newEntry reads a proved leaf and its payload. Of an event that was erased in
// part, what is left of it is returned.
func newEntry(e *ledger.Entry, treeSize uint64, sealer recorder.Sealer) (*entry, *indelible.Event, error) {
	l := &e.Leaf
	out := &entry{
		Index: e.Index, Kind: l.Kind.String(), Segment: l.Segment, Time: commitTime(l.Time), TenantNo: l.TenantNo, TreeSize: treeSize,
		Leaf: entryLeaf{indelible.LeafHash(e.Encoded), l.EventRef, l.TenantSeq, l.Previous, l.Payload, e.Encoded},
	}
	if e.Payload == nil && e.Expired != nil {
		out.Missing = fmt.Sprintf("expired on %s under the retention policy; leaf %d says so", time.UnixMilli(e.Expired.At).UTC().Format(time.DateOnly), e.Expired.Index)
		return out, skeleton(nil), nil
	}
	if l.Kind.Recorded() {
		opened, err := sealer.Open(e.Payload)
		if err == nil && opened.Missing != nil && !errors.Is(opened.Missing, seal.ErrErased) {
			err = opened.Missing
		}
		if err != nil {
			return nil, nil, fmt.Errorf("leaf %d: %w", e.Index, err)
		}
		if opened.Event != nil {
			out.Event = opened.Event.AppendJSON(nil)
			return out, opened.Event, nil
		}
		out.Missing = opened.Missing.Error()
		if len(opened.Members) > 0 {
			if out.Members, err = marshalJSON(opened.Members); err != nil {
				return nil, nil, err
			}
		}
		return out, skeleton(opened.Members), nil
	}
	if l.Kind == indelible.KindTenant {
		t, err := sealer.OpenTenant(e.Payload)
		if errors.Is(err, indelible.ErrSealed) {
			out.Missing = err.Error()
			return out, nil, nil
		}
		if err == nil {
			out.Content, err = marshalJSON(t)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("leaf %d: %w", e.Index, err)
		}
		return out, nil, nil
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

// skeleton is an event as far as it is known, for a line of tail.
func skeleton(members map[string]json.RawMessage) *indelible.Event {
	e := &indelible.Event{}
	text := func(name string) (s string) {
		json.Unmarshal(members[name], &s) // what is not there stays empty
		return s
	}
	e.Timestamp, _ = time.Parse(time.RFC3339Nano, text("timestamp"))
	e.TenantID, e.EventType, e.Action, e.Outcome = text("tenant_id"), text("event_type"), text("action"), text("outcome")
	e.ResourceType, e.ResourceID, e.UserID = text("resource_type"), text("resource_id"), "(erased)"
	return e
}

// line is the entry as one line of JSON, the event in its canonical form.
func (e *entry) line() ([]byte, error) { return jsonLine(e) }

// marshalJSON is json.Marshal without changing the letters < > & of canonical text.
func marshalJSON(v any) ([]byte, error) {
	line, err := jsonLine(v)
	return bytes.TrimSuffix(line, []byte("\n")), err
}

// jsonLine is json.Marshal and a newline, without changing the letters < > &
// of canonical text.
func jsonLine(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return b.Bytes(), err
}
