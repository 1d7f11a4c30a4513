package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"

	"indelible"
	"indelible/internal/store"
)

const (
	headsMagic = "INHD"
	maxHeads   = store.MaxObject - 1
)

// headsObject is what `heads/<size>` holds: docs/format.md, Heads.
type headsObject struct {
	Full         bool
	Size         uint64
	PreviousSize uint64
	Rows         uint64 // in the whole table
	Changed      []indelible.Row
	Leaves       []keptLeaf
}

// keptLeaf is a system or tenant leaf with its payload.
type keptLeaf struct {
	Index   uint64
	Leaf    []byte
	Payload []byte
}

func (h *headsObject) encode() []byte {
	b := indelible.AppendPrefix(nil, headsMagic)
	var flags uint16
	if h.Full {
		flags = 1
	}
	b = binary.BigEndian.AppendUint16(b, flags)
	b = binary.BigEndian.AppendUint64(b, h.Size)
	b = binary.BigEndian.AppendUint64(b, h.PreviousSize)
	b = binary.BigEndian.AppendUint64(b, h.Rows)
	b = binary.BigEndian.AppendUint32(b, uint32(len(h.Changed)))
	for i := range h.Changed {
		b = h.Changed[i].AppendTo(b)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(h.Leaves)))
	for _, l := range h.Leaves {
		b = binary.BigEndian.AppendUint64(b, l.Index)
		b = append(b, l.Leaf...)
		b = binary.BigEndian.AppendUint32(b, uint32(len(l.Payload)))
		b = append(b, l.Payload...)
	}
	return b
}

func decodeHeadsObject(b []byte) (*headsObject, error) {
	if err := indelible.CheckPrefix("heads", headsMagic, b); err != nil {
		return nil, err
	}
	short := errors.New("heads: cut short")
	if len(b) < 36 {
		return nil, short
	}
	flags := binary.BigEndian.Uint16(b[6:])
	if flags > 1 {
		return nil, fmt.Errorf("heads: unknown flags %#x", flags)
	}
	h := &headsObject{
		Full:         flags == 1,
		Size:         binary.BigEndian.Uint64(b[8:]),
		PreviousSize: binary.BigEndian.Uint64(b[16:]),
		Rows:         binary.BigEndian.Uint64(b[24:]),
	}
	n := int(binary.BigEndian.Uint32(b[32:]))
	b = b[36:]
	if n > len(b)/indelible.RowSize {
		return nil, short
	}
	h.Changed = make([]indelible.Row, n)
	for i := range h.Changed {
		h.Changed[i] = indelible.DecodeRow(b)
		b = b[indelible.RowSize:]
	}
	if len(b) < 4 {
		return nil, short
	}
	n, b = int(binary.BigEndian.Uint32(b)), b[4:]
	if n > len(b)/(12+indelible.LeafSize) {
		return nil, short
	}
	h.Leaves = make([]keptLeaf, n)
	for i := range h.Leaves {
		if len(b) < 12+indelible.LeafSize {
			return nil, short
		}
		l := keptLeaf{Index: binary.BigEndian.Uint64(b), Leaf: b[8 : 8+indelible.LeafSize]}
		size := int(binary.BigEndian.Uint32(b[8+indelible.LeafSize:]))
		b = b[12+indelible.LeafSize:]
		if size > len(b) {
			return nil, short
		}
		l.Payload, b = b[:size:size], b[size:]
		h.Leaves[i] = l
	}
	if len(b) != 0 {
		return nil, fmt.Errorf("heads: %d bytes left over", len(b))
	}
	return h, nil
}
