package journal

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"indelible"
)

// TestTree compares roots and paths with those of another implementation, for
// groups smaller and larger than what is hashed at once.
func TestTree(t *testing.T) {
	t.Parallel()
	h := new(hasher)
	for _, n := range []int{1, 2, 3, 5, 6, 7, 8, 15, 16, 17, 31, 33, 100, 1023, 1024, 1025, 2047, 2049, 5000} {
		tr := newTree(n)
		at := 0
		tr.leaves(h, func() (indelible.Ref, indelible.Hash) {
			r := indelible.Ref{byte(at), byte(at >> 8)}
			p := indelible.Hash(sha256.Sum256(r[:]))
			at++
			return r, p
		})
		tr.build(h)
		var stored []tlog.Hash
		reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
			var out []tlog.Hash
			for _, i := range indexes {
				out = append(out, stored[i])
			}
			return out, nil
		})
		for i := range n {
			r := indelible.Ref{byte(i), byte(i >> 8)}
			p := sha256.Sum256(r[:])
			record := binary.BigEndian.AppendUint32(append(r[:], p[:]...), uint32(i))
			more, err := tlog.StoredHashes(int64(i), record, reader)
			if err != nil {
				t.Fatal(err)
			}
			stored = append(stored, more...)
		}
		root, err := tlog.TreeHash(int64(n), reader)
		if err != nil {
			t.Fatal(err)
		}
		if tlog.Hash(tr.root()) != root {
			t.Fatalf("root of %d records: %v, want %v", n, tr.root(), root)
		}
		for _, i := range []int{0, n / 2, n - 1} {
			proof, err := tlog.ProveRecord(int64(n), int64(i), reader)
			if err != nil {
				t.Fatal(err)
			}
			path := tr.path(i)
			if !slices.EqualFunc(path, proof, func(a indelible.Hash, b tlog.Hash) bool { return tlog.Hash(a) == b }) {
				t.Fatalf("path of record %d of %d is another", i, n)
			}
		}
	}
}
