package ledger

import (
	"crypto/rand"
	"encoding/json"
	"fmt"

	"indelible"
)

// addSystem appends a system leaf with the given content.
func (t *txn) addSystem(kind indelible.Kind, content any) error {
	payload, err := systemPayload(content)
	if err != nil {
		return err
	}
	h, err := indelible.HashPayload(payload)
	if err != nil {
		return err
	}
	t.add(kind, indelible.Ref{}, 0, h, payload)
	return nil
}

// systemPayload makes the payload of a system leaf: one plain part holding
// canonical JSON.
func systemPayload(content any) ([]byte, error) {
	text, err := json.Marshal(content)
	if err != nil {
		return nil, err
	}
	canonical, err := indelible.AppendCanonicalJSON(nil, text)
	if err != nil {
		return nil, fmt.Errorf("system payload: %w", err)
	}
	var salt [32]byte
	rand.Read(salt[:])
	return indelible.AppendPayload(nil, &salt, canonical), nil
}

// closePublish ends the segment with a heads leaf.
func (t *txn) closePublish() error {
	t.heads = true
	return t.addSystem(indelible.KindHeads, t.headsContent())
}

// seal makes the segment of what the transaction holds. mark says how far
// which journal is committed by it.
func (t *txn) seal(w *Writer, epoch uint64, journal indelible.ID, mark journalMark) (*Segment, []byte) {
	s := t.base
	t.roots = new(hasher).tileRoots(nil, t.hashes, s.edge.size)
	t.growTree()
	seg := &Segment{
		Seq: t.seq, Epoch: epoch, LogID: t.logID, Writer: w.Endorsed.Key, Time: t.time,
		OldSize: s.edge.size, OldRoot: s.edge.root(), NewSize: t.edge.size, NewRoot: t.edge.root(),
		Previous: s.last, Voids: s.voids, Leaves: t.leaves, Payloads: t.payloads,
		Journal: journal, JournalPosition: mark.position, JournalHash: mark.hash,
	}
	rand.Read(seg.Nonce[:])
	return seg, seg.sealInto(t.room, w.Key)
}
