package ledger

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"time"

	"indelible"
	"indelible/internal/store"
)

// Names and decoders for tests outside the package.
var (
	SegmentName    = segmentName
	HeadsName      = headsName
	TileName       = tileName
	KeptCheckpoint = keptCheckpoint
	SignCheckpoint = signCheckpoint
)

// Region says what stands at a byte of a segment: the number of the leaf, or
// of the leaf whose payload it is; −1 for what belongs to none.
func Region(data []byte, at int) (leaf int, payload bool) {
	seg, err := DecodeSegment(data)
	if err != nil {
		return -1, false
	}
	leaves := seg.size - segmentFooter - len(seg.Leaves)
	if at >= leaves && at < leaves+len(seg.Leaves) {
		return (at - leaves) / indelible.LeafSize, false
	}
	end := seg.size
	for i, p := range seg.Payloads {
		if at >= end && at < end+len(p) {
			return i, true
		}
		end += len(p)
	}
	return -1, false
}

// ReencodeHeads decodes a heads object and encodes it again.
func ReencodeHeads(b []byte) ([]byte, error) {
	h, err := decodeHeadsObject(b)
	if err != nil {
		return nil, err
	}
	return h.encode(), nil
}

// Forger makes segments as somebody who holds the keys can, right or wrong.
type Forger struct {
	cfg Config
	s   *state

	objects []object // completed since the last publish
}

// NewForger replays a log from its beginning.
func NewForger(ctx context.Context, cfg Config) (*Forger, error) {
	f := &Forger{cfg: cfg.withDefaults(), s: newState(cfg.Origin)}
	f.s.logID = cfg.LogID
	err := f.s.replay(ctx, cfg.Store, func(_ *Segment, objects []object) error {
		f.objects = append(f.objects, objects...)
		return nil
	})
	return f, err
}

// Size is the size of the tree; Next the next slot.
func (f *Forger) Size() uint64 { return f.s.edge.size }
func (f *Forger) Next() uint64 { return f.s.seq }

// Draft is a segment in the making.
type Draft struct {
	f    *Forger
	t    *txn
	Edit func(*Segment) // before it is signed
}

// Begin starts the next segment.
func (f *Forger) Begin() *Draft {
	return &Draft{f: f, t: f.s.begin(f.s.seq, max(f.cfg.Clock().UnixMilli(), f.s.time))}
}

// Tenant adds a tenant leaf as a writer would.
func (d *Draft) Tenant(id string, seal func(indelible.Tenant) ([]byte, error)) (no uint64, key [32]byte) {
	no = d.t.tenantCount() + 1
	tenant := indelible.Tenant{TenantID: id, TenantNo: no, Salt: indelible.Hash{byte(no)}}
	payload := must(seal(tenant))
	d.t.add(indelible.KindTenant, indelible.TenantRef(d.f.cfg.IDKey, id), no, must(indelible.HashPayload(payload)), payload)
	return no, indelible.TenantKey(d.f.cfg.IDKey, (*[32]byte)(&tenant.Salt))
}

// Event adds an event leaf to a row.
func (d *Draft) Event(no uint64, ref indelible.Ref, payload []byte) {
	d.t.add(indelible.KindEvent, ref, no, must(indelible.HashPayload(payload)), payload)
}

// System adds a system leaf.
func (d *Draft) System(kind indelible.Kind, content any) {
	if err := d.t.addSystem(kind, content); err != nil {
		panic(err)
	}
}

// Leaf adds any leaf; place, time and payload hash are filled in.
func (d *Draft) Leaf(leaf indelible.Leaf, payload []byte) {
	leaf.Segment, leaf.Time = d.t.seq, d.t.time
	leaf.Payload, _ = indelible.HashPayload(payload)
	encoded := leaf.AppendTo(nil)
	d.Raw(encoded, payload)
}

// Raw adds the bytes of a leaf as they are.
func (d *Draft) Raw(encoded, payload []byte) {
	d.t.leaves = append(d.t.leaves, encoded...)
	d.t.payloads = append(d.t.payloads, payload)
	h := indelible.LeafHash(encoded)
	d.t.hashes = append(d.t.hashes, h[:]...)
	d.t.size++
}

// AwaitSize waits until the status says that the tree has this size.
func (l *Ledger) AwaitSize(ctx context.Context, size uint64) error {
	return l.await(ctx, func(s *Status) bool { return s.Size >= size })
}

// Len is the number of leaves in the draft.
func (d *Draft) Len() int { return len(d.t.payloads) }

// Row is the row of a tenant as the draft has it.
func (d *Draft) Row(no uint64) indelible.Row { return d.t.row(no) }

// Heads closes the draft with a heads leaf, whose content edit may change.
func (d *Draft) Heads(edit func(*indelible.Heads)) *Draft {
	d.t.heads = true
	content := d.t.headsContent()
	if edit != nil {
		edit(&content)
	}
	d.System(indelible.KindHeads, content)
	return d
}

// Seal signs the segment and takes it in as the log's last.
func (d *Draft) Seal(epoch uint64) (seq uint64, data []byte) {
	seg, data := d.t.seal(&d.f.cfg.Writer, epoch, indelible.ID{}, journalMark{})
	if d.Edit != nil {
		d.Edit(seg)
		data = seg.Seal(d.f.cfg.Writer.Key)
	}
	d.f.objects = append(d.f.objects, d.t.commit(seg)...)
	return seg.Seq, data
}

// Put seals the draft, writes it to its slot and publishes the log if the
// draft was closed by a heads leaf.
func (d *Draft) Put(ctx context.Context) error {
	seq, data := d.Seal(d.f.s.epoch)
	if err := d.f.cfg.Store.Create(ctx, segmentName(seq), data, time.Time{}); err != nil {
		return err
	}
	if !d.t.heads {
		return nil
	}
	return d.f.Publish(ctx)
}

// Heads is the newest heads object, as bytes.
func (f *Forger) Heads() []byte {
	for i := len(f.objects) - 1; i >= 0; i-- {
		if _, ok := numberOf(f.objects[i].name, headsPrefix); ok {
			return f.objects[i].data
		}
	}
	return nil
}

// PutExtended is Put for a segment with an extension field in its header.
func (d *Draft) PutExtended(ctx context.Context, field []byte, key ed25519.PrivateKey) error {
	seg, data := d.t.seal(&d.f.cfg.Writer, d.f.s.epoch, indelible.ID{}, journalMark{})
	n := seg.headerSize()
	end := n + len(seg.Leaves)
	b := append(bytes.Clone(data[:n-2]), byte(len(field)>>8), byte(len(field)))
	b = append(append(b, field...), seg.Leaves...)
	binary.BigEndian.PutUint32(b[8:], uint32(n+len(field)))
	copy(b[48:], key.Public().(ed25519.PublicKey))
	seg.Hash = sha256.Sum256(b)
	b = append(append(b, seg.Hash[:]...), ed25519.Sign(key, indelible.SegmentMessage(seg.Hash))...)
	b = append(b, data[end+segmentFooter:]...)
	d.f.objects = append(d.f.objects, d.t.commit(seg)...)
	if err := d.f.cfg.Store.Create(ctx, segmentName(seg.Seq), b, time.Time{}); err != nil || !d.t.heads {
		return err
	}
	return d.f.Publish(ctx)
}

// Publish writes tiles, heads objects and the checkpoint.
func (f *Forger) Publish(ctx context.Context) error {
	objects := append(f.objects, slices.Collect(maps.Values(f.s.unfinished()))...)
	if err := createAll(ctx, f.cfg.Store, objects, time.Time{}); err != nil {
		return err
	}
	f.objects = nil
	signed, err := signCheckpoint(f.cfg.Origin, f.s.edge.size, f.s.edge.root(), f.cfg.LogKeys)
	if err != nil {
		return err
	}
	o, err := f.cfg.Store.Read(ctx, checkpointName, store.ReadOptions{})
	if err != nil {
		o.ETag = ""
	}
	return f.cfg.Store.Replace(ctx, checkpointName, signed, o.ETag)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(fmt.Sprintf("forger: %v", err))
	}
	return v
}
