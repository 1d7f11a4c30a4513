package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"indelible"
)

// systemContent reads the content of a system payload into v.
func systemContent(payload []byte, v any) error {
	p, err := indelible.DecodePayload(payload)
	if err != nil {
		return err
	}
	if len(p.Parts) != 1 || p.Parts[0].Alg != indelible.AlgNone {
		return errors.New("system payload is not plain")
	}
	content := p.Parts[0].Data
	canonical, err := indelible.AppendCanonicalJSON(nil, content)
	if err != nil || !bytes.Equal(canonical, content) {
		return errors.New("system payload is not canonical JSON")
	}
	d := json.NewDecoder(bytes.NewReader(content))
	d.DisallowUnknownFields()
	return d.Decode(v)
}

// checkSystem checks the content of a system leaf against the log so far and
// notes what it changes.
func (t *txn) checkSystem(leaf *indelible.Leaf, payload []byte, seg *Segment) error {
	s := t.base
	index := t.size
	if (leaf.Kind == indelible.KindGenesis) != (index == 0) {
		return fmt.Errorf("%s at index %d", leaf.Kind, index)
	}
	switch leaf.Kind {
	case indelible.KindGenesis:
		var g indelible.Genesis
		if err := systemContent(payload, &g); err != nil {
			return err
		}
		if g.Origin != s.origin {
			return fmt.Errorf("genesis of another log, %q", g.Origin)
		}
		origin, key, err := indelible.ParseVerifierKey(g.VerifierKey)
		if err != nil || origin != s.origin {
			return fmt.Errorf("genesis names the key of %q: %w", origin, err)
		}
		t.logKey, t.logID = key, g.LogID
		if err := g.Writer.Verify(key, s.origin, g.LogID); err != nil {
			return err
		}
		t.writers = append(t.writers, g.Writer)
		if g.Operator != nil {
			gov := t.decide()
			gov.operators = append(gov.operators, *g.Operator)
		}
	case indelible.KindWriterKey:
		var w indelible.WriterKey
		if err := systemContent(payload, &w); err != nil {
			return err
		}
		if w.Origin != s.origin || w.LogID != t.logID {
			return errors.New("writer key of another log")
		}
		if err := w.Writer.Verify(t.logKey, s.origin, w.LogID); err != nil {
			return err
		}
		t.writers = append(t.writers, w.Writer)
	case indelible.KindHeads:
		var h indelible.Heads
		if err := systemContent(payload, &h); err != nil {
			return err
		}
		if want := t.headsContent(); h != want {
			return errors.New("heads leaf does not match the table of tenants")
		}
		if index+1 != seg.NewSize {
			return errors.New("heads leaf is not the last of its segment")
		}
		t.heads = true
	case indelible.KindClock:
		var c indelible.Clock
		if err := systemContent(payload, &c); err != nil {
			return err
		}
		t.stepBack = true
	case indelible.KindLogKey:
		var r indelible.LogKey
		if err := systemContent(payload, &r); err != nil {
			return err
		}
		key, err := r.Verify(t.logKey, s.origin, t.logID)
		if err != nil {
			return err
		}
		t.logKey = key
	}
	return t.checkGovernance(leaf, payload)
}
