package ledger

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"filippo.io/torchwood"

	"indelible"
	"indelible/internal/store"
)

func (inv *inventory) hasSegment(seq uint64) bool {
	_, ok := slices.BinarySearch(inv.segments, seq)
	return ok
}

// versionsOf lists the versions of an object to look at, oldest first; one
// empty name where there is nothing but the object itself.
func (v *verifier) versionsOf(name string) []string {
	versions := v.names.changed[name]
	if versions == nil {
		return []string{""}
	}
	var ids []string
	for _, version := range versions {
		if !version.DeleteMarker {
			ids = append(ids, version.ID)
		}
	}
	return ids
}

// read reads an object: where something was put on top of it, the original.
func (v *verifier) read(ctx context.Context, name string, limit int64) ([]byte, error) {
	versions := v.versionsOf(name)
	if len(versions) == 0 {
		return nil, fmt.Errorf("%s: %w", name, store.ErrNotExist)
	}
	return v.readVersion(ctx, name, limit, versions[0])
}

func (v *verifier) readVersion(ctx context.Context, name string, limit int64, version string) ([]byte, error) {
	o, err := v.st.Read(ctx, name, store.ReadOptions{Length: limit + 1, Version: version})
	if err != nil {
		return nil, err
	}
	if int64(len(o.Data)) > limit {
		return nil, tampered(name, "longer than the %d bytes it can have", limit)
	}
	v.mu.Lock()
	v.report.Bytes += uint64(len(o.Data))
	v.mu.Unlock()
	return o.Data, nil
}

// damagedSegment parses what can be parsed of a damaged slot: the header says
// where leaves and payloads stand.
func damagedSegment(bad []fetched, seq uint64) *Segment {
	for _, f := range bad {
		if f.seq != seq {
			continue
		}
		seg, header, lengths, err := decodeSegmentHeader(f.data)
		if err != nil {
			return nil
		}
		n := int(seg.NewSize - seg.OldSize)
		at := header + n*indelible.LeafSize
		if len(f.data) < at+segmentFooter {
			return nil
		}
		seg.Leaves = f.data[header:at]
		rest := f.data[at+segmentFooter:]
		for i := range n {
			size := min(int(binary.BigEndian.Uint32(f.data[lengths+4*i:])), len(rest))
			seg.Payloads = append(seg.Payloads, rest[:size])
			rest = rest[size:]
		}
		return seg
	}
	return nil
}

// payloadFrom finds the payload of leaf i in a damaged segment and reports the
// leaf if it, or its payload, was hit.
func (v *verifier) payloadFrom(damaged *Segment, i int, seq, index uint64, encoded []byte, leaf *indelible.Leaf) []byte {
	if damaged == nil || i >= damaged.Count() {
		return nil
	}
	payload := damaged.Payloads[i]
	h, _ := indelible.HashPayload(payload)
	intact := h == leaf.Payload
	if intact && bytes.Equal(damaged.Leaf(i), encoded) {
		return payload
	}
	what := "leaf was changed in its segment"
	if !intact {
		what = "payload does not match its leaf"
	}
	v.problem(tampering, Problem{Object: segmentName(seq), Segment: &seq, Index: &index, EventID: v.eventID(payload), What: what})
	if !intact {
		return nil
	}
	return payload
}

// keptPayload finds the payload of a system or tenant leaf in the heads object
// that repeats it.
func (v *verifier) keptPayload(ctx context.Context, index uint64, leaf *indelible.Leaf) []byte {
	var next uint64
	for size := range v.names.heads {
		if size > index && (next == 0 || size < next) {
			next = size
		}
	}
	b, err := v.read(ctx, headsName(next), 1<<30)
	if err != nil {
		return nil
	}
	h, err := decodeHeadsObject(b)
	if err != nil {
		return nil
	}
	for _, k := range h.Leaves {
		if p, err := indelible.HashPayload(k.Payload); err == nil && k.Index == index && p == leaf.Payload {
			return k.Payload
		}
	}
	return nil
}

// bundleLeaves reads the leaves from index first to the end of their bundle or
// to end.
func (v *verifier) bundleLeaves(ctx context.Context, first, end uint64) ([][]byte, error) {
	n := first / torchwood.TileWidth
	w := int(min(v.checkpoint.Size-n*torchwood.TileWidth, torchwood.TileWidth))
	b, err := readTile(ctx, v.st, -1, int64(n), w)
	if err != nil {
		return nil, err
	}
	if _, err := bundleHashes(b); err != nil {
		return nil, tampered(bundleName(int64(n), w), "%v", err)
	}
	const entry = 2 + indelible.LeafSize
	var leaves [][]byte
	for i := first; i < min(end, n*torchwood.TileWidth+uint64(w)); i++ {
		at := int(i%torchwood.TileWidth) * entry
		leaves = append(leaves, b[at+2:at+entry])
	}
	return leaves, nil
}

// eventID reads the event id out of a payload as far as it can be read.
func (v *verifier) eventID(payload []byte) string {
	if v.opt.Opener == nil {
		return ""
	}
	_, id, err := v.opt.Opener.EventIdentity(payload)
	if err != nil {
		return ""
	}
	return id
}

// tenantCheck is what events are compared with.
type tenantCheck struct {
	id    string
	key   [32]byte
	known bool
}

// noteTenants opens the payloads of new tenant leaves: one tenant, one row.
func (v *verifier) noteTenants(tenants []keptLeaf) {
	for _, k := range tenants {
		v.report.Tenants++
		var c tenantCheck
		if v.opt.Opener != nil && k.Payload != nil {
			c = v.checkTenant(k)
		}
		v.tenantKeys = append(v.tenantKeys, c)
		v.system = append(v.system, len(c.id) > 0 && c.id[0] == '_')
	}
}

func (v *verifier) checkTenant(k keptLeaf) (c tenantCheck) {
	var leaf indelible.Leaf
	if leaf.Decode(k.Leaf) != nil {
		return c
	}
	object := segmentName(leaf.Segment)
	wrong := func(what string) {
		v.problem(tampering, Problem{Object: object, Segment: &leaf.Segment, Index: &k.Index, What: what})
	}
	t, err := v.opt.Opener.OpenTenant(k.Payload)
	if err != nil {
		wrong("tenant payload cannot be opened: " + err.Error())
		return c
	}
	if t.TenantNo != leaf.TenantNo {
		wrong(fmt.Sprintf("tenant payload says number %d, its leaf %d", t.TenantNo, leaf.TenantNo))
	}
	for no, other := range v.tenantKeys {
		if other.known && other.id == t.TenantID {
			wrong(fmt.Sprintf("tenant %q is split over rows %d and %d", t.TenantID, no+1, leaf.TenantNo))
		}
	}
	c = tenantCheck{id: t.TenantID, known: true}
	if v.opt.IDKey != nil {
		if indelible.TenantRef(v.opt.IDKey, t.TenantID) != leaf.EventRef {
			wrong(fmt.Sprintf("the reference in the leaf is not that of tenant %q", t.TenantID))
		}
		c.key = indelible.TenantKey(v.opt.IDKey, (*[32]byte)(&t.Salt))
	}
	return c
}

// rootAt computes the root of an earlier tree from the published tiles.
func rootAt(ctx context.Context, st store.Store, c *Checkpoint, size uint64) (indelible.Hash, error) {
	if size > c.Size {
		return indelible.Hash{}, errors.New("tree is larger than the checkpoint's")
	}
	h, err := treeHash(ctx, st, c, size)
	return h, err
}
