package ledger

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"indelible"
	"indelible/internal/vectortest"
)

// The log of the worked examples in docs/format.md: a genesis, a tenant with
// one event, a heads leaf; one segment each. The keys are those of the block of
// records.
type vectorLog struct {
	t      *testing.T
	state  *state
	logKey ed25519.PrivateKey
	writer Writer
	nonce  byte
}

func vectorSeed(b byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{b}, 32))
}

const (
	vectorOrigin = "example.com/log"
	vectorTime   = 1_700_000_000_000
)

func newVectorLog(t *testing.T) *vectorLog {
	v := &vectorLog{t: t, state: newState(vectorOrigin), logKey: vectorSeed(0x01), nonce: 0xd0}
	v.state.logID = indelible.ID(bytes.Repeat([]byte{0x11}, 16))
	directory := indelible.ID(bytes.Repeat([]byte{0x22}, 16))
	key := vectorSeed(0x02)
	v.writer = Writer{Key: key, Endorsed: indelible.Endorse(v.logKey, vectorOrigin, v.state.logID, directory, publicKey(key), 1)}
	return v
}

// payload makes a payload of one part with a salt of one byte repeated.
func (v *vectorLog) payload(salt byte, content any) []byte {
	v.t.Helper()
	text, err := json.Marshal(content)
	if err != nil {
		v.t.Fatal(err)
	}
	canonical, err := indelible.AppendCanonicalJSON(nil, text)
	if err != nil {
		v.t.Fatal(err)
	}
	return indelible.AppendPayload(nil, (*[32]byte)(bytes.Repeat([]byte{salt}, 32)), canonical)
}

func (v *vectorLog) add(x *txn, kind indelible.Kind, ref indelible.Ref, no uint64, payload []byte) {
	v.t.Helper()
	h, err := indelible.HashPayload(payload)
	if err != nil {
		v.t.Fatal(err)
	}
	x.add(kind, ref, no, h, payload)
}

// commit seals the transaction's segment, has a second state replay it, and
// returns its bytes and what was published.
func (v *vectorLog) commit(x *txn, position uint64) (*Segment, []byte, []object) {
	v.t.Helper()
	s := v.state
	seg, _ := x.seal(&v.writer, 1, indelible.ID{}, journalMark{})
	seg.Nonce = [16]byte(bytes.Repeat([]byte{v.nonce}, 16))
	v.nonce++
	if position > 0 {
		seg.Journal = indelible.ID(bytes.Repeat([]byte{0xaa}, 16))
		seg.JournalPosition, seg.JournalHash = position, indelible.Hash(bytes.Repeat([]byte{0xee}, 32))
	}
	data := seg.Seal(v.writer.Key)
	x.abort()

	decoded, err := DecodeSegment(data)
	if err != nil {
		v.t.Fatal(err)
	}
	again := s.begin(seg.Seq, seg.Time)
	if err := again.replay(decoded, decoded.digest()); err != nil {
		v.t.Fatalf("segment %d does not replay: %v", seg.Seq, err)
	}
	return seg, data, again.commit(decoded)
}

func TestVectors(t *testing.T) {
	b := vectortest.NewBlock("segments")
	v := newVectorLog(t)
	vkey, err := indelible.FormatVerifierKey(vectorOrigin, publicKey(v.logKey))
	if err != nil {
		t.Fatal(err)
	}

	x := v.state.begin(0, vectorTime)
	v.add(x, indelible.KindGenesis, indelible.Ref{}, 0, v.payload(0x10, indelible.Genesis{
		Format: 1, Suite: 1, Origin: vectorOrigin, VerifierKey: vkey, LogID: v.state.logID, Writer: v.writer.Endorsed,
	}))
	v.show(b, x, 0)

	idKey, tenantSalt := [32]byte(bytes.Repeat([]byte{0x33}, 32)), [32]byte(bytes.Repeat([]byte{0x44}, 32))
	tenantKey := indelible.TenantKey(&idKey, &tenantSalt)
	event, err := indelible.ParseEvent([]byte(`{"timestamp":"2024-10-25T14:03:11.25Z","event_type":"system","user_id":"","tenant_id":"acme","resource_type":"disk",
		"resource_id":"","action":"check","outcome":"success","id":"0192c5a0-7c1b-7e3a-9b1d-3f5e7a9c1b2d"}`))
	if err != nil {
		t.Fatal(err)
	}
	part, _ := event.AppendParts(nil)
	x = v.state.begin(1, vectorTime+200)
	v.add(x, indelible.KindTenant, indelible.TenantRef(&idKey, "acme"), 1, v.payload(0x55, indelible.Tenant{Salt: tenantSalt, TenantID: "acme", TenantNo: 1}))
	v.add(x, indelible.KindEvent, indelible.EventRef(&tenantKey, event.ID), 1, indelible.AppendPayload(nil, (*[32]byte)(bytes.Repeat([]byte{0x66}, 32)), part))
	v.show(b, x, 672)

	x = v.state.begin(2, vectorTime+1000)
	x.heads = true
	v.add(x, indelible.KindHeads, indelible.Ref{}, 0, v.payload(0x77, x.headsContent()))
	for _, o := range v.show(b, x, 0) {
		b.Bytes(o.name, o.data)
	}
	for level, o := range v.state.unfinished() {
		if level == 0 {
			b.Bytes(o.name, o.data)
		}
	}
	v.checkpoint(b)
	b.Check(t, "../../docs/format.md")
}

// show commits a segment and adds it to the block.
func (v *vectorLog) show(b *vectortest.Block, x *txn, position uint64) []object {
	seg, data, objects := v.commit(x, position)
	name := segmentName(seg.Seq)
	b.Bytes(name, data)
	b.Bytes(fmt.Sprintf("hash of segment %d", seg.Seq), seg.Hash[:])
	if seg.Seq == 1 {
		b.Bytes("message signed for segment 1", indelible.SegmentMessage(seg.Hash))
		b.Bytes("signature of segment 1", seg.Signature[:])
	}
	b.Bytes(fmt.Sprintf("root of the tree of size %d", seg.NewSize), seg.NewRoot[:])
	b.Gap()
	return objects
}

// checkpoint signs the tree, whose root is computed once more from its leaves.
func (v *vectorLog) checkpoint(b *vectortest.Block) {
	root := v.state.edge.root()
	var hashes []tlog.Hash
	bundle := v.state.bundle
	leaves, err := bundleHashes(bundle)
	if err != nil {
		v.t.Fatal(err)
	}
	for i, h := range leaves {
		// x/mod's way: the stored hashes of a record, from those before it.
		more, err := tlog.StoredHashesForRecordHash(int64(i), tlog.Hash(h), tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
			out := make([]tlog.Hash, len(indexes))
			for k, n := range indexes {
				out[k] = hashes[n]
			}
			return out, nil
		}))
		if err != nil {
			v.t.Fatal(err)
		}
		hashes = append(hashes, more...)
	}
	other, err := tlog.TreeHash(int64(len(leaves)), tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for k, n := range indexes {
			out[k] = hashes[n]
		}
		return out, nil
	}))
	if err != nil || indelible.Hash(other) != root {
		v.t.Fatalf("x/mod computes another root: %x, %v", other, err)
	}
	signed, err := signCheckpoint(vectorOrigin, v.state.edge.size, root, []ed25519.PrivateKey{v.logKey})
	if err != nil {
		v.t.Fatal(err)
	}
	b.Gap()
	b.Lines("checkpoint", string(signed))
}
