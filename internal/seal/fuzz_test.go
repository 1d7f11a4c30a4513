package seal

import (
	"bytes"
	"testing"

	"indelible"
)

// FuzzPayload: whatever claims to be a sealed payload is opened as it was made
// or refused, by both implementations alike.
func FuzzPayload(f *testing.F) {
	parts := []Part{
		{[]byte(`{"/a":"b"}`), vectorKey(0x88, 0x99)},
		{[]byte(`{"/c":"d"}`), vectorKey(0xaa, 0xbb)},
	}
	f.Add(appendPayload(nil, testOrigin, vectorSalt(), parts))
	f.Add(AppendPayload(nil, testOrigin, parts[0]))
	f.Fuzz(func(t *testing.T, b []byte) {
		contents, err := open(b, parts)
		if err != nil {
			return
		}
		for i, c := range contents {
			if !bytes.Equal(c, parts[i].Content) {
				t.Errorf("part %d opens as %q", i, c)
			}
		}
	})
}

// FuzzDescriptor: a descriptor opens as it was made or not at all.
func FuzzDescriptor(f *testing.F) {
	key := vectorKey(0xdd, 0xee)
	content := append(repeated(0x44, 32), "acme"...)
	f.Add(appendDescriptor(nil, testOrigin, key, [12]byte(repeated(0xc2, 12)), content))
	f.Add([]byte("INTD\x01\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		id, err := DescriptorKey(b)
		if err != nil {
			return
		}
		if back, err := OpenDescriptor(b, testOrigin, key); err == nil && (id != key.ID || !bytes.Equal(back, content)) {
			t.Errorf("opens as %x under %s", back, id)
		}
	})
}

// FuzzSubjectKeys: a tenant part that names keys is taken apart without panic,
// and what is left of it is what was there.
func FuzzSubjectKeys(f *testing.F) {
	f.Add([]byte("0123456789abcdef{}"), 1, byte(indelible.AlgAESGCM))
	f.Add([]byte(`{"/a":"b","keys":["bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"]}`), 1, byte(indelible.AlgAESGCMNonce))
	f.Add([]byte(`"]}`), 8, byte(indelible.AlgAESGCMNonce))
	f.Fuzz(func(t *testing.T, b []byte, n int, alg byte) {
		if n < 0 || n > maxParts-1 {
			return
		}
		was := bytes.Clone(b)
		p := indelible.Payload{Parts: make([]indelible.Part, n+1)}
		p.Parts[0].Alg = alg
		content, ids, err := p.CutSubjectKeys(b)
		if err != nil {
			return
		}
		kept := bytes.HasSuffix(was, content)
		if alg == indelible.AlgAESGCMNonce && n > 0 {
			kept = content[len(content)-1] == '}' && bytes.HasPrefix(was, content[:len(content)-1])
		}
		if len(ids) != n || !kept {
			t.Errorf("%d keys and %q out of %q", len(ids), content, was)
		}
	})
}
