package sha256lanes

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"testing"
)

// check compares a batch with the standard library.
func check(t *testing.T, messages [][]byte) {
	t.Helper()
	var b Batch
	for range 2 { // the second time with the room of the first
		b.Reset()
		for _, m := range messages {
			b.Add(m)
		}
		sums := b.Sums()
		if len(sums) != len(messages) {
			t.Fatalf("%d hashes of %d messages", len(sums), len(messages))
		}
		for i, sum := range sums {
			if want := sha256.Sum256(messages[i]); sum != want {
				t.Fatalf("message %d of %d, %d bytes: %x, want %x", i, len(messages), len(messages[i]), sum, want)
			}
		}
	}
}

// source gives the same bytes every time.
func source(seed uint64) *rand.ChaCha8 {
	var key [32]byte
	key[0] = byte(seed)
	return rand.NewChaCha8(key)
}

func random(r *rand.ChaCha8, n int) []byte {
	b := make([]byte, n)
	r.Read(b)
	return b
}

// Messages and hashes of FIPS 180-2, appendix B, and of the NIST's SHA256ShortMsg.
func TestVectors(t *testing.T) {
	t.Logf("lanes: %v", haveLanes)
	vectors := []struct{ message, sum string }{
		{"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
		{"\xd3", "28969cdfa74a12c82f3bad960b0b000aca2ac329deea5c2328ebc6f2ba9802c1"},
		{"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
		{"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
		{"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu", "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
		{string(bytes.Repeat([]byte("a"), 1_000_000)), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
	}
	var b Batch
	for range 2 * lanes {
		for _, v := range vectors {
			b.Add([]byte(v.message))
		}
	}
	for i, sum := range b.Sums() {
		if v := vectors[i%len(vectors)]; hex.EncodeToString(sum[:]) != v.sum {
			t.Errorf("%.20q: %x, want %s", v.message, sum, v.sum)
		}
	}
}

func TestEachLength(t *testing.T) {
	r := source(1)
	for n := range 600 {
		var m [][]byte
		for range lanes {
			m = append(m, random(r, n))
		}
		check(t, m)
	}
}

// Messages of different lengths end in different blocks.
func TestMixedLengths(t *testing.T) {
	r := source(2)
	rnd := rand.New(r)
	for range 300 {
		var m [][]byte
		limit := 1 + rnd.IntN(700)
		for range 1 + rnd.IntN(100) {
			m = append(m, random(r, rnd.IntN(limit)))
		}
		check(t, m)
	}
}

func TestAlignments(t *testing.T) {
	r := source(3)
	for _, n := range []int{55, 56, 64, 65, 153, 700} {
		var m [][]byte
		for at := range 64 {
			m = append(m, random(r, at+n)[at:])
		}
		check(t, m)
	}
}

// Each number of messages, and long ones among them, which go by themselves.
func TestNumbersOfMessages(t *testing.T) {
	r := source(4)
	for n := range 3 * lanes {
		var m [][]byte
		for i := range n {
			m = append(m, random(r, 100+i))
		}
		check(t, m)
		m = append(m, random(r, 64*long-9), random(r, 64*long-10), random(r, 64*long), random(r, 500_000))
		check(t, m)
	}
	var m [][]byte
	for i := range 2 * lanes {
		m = append(m, random(r, 64*long-80+i))
	}
	check(t, m)
}

func FuzzSums(f *testing.F) {
	f.Add([]byte("abc"), uint64(1), uint16(65))
	f.Add(bytes.Repeat([]byte{0x80}, 700), uint64(2), uint16(300))
	f.Fuzz(func(t *testing.T, data []byte, seed uint64, limit uint16) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		var m [][]byte
		for range 3 * lanes { // pieces of the data, one over the other
			n := rnd.IntN(min(len(data), int(limit)) + 1)
			at := rnd.IntN(len(data) - n + 1)
			m = append(m, data[at:at+n])
		}
		check(t, m)
	})
}

func BenchmarkSums(b *testing.B) {
	const n = 256
	r := source(5)
	for _, size := range []int{65, 153, 600, 4000} {
		var m [][]byte
		for range n {
			m = append(m, random(r, size))
		}
		b.Run(fmt.Sprintf("%d/batch", size), func(b *testing.B) {
			b.SetBytes(int64(n * size))
			var batch Batch
			for b.Loop() {
				batch.Reset()
				for _, m := range m {
					batch.Add(m)
				}
				batch.Sums()
			}
		})
		b.Run(fmt.Sprintf("%d/one", size), func(b *testing.B) {
			b.SetBytes(int64(n * size))
			for b.Loop() {
				for _, m := range m {
					sha256.Sum256(m)
				}
			}
		})
	}
}
