package seal

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"math/bits"
	"testing"

	"pgregory.net/rapid"

	"indelible"
)

// open opens all parts under their keys, as evidence does, and makes sure that
// the keys of subject parts are named.
func open(payload []byte, parts []Part) ([][]byte, error) {
	p, err := indelible.DecodePayload(payload)
	if err != nil {
		return nil, err
	}
	binding := indelible.PartBinding(testOrigin, p.Header())
	var contents [][]byte
	for i := range p.Parts {
		keys := indelible.DerivePartKeys(&parts[i].Key.Key, &p.Salt, testOrigin, i)
		content, err := p.OpenPart(nil, &binding, i, &keys)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			var named []indelible.ID
			if content, named, err = p.CutSubjectKeys(content); err != nil {
				return nil, err
			}
			for i, id := range named {
				if id != parts[i+1].Key.ID {
					return nil, errors.New("another key is named")
				}
			}
		}
		contents = append(contents, content)
	}
	return contents, nil
}

// What is sealed opens again, here and by the second implementation, whatever
// its length; lengths show only their bucket.
func TestEnvelope(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		parts := make([]Part, rapid.IntRange(1, maxParts).Draw(t, "parts"))
		for i := range parts {
			parts[i].Key = &DataKey{ID: newID()}
			rand.Read(parts[i].Key.Key[:])
			parts[i].Content = []byte("{" + rapid.StringN(0, -1, 5000).Draw(t, "content") + "}")
		}
		payload := AppendPayload(nil, testOrigin, parts...)
		if want := PayloadLength(parts...); len(payload) != want {
			t.Fatalf("%d bytes, not the %d that were foreseen", len(payload), want)
		}
		back, err := open(payload, parts)
		if err != nil {
			t.Fatal(err)
		}
		second, err := secondOpen(payload, testOrigin, func(id []byte) []byte {
			for i := range parts {
				if bytes.Equal(id, parts[i].Key.ID[:]) {
					return parts[i].Key.Key[:]
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for i := range parts {
			if !bytes.Equal(back[i], parts[i].Content) || !bytes.Equal(second[i], parts[i].Content) {
				t.Fatalf("part %d comes back as %q and %q, was %q", i, back[i], second[i], parts[i].Content)
			}
		}
	})
}

// Every change of a sealed payload is caught: each bit of it, parts that change
// places, parts of another payload.
func TestChangedPayload(t *testing.T) {
	t.Parallel()
	parts := vectorParts(t)
	payload := AppendPayload(nil, testOrigin, parts...)
	for _, payload := range [][]byte{payload, older(t)} {
		for i := range payload {
			for bit := range 8 {
				changed := bytes.Clone(payload)
				changed[i] ^= 1 << bit
				if _, err := open(changed, parts); err == nil {
					t.Errorf("a changed bit %d of byte %d is not noticed", bit, i)
				}
			}
		}
	}
	header := int(4 + binary.BigEndian.Uint32(payload))
	p, err := indelible.DecodePayload(payload)
	if err != nil {
		t.Fatal(err)
	}
	swapped := bytes.Join([][]byte{payload[:header], p.Parts[1].Data, p.Parts[0].Data}, nil)
	other := AppendPayload(nil, testOrigin, parts...)
	mixed := bytes.Join([][]byte{payload[:header], p.Parts[0].Data, other[header+len(p.Parts[0].Data):]}, nil)
	headerOfOther := bytes.Join([][]byte{other[:header], payload[header:]}, nil)
	for what, b := range map[string][]byte{"parts swapped": swapped, "a part of another payload": mixed, "the header of another payload": headerOfOther, "cut short": payload[:len(payload)-1], "longer": append(bytes.Clone(payload), 0)} {
		if _, err := open(b, parts); err == nil {
			t.Errorf("%s: not noticed", what)
		}
	}
	if _, err := open(payload, []Part{{parts[0].Content, parts[1].Key}, parts[1]}); !errors.Is(err, indelible.ErrWrongKey) {
		t.Errorf("another key: %v", err)
	}
	binding := indelible.PartBinding("example.com/other", p.Header())
	keys := indelible.DerivePartKeys(&parts[0].Key.Key, &p.Salt, testOrigin, 0)
	if _, err := p.OpenPart(nil, &binding, 0, &keys); !errors.Is(err, indelible.ErrWrongKey) {
		t.Errorf("a payload of another log: %v", err)
	}
}

// A header that commits to other content, with a ciphertext made for it.
func TestCommitment(t *testing.T) {
	t.Parallel()
	parts := vectorParts(t)
	keys := indelible.DerivePartKeys(&parts[0].Key.Key, (*[32]byte)(repeated(0x66, 32)), testOrigin, 0)
	p := &indelible.Payload{Parts: []indelible.Part{{Alg: indelible.AlgAESGCM, Commitment: keys.Commitment([]byte("what was said"))}}}
	binding := indelible.PartBinding(testOrigin, nil)
	aad := indelible.PartAAD(&binding, 0)
	seal := func(content string) []byte { return keys.Encrypt(padded([]byte(content)), aad[:]) }
	p.Parts[0].Data = seal("what was said")
	if b, err := p.OpenPart(nil, &binding, 0, &keys); err != nil || string(b) != "what was said" {
		t.Errorf("%q, %v", b, err)
	}
	p.Parts[0].Data = seal("what is shown")
	if _, err := p.OpenPart(nil, &binding, 0, &keys); !errors.Is(err, indelible.ErrWrongKey) {
		t.Errorf("content that the header does not commit to: %v", err)
	}
}

// A ciphertext that AES-GCM opens under two keys opens under the one that its
// header commits to, and no other.
func TestTwoKeys(t *testing.T) {
	t.Parallel()
	var keys [2]indelible.PartKeys
	for i := range keys {
		keys[i] = indelible.DerivePartKeys((*[32]byte)(repeated(byte(i), 32)), (*[32]byte)(repeated(0x66, 32)), testOrigin, 0)
	}
	binding := indelible.PartBinding(testOrigin, nil)
	aad := indelible.PartAAD(&binding, 0)
	// The content fills four blocks; the last is free.
	content := repeated('x', 64)
	data := keys[0].Encrypt(bytes.Clone(content), aad[:])
	forge(&keys, aad[:], data[:64], data[64:])
	var contents [2][]byte
	for i := range keys {
		b, err := gcm(&keys[i]).Open(nil, make([]byte, 12), data, aad[:])
		if err != nil {
			t.Fatalf("the forgery does not open under key %d: %v", i, err)
		}
		contents[i] = b
	}
	if bytes.Equal(contents[0], contents[1]) || !bytes.Equal(contents[0][:48], content[:48]) {
		t.Fatal("no forgery worth the name")
	}
	p := &indelible.Payload{Parts: []indelible.Part{{Alg: indelible.AlgAESGCM, Data: data, Commitment: keys[0].Commitment(contents[0])}}}
	if _, err := p.OpenPart(nil, &binding, 0, &keys[0]); err != nil {
		t.Errorf("the key it commits to: %v", err)
	}
	if _, err := p.OpenPart(nil, &binding, 0, &keys[1]); err == nil {
		t.Error("it opens under a key it does not commit to")
	}
}

// forge changes the last block of a ciphertext, and its tag, so that it is valid
// under both keys (Dodis et al., CRYPTO 2018, section 3.1).
func forge(keys *[2]indelible.PartKeys, aad, ciphertext, tag []byte) {
	block := func(k int, in []byte) element { return aesBlock(keys[k][:32], in) }
	counter := append(make([]byte, 12), 0, 0, 0, 1)
	var sum element
	var weight element
	clear(ciphertext[48:])
	for k := range keys {
		h := block(k, make([]byte, 16))
		y := ghash(h, aad, ciphertext)
		sum = sum.add(y).add(block(k, counter))
		// The last block of ciphertext is multiplied by H twice: with the block of
		// lengths after it.
		weight = weight.add(h.mul(h))
	}
	x := sum.mul(weight.inverse())
	copy(ciphertext[48:], x[:])
	h := block(0, make([]byte, 16))
	y := ghash(h, aad, ciphertext).add(block(0, counter))
	copy(tag, y[:])
}

// element is one of GF(2^128) as GCM has it: the first bit is the constant.
type element [16]byte

func (a element) add(b element) element {
	for i := range a {
		a[i] ^= b[i]
	}
	return a
}

func (a element) mul(b element) (z element) {
	for i := range 128 {
		if a[i/8]>>(7-i%8)&1 == 1 {
			z = z.add(b)
		}
		carry := b[15] & 1
		for k := 15; k > 0; k-- {
			b[k] = b[k]>>1 | b[k-1]<<7
		}
		b[0] >>= 1
		if carry == 1 {
			b[0] ^= 0xe1
		}
	}
	return z
}

// inverse is the power of 2^128 − 2.
func (a element) inverse() element {
	z := element{0x80}
	square := a
	for range 127 {
		square = square.mul(square)
		z = z.mul(square)
	}
	return z
}

func ghash(h element, aad, ciphertext []byte) (y element) {
	for _, data := range [][]byte{aad, ciphertext} {
		for len(data) > 0 {
			var b element
			n := copy(b[:], data)
			data = data[n:]
			y = y.add(b).mul(h)
		}
	}
	var lengths element
	binary.BigEndian.PutUint64(lengths[:], uint64(len(aad))*8)
	binary.BigEndian.PutUint64(lengths[8:], uint64(len(ciphertext))*8)
	return y.add(lengths).mul(h)
}

// TestPadding: lengths are Padmé's, and at most an eighth longer.
func TestPadding(t *testing.T) {
	t.Parallel()
	last := 0
	for n := 1; n < 100_000; n++ {
		got := indelible.PaddedLength(n)
		if got < n || got < last || (got-n)*8 > n {
			t.Fatalf("%d bytes are padded to %d", n, got)
		}
		if indelible.PaddedLength(got) != got {
			t.Fatalf("%d is no length of its own", got)
		}
		if ones := bits.OnesCount(uint(got)); ones > bits.Len(uint(bits.Len(uint(got))-1))+1 {
			t.Fatalf("%d bytes are padded to %d, which says too much", n, got)
		}
		last = got
	}
}
