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
		{[]byte(`{"/a":"b","keys":["bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"]}`), vectorKey(0x88, 0x99)},
		{[]byte(`{"/c":"d"}`), vectorKey(0xaa, 0xbb)},
	}
	f.Add(appendPayload(nil, testOrigin, vectorRandom(), parts))
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
	f.Add([]byte(`{"/a":"b","keys":["bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"]}`), 1)
	f.Add([]byte(`"]}`), 8)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		if n < 0 || n > maxParts-1 {
			return
		}
		was := bytes.Clone(b)
		content, ids, err := indelible.CutSubjectKeys(b, n)
		if err != nil {
			return
		}
		if len(ids) != n || len(content) > len(was) || n > 0 && (content[len(content)-1] != '}' || !bytes.HasPrefix(was, content[:len(content)-1])) {
			t.Errorf("%d keys and %q out of %q", len(ids), content, was)
		}
	})
}
