package seal

import (
	"bytes"
	"fmt"
	"testing"

	"indelible"
	"indelible/internal/vectortest"
)

func repeated(b byte, n int) []byte { return bytes.Repeat([]byte{b}, n) }

// vectorKey is a data key of one byte repeated, and its id of another.
func vectorKey(key, id byte) *DataKey {
	return &DataKey{ID: indelible.ID(repeated(id, 16)), Key: [32]byte(repeated(key, 32))}
}

const vectorEvent = `{
	"timestamp": "2024-10-25T16:03:11.250+02:00", "event_type": "data_access", "user_id": "maria@acme.example", "tenant_id": "acme",
	"resource_type": "dataset", "resource_id": "ds-7", "action": "export", "outcome": "success",
	"details": {"rows": 1e3, "format": "csv"}, "id": "0192C5A0-7C1B-7E3A-9B1D-3F5E7A9C1B2D", "source_ip": "192.0.2.7"
}`

// vectorParts are the parts of the worked example.
func vectorParts(t *testing.T) []Part {
	t.Helper()
	e, err := indelible.ParseEvent([]byte(vectorEvent))
	if err != nil {
		t.Fatal(err)
	}
	tenant, subject := vectorKey(0x88, 0x99), vectorKey(0xaa, 0xbb)
	first, second := e.AppendSealedParts(nil, false)
	return []Part{{first, tenant}, {second, subject}}
}

func vectorSalt() *[32]byte { return (*[32]byte)(repeated(0x66, 32)) }

// padded is the padded form of content.
func padded(content []byte) []byte {
	return append(bytes.Clone(content), make([]byte, indelible.PaddedLength(len(content))-len(content))...)
}

// The worked example in docs/format.md, and a second implementation that opens it.
func TestVectors(t *testing.T) {
	b := vectortest.NewBlock("sealed")
	parts := vectorParts(t)
	payload := appendPayload(nil, testOrigin, vectorSalt(), parts)
	b.Text("origin", testOrigin)
	for i, p := range parts {
		b.Gap()
		keys := indelible.DerivePartKeys(&p.Key.Key, vectorSalt(), testOrigin, i)
		committed := p.Content
		if i == 0 {
			committed = append(bytes.Clone(parts[1].Key.ID[:]), committed...)
		}
		commitment := keys.Commitment(committed)
		b.Text(fmt.Sprintf("content of part %d", i), string(p.Content))
		b.Bytes(fmt.Sprintf("k_enc of part %d", i), keys[:32])
		b.Bytes(fmt.Sprintf("k_commit of part %d", i), keys[32:])
		b.Bytes(fmt.Sprintf("commitment of part %d", i), commitment[:])
		b.Bytes(fmt.Sprintf("padded content of part %d", i), padded(committed))
	}
	decoded, err := indelible.DecodePayload(payload)
	if err != nil {
		t.Fatal(err)
	}
	binding := indelible.PartBinding(testOrigin, decoded.Header())
	aad := indelible.PartAAD(&binding, 1)
	b.Gap()
	b.Bytes("additional data of part 1", aad[:])
	b.Bytes("sealed payload", payload)
	h := decoded.Hash()
	b.Bytes("sealed payload hash", h[:])

	b.Gap()
	content := append(repeated(0x44, 32), "acme"...)
	names := vectorKey(0xdd, 0xee)
	descriptor := appendDescriptor(nil, testOrigin, names, [12]byte(repeated(0xc2, 12)), content)
	b.Bytes("tenant descriptor", descriptor)
	b.Check(t, "../../docs/format.md")

	if quick, err := indelible.HashPayload(payload); err != nil || quick != h {
		t.Errorf("the two ways to the payload hash differ: %v", err)
	}
	if back, err := OpenDescriptor(descriptor, testOrigin, names); err != nil || !bytes.Equal(back, content) {
		t.Errorf("the descriptor opens to %x, %v", back, err)
	}
	opened, err := secondOpen(payload, testOrigin, func(id []byte) []byte {
		return map[string][]byte{string(repeated(0x99, 16)): repeated(0x88, 32), string(repeated(0xbb, 16)): repeated(0xaa, 32)}[string(id)]
	})
	if err != nil || len(opened) != 2 || string(opened[0]) != string(parts[0].Content) || string(opened[1]) != string(parts[1].Content) {
		t.Errorf("the second implementation opens %q, %v", opened, err)
	}
}
