package ledger

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/tlog"

	"indelible"
	"indelible/internal/store"
)

// ErrNotFound: no leaf with that index, id or tenant.
var ErrNotFound = errors.New("not in the log")

// ErrExpired: the payload was removed under the retention policy; the leaf is there.
var ErrExpired = errors.New("expired under the retention policy")

// Reader reads a published log without writing to it. Every leaf it returns
// was proved to be in the checkpoint's tree, every payload to belong to its leaf.
type Reader struct {
	st         store.Store
	vkey       string
	checkpoint *Checkpoint
	segments   *segmentCache

	mu        sync.Mutex
	published *state // as of checkpoint, once somebody asks
}

// Entry is a leaf and its payload, at their place in the log.
type Entry struct {
	Index   uint64
	Leaf    indelible.Leaf
	Encoded []byte  // the leaf
	Payload []byte  // nil when the segment expired and the leaf is of a tenant
	Expired *Expiry // set when the segment was removed under the retention policy
}

// NewReader opens the checkpoint of a store with the log's verifier key.
func NewReader(ctx context.Context, st store.Store, vkey string) (*Reader, error) {
	r := &Reader{st: st, vkey: vkey, segments: newSegmentCache(st)}
	return r, r.Refresh(ctx)
}

// Refresh reads the checkpoint again; the log may have grown.
func (r *Reader) Refresh(ctx context.Context) error {
	signed, err := readAll(ctx, r.st, checkpointName, maxCheckpoint)
	if err != nil {
		return missing(checkpointName, err)
	}
	c, err := OpenCheckpoint(signed, r.vkey)
	if errors.Is(err, ErrWrongKey) {
		return err
	}
	if err != nil {
		return damaged(checkpointName, err)
	}
	if old := r.checkpoint; old != nil && c.Size < old.Size {
		return tampered(checkpointName, "rolled back from size %d to %d", old.Size, c.Size)
	}
	r.checkpoint = c
	return nil
}

// Checkpoint is the tree head everything read is proved against.
func (r *Reader) Checkpoint() *Checkpoint { return r.checkpoint }

// LogKeys returns the verifier keys the log had, the current one first: those
// before it handed over to it, in the log, with a signature each.
func (r *Reader) LogKeys(ctx context.Context) ([]string, error) {
	s, err := loadPublished(ctx, r.st, r.checkpoint)
	if err != nil {
		return nil, err
	}
	var vkeys []string
	slices.Reverse(s.oldKeys)
	for _, key := range append([]indelible.PublicKey{s.logKey}, s.oldKeys...) {
		vkey, err := indelible.FormatVerifierKey(r.checkpoint.Origin, key)
		if err != nil {
			return nil, err
		}
		vkeys = append(vkeys, vkey)
	}
	if !slices.Contains(vkeys, r.vkey) {
		return nil, tampered(checkpointName, "signed with a key that is not one the log itself names")
	}
	return vkeys, nil
}

// Continues checks that the log continues an earlier tree of its own, whose
// checkpoint one of its keys signed.
func (r *Reader) Continues(ctx context.Context, earlier *Checkpoint) error {
	if earlier.Size > r.checkpoint.Size {
		return tampered(checkpointName, "its tree of size %d does not reach the one of size %d", r.checkpoint.Size, earlier.Size)
	}
	root, err := treeHash(ctx, r.st, r.checkpoint, earlier.Size)
	if err == nil && root != earlier.Root {
		err = tampered(checkpointName, "does not continue the tree of size %d", earlier.Size)
	}
	return err
}

// Entry reads one leaf with its payload.
func (r *Reader) Entry(ctx context.Context, index uint64) (*Entry, error) {
	e, _, err := r.entry(ctx, index)
	return e, err
}

func (r *Reader) entry(ctx context.Context, index uint64) (*Entry, tlog.RecordProof, error) {
	if index >= r.checkpoint.Size {
		return nil, nil, fmt.Errorf("%w: index %d; the log has %d leaves", ErrNotFound, index, r.checkpoint.Size)
	}
	encoded, proof, err := publishedLeaf(ctx, r.st, r.checkpoint, index)
	if err != nil {
		return nil, nil, err
	}
	e := &Entry{Index: index, Encoded: encoded}
	if err := e.Leaf.Decode(encoded); err != nil {
		return nil, nil, damaged(fmt.Sprintf("leaf %d", index), err)
	}
	if e.Payload, err = r.payload(ctx, &e.Leaf, index); err != nil {
		err = r.removed(ctx, e, err)
	}
	return e, proof, err
}

// payload reads the payload of a leaf from its segment: one short read for the
// header, one for the payload.
func (r *Reader) payload(ctx context.Context, leaf *indelible.Leaf, index uint64) ([]byte, error) {
	return beneath(r.st, func(st store.Store) ([]byte, error) {
		b, err := readPayload(ctx, st, leaf.Segment, index)
		if err != nil {
			return nil, err
		}
		if h, err := indelible.HashPayload(b); err != nil || h != leaf.Payload {
			return nil, tampered(segmentName(leaf.Segment), "payload of leaf %d does not match its leaf", index)
		}
		return b, nil
	})
}

// Entries yields leaves first to end−1 with their payloads, in order.
func (r *Reader) Entries(ctx context.Context, first, end uint64) iter.Seq2[*Entry, error] {
	return func(yield func(*Entry, error) bool) {
		hashes := treeReader(ctx, r.st, r.checkpoint)
		end = min(end, r.checkpoint.Size)
		for at := first; at < end; {
			n := at / torchwood.TileWidth
			w := min(r.checkpoint.Size-n*torchwood.TileWidth, torchwood.TileWidth)
			b, err := r.bundle(ctx, hashes, n, int(w))
			if err != nil {
				yield(nil, err)
				return
			}
			for ; at < min(end, n*torchwood.TileWidth+w); at++ {
				e, err := r.fromBundle(ctx, bundleEntry(b, at), at)
				if !yield(e, err) || err != nil {
					return
				}
			}
		}
	}
}

// bundle reads a bundle and proves its leaves.
func (r *Reader) bundle(ctx context.Context, hashes tlog.HashReader, n uint64, w int) ([]byte, error) {
	return beneath(r.st, func(st store.Store) ([]byte, error) { return provedBundle(ctx, st, hashes, n, w) })
}

func provedBundle(ctx context.Context, st store.Store, hashes tlog.HashReader, n uint64, w int) ([]byte, error) {
	b, err := readTile(ctx, st, -1, int64(n), w)
	if err != nil {
		return nil, err
	}
	leaves, err := bundleHashes(b)
	if err != nil {
		return nil, damaged(bundleName(int64(n), w), err)
	}
	indexes := make([]int64, w)
	for i := range indexes {
		indexes[i] = tlog.StoredHashIndex(0, int64(n)*torchwood.TileWidth+int64(i))
	}
	proved, err := hashes.ReadHashes(indexes)
	if err != nil {
		return nil, fmt.Errorf("prove the leaves of bundle %d: %w", n, err)
	}
	for i, h := range proved {
		if tlog.Hash(leaves[i]) != h {
			return nil, tampered(bundleName(int64(n), w), "leaf %d is not the one in the tree", n*torchwood.TileWidth+uint64(i))
		}
	}
	return b, nil
}

func (r *Reader) fromBundle(ctx context.Context, encoded []byte, index uint64) (*Entry, error) {
	e := &Entry{Index: index, Encoded: encoded}
	if err := e.Leaf.Decode(encoded); err != nil {
		return nil, damaged(fmt.Sprintf("leaf %d", index), err)
	}
	seg, err := r.segments.get(ctx, e.Leaf.Segment, index, encoded)
	if err != nil {
		return e, r.removed(ctx, e, err)
	}
	e.Payload = seg.Payloads[index-seg.OldSize]
	return e, nil
}

// Prove makes the evidence of one leaf, showing the first `shown` parts of its
// payload. Encrypted ones are shown with the keys that open them, as far as
// opener has them; nil shows none of them.
func (r *Reader) Prove(ctx context.Context, index uint64, shown int, opener Opener) (*indelible.Evidence, error) {
	e, proof, err := r.entry(ctx, index)
	if err != nil {
		return nil, err
	}
	if e.Payload == nil {
		return nil, fmt.Errorf("%w: leaf %d", ErrExpired, index)
	}
	payload, err := disclose(e.Payload, shown, opener)
	if err != nil {
		return nil, err
	}
	return &indelible.Evidence{
		Format: indelible.EvidenceFormat, Origin: r.checkpoint.Origin, Index: index, Leaf: e.Encoded, Payload: payload,
		Proof: string(torchwood.FormatProof(int64(index), proof, r.checkpoint.Signed)),
	}, nil
}

// disclose makes the payload of evidence.
func disclose(payload []byte, shown int, opener Opener) (indelible.EvidencePayload, error) {
	var keys []indelible.PartKeys
	if opener != nil {
		var err error
		if keys, err = opener.PartKeys(payload, shown); err != nil {
			return indelible.EvidencePayload{}, err
		}
	}
	return indelible.NewEvidencePayload(payload, shown, keys)
}
