package indelible_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"indelible"
	"indelible/internal/vectortest"
)

// The worked examples in docs/format.md. All keys, salts and ids in them are
// made of one byte repeated, so that anybody can make them again.

func seeded(b byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{b}, 32))
}

func public(k ed25519.PrivateKey) indelible.PublicKey {
	return indelible.PublicKey(k.Public().(ed25519.PublicKey))
}

func bytes16(b byte) [16]byte { return [16]byte(bytes.Repeat([]byte{b}, 16)) }
func bytes32(b byte) [32]byte { return [32]byte(bytes.Repeat([]byte{b}, 32)) }

const (
	vectorOrigin = "example.com/log"
	vectorTime   = 1_700_000_000_000

	vectorEvent = `{
		"timestamp": "2024-10-25T16:03:11.250+02:00", "event_type": "data_access", "user_id": "maria@acme.example", "tenant_id": "acme",
		"resource_type": "dataset", "resource_id": "ds-7", "action": "export", "outcome": "success",
		"details": {"rows": 1e3, "format": "csv"}, "id": "0192C5A0-7C1B-7E3A-9B1D-3F5E7A9C1B2D", "source_ip": "192.0.2.7"
	}`
)

func TestVectors(t *testing.T) {
	b := vectortest.NewBlock("records")
	logID, directory, idKey := bytes16(0x11), bytes16(0x22), bytes32(0x33)
	logKey, writerKey := seeded(0x01), seeded(0x02)
	b.Bytes("log key seed", logKey.Seed())
	b.Bytes("log public key", logKey.Public().(ed25519.PublicKey))
	b.Bytes("writer key seed", writerKey.Seed())
	b.Bytes("writer public key", writerKey.Public().(ed25519.PublicKey))
	b.Bytes("log id", logID[:])
	b.Bytes("directory", directory[:])
	b.Bytes("ledger id-key", idKey[:])
	b.Text("origin", vectorOrigin)
	vkey, err := indelible.FormatVerifierKey(vectorOrigin, public(logKey))
	if err != nil {
		t.Fatal(err)
	}
	b.Text("verifier key", vkey)

	event, err := indelible.ParseEvent([]byte(vectorEvent))
	if err != nil {
		t.Fatal(err)
	}
	audit := event.AuditHash()
	b.Gap()
	b.Text("canonical event", string(event.AppendCanonical(nil)))
	b.Bytes("audit_hash", audit[:])

	tenantSalt := bytes32(0x44)
	tenantRef := indelible.TenantRef(&idKey, "acme")
	tenantKey := indelible.TenantKey(&idKey, &tenantSalt)
	eventRef := indelible.EventRef(&tenantKey, event.ID)
	b.Gap()
	b.Bytes("tenant_ref of acme", tenantRef[:])
	b.Bytes("salt of acme", tenantSalt[:])
	b.Bytes("tenant id-key of acme", tenantKey[:])
	b.Bytes("event_ref", eventRef[:])

	tenantPayload := vectorTenantPayload(tenantSalt)
	eventSalt := bytes32(0x66)
	tenantPart, subjectPart := event.AppendParts(nil)
	eventPayload := indelible.AppendPayload(nil, &eventSalt, tenantPart, subjectPart)
	b.Gap()
	b.Bytes("tenant payload", tenantPayload)
	b.Bytes("tenant payload hash", payloadHash(t, tenantPayload))
	b.Gap()
	b.Text("tenant part of the event", string(tenantPart))
	b.Text("subject part of the event", string(subjectPart))
	b.Bytes("event payload", eventPayload)
	b.Bytes("event payload hash", payloadHash(t, eventPayload))

	tenantLeaf := indelible.Leaf{Kind: indelible.KindTenant, Time: vectorTime, Segment: 3, EventRef: tenantRef, TenantNo: 1, TenantSeq: 1, Payload: indelible.Hash(payloadHash(t, tenantPayload))}
	encodedTenant := tenantLeaf.AppendTo(nil)
	eventLeaf := indelible.Leaf{
		Kind: indelible.KindEvent, Time: vectorTime, Segment: 3, EventRef: eventRef, TenantNo: 1, TenantSeq: 2,
		Previous: indelible.LeafHash(encodedTenant), Payload: indelible.Hash(payloadHash(t, eventPayload)),
	}
	encodedEvent := eventLeaf.AppendTo(nil)
	tenantHash, eventHash := indelible.LeafHash(encodedTenant), indelible.LeafHash(encodedEvent)
	b.Gap()
	b.Bytes("tenant leaf", encodedTenant)
	b.Bytes("tenant leaf hash", tenantHash[:])
	b.Bytes("event leaf", encodedEvent)
	b.Bytes("event leaf hash", eventHash[:])

	rows := []indelible.Row{
		{TenantNo: 1, TenantSeq: 2, Leaf: eventHash, Tenant: tenantHash},
		{TenantNo: 2, TenantSeq: 1, Leaf: bytes32(0x77), Tenant: bytes32(0x77)},
		{TenantNo: 3, TenantSeq: 9, Leaf: bytes32(0x88), Tenant: bytes32(0x99)},
	}
	b.Gap()
	for i := range rows {
		h := rows[i].Hash()
		b.Bytes(fmt.Sprintf("row %d", i+1), rows[i].AppendTo(nil))
		b.Bytes(fmt.Sprintf("row %d hash", i+1), h[:])
	}
	root := indelible.RowNodeHash(indelible.RowNodeHash(rows[0].Hash(), rows[1].Hash()), rows[2].Hash())
	b.Bytes("heads root of the three rows", root[:])

	vectorSignatures(t, b, logKey, writerKey, logID, directory, eventRef, indelible.Hash(payloadHash(t, eventPayload)))
	b.Check(t, "docs/format.md")
}

// vectorTenantPayload is the payload of the tenant leaf of acme.
func vectorTenantPayload(salt [32]byte) []byte {
	payloadSalt := bytes32(0x55)
	content := fmt.Sprintf(`{"salt":"%x","tenant_id":"acme","tenant_no":1}`, salt)
	return indelible.AppendPayload(nil, &payloadSalt, []byte(content))
}

// vectorSignatures adds what is signed: endorsement, receipt, checkpoint.
func vectorSignatures(t *testing.T, b *vectortest.Block, logKey, writerKey ed25519.PrivateKey, logID, directory indelible.ID, ref indelible.Ref, payload indelible.Hash) {
	t.Helper()
	w := indelible.Endorse(logKey, vectorOrigin, logID, directory, public(writerKey), 1)
	message := []byte("\xffindelible/v1/writer-key\x00\x00\x0f" + vectorOrigin)
	message = append(message, logID[:]...)
	message = append(message, w.Key[:]...)
	message = append(message, directory[:]...)
	message = append(message, 0, 0, 0, 0, 0, 0, 0, 1)
	if !ed25519.Verify(logKey.Public().(ed25519.PublicKey), message, w.Signature[:]) {
		t.Error("the endorsement is not over the message the document gives")
	}
	b.Gap()
	b.Bytes("endorsement message", message)
	b.Bytes("endorsement signature", w.Signature[:])

	journal := bytes16(0xaa)
	record, other := indelible.RecordHash(ref, payload, 0), indelible.RecordHash(indelible.Ref(bytes16(0xbb)), bytes32(0xcc), 1)
	root := sha256.Sum256(append(append([]byte{1}, record[:]...), other[:]...))
	message = indelible.ReceiptMessage(logID, journal, 60, vectorTime, root)
	p := indelible.Promise{
		Origin: vectorOrigin, LogID: logID, EventRef: ref, PayloadHash: payload, Journal: journal, Group: 60, Ordinal: 0, Records: 2,
		Time: vectorTime, MergeBy: vectorTime + indelible.MergeWithin.Milliseconds(), Path: []indelible.Hash{other}, Writer: w,
		Signature: indelible.Signature(ed25519.Sign(writerKey, message)),
	}
	if err := p.Verify(public(logKey)); err != nil {
		t.Error(err)
	}
	b.Gap()
	b.Bytes("record hash of the event, ordinal 0", record[:])
	b.Bytes("record hash of another, ordinal 1", other[:])
	b.Bytes("receipt message", message)
	b.Bytes("receipt signature", p.Signature[:])

	text := fmt.Sprintf("%s\n%d\n%s\n", vectorOrigin, 2, "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=")
	signed, err := note.Sign(&note.Note{Text: text}, noteSigner{t, logKey})
	if err != nil {
		t.Fatal(err)
	}
	b.Gap()
	b.Lines("checkpoint of size 2 with a root of 32 times 0x41", string(signed))
}

func payloadHash(t *testing.T, payload []byte) []byte {
	t.Helper()
	h, err := indelible.HashPayload(payload)
	if err != nil {
		t.Fatal(err)
	}
	p, err := indelible.DecodePayload(payload)
	if err != nil || p.Hash() != h {
		t.Fatalf("the two ways to the payload hash differ: %v", err)
	}
	return h[:]
}

// noteSigner signs checkpoints with the log key.
type noteSigner struct {
	t   *testing.T
	key ed25519.PrivateKey
}

func (s noteSigner) verifier() note.Verifier {
	vkey, err := indelible.FormatVerifierKey(vectorOrigin, public(s.key))
	if err != nil {
		s.t.Fatal(err)
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		s.t.Fatal(err)
	}
	return v
}

func (s noteSigner) Name() string                    { return vectorOrigin }
func (s noteSigner) KeyHash() uint32                 { return s.verifier().KeyHash() }
func (s noteSigner) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(s.key, msg), nil }
