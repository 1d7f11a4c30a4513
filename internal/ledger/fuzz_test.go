package ledger_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"indelible"
	"indelible/internal/disk"
	"indelible/internal/ledger"
	"indelible/internal/store"
	"indelible/internal/store/dir"
)

// seeds are the objects below a prefix of the log that is kept for later
// versions, and its verifier key. Each worker of a fuzzing run reads the same.
func seeds(f *testing.F, prefix string) (vkey string, objects [][]byte) {
	f.Helper()
	const root = "../../testdata/ledgers/v1/ledger/"
	b, err := os.ReadFile(root + "log.vkey")
	if err != nil {
		f.Fatal(err)
	}
	st, err := dir.Open(disk.OS, root+"store/audit-logs")
	if err != nil {
		f.Fatal(err)
	}
	for name, err := range st.List(f.Context(), prefix, "") {
		if err != nil {
			f.Fatal(err)
		}
		o, err := st.Read(f.Context(), name, store.ReadOptions{})
		if err != nil {
			f.Fatal(err)
		}
		objects = append(objects, o.Data)
	}
	if len(objects) == 0 {
		f.Fatalf("no object below %s", prefix)
	}
	return strings.TrimSpace(string(b)), objects
}

func addSeeds(f *testing.F, prefix string) (vkey string, objects [][]byte) {
	f.Helper()
	vkey, objects = seeds(f, prefix)
	for _, b := range objects {
		f.Add(b)
	}
	return vkey, objects
}

// FuzzDecodeSegment: what is accepted is a segment whose parts are where it
// says, and a verifier can look at all of it.
func FuzzDecodeSegment(f *testing.F) {
	addSeeds(f, "wal/")
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ledger.DecodeSegment(b)
		if err != nil {
			return
		}
		if s.Count() != len(s.Payloads) || uint64(s.Count()) != s.NewSize-s.OldSize {
			t.Errorf("%d leaves, %d payloads, sizes %d to %d", s.Count(), len(s.Payloads), s.OldSize, s.NewSize)
		}
		ledger.Region(b, len(b)-1)
	})
}

// FuzzDecodeHeads: what is accepted has no other form.
func FuzzDecodeHeads(f *testing.F) {
	addSeeds(f, "heads/")
	f.Fuzz(func(t *testing.T, b []byte) {
		if again, err := ledger.ReencodeHeads(b); err == nil && !bytes.Equal(again, b) {
			t.Errorf("%x is read as %x", b, again)
		}
	})
}

// FuzzOpenCheckpoint: without the key nothing opens but what was signed.
func FuzzOpenCheckpoint(f *testing.F) {
	vkey, signed := addSeeds(f, "checkpoint")
	known := make(map[indelible.Hash]uint64)
	for _, s := range signed {
		c, err := ledger.OpenCheckpoint(s, vkey)
		if err != nil {
			f.Fatal(err)
		}
		known[c.Root] = c.Size
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ledger.OpenCheckpoint(b, vkey)
		if err != nil {
			return
		}
		if size, ok := known[c.Root]; !ok || size != c.Size || !strings.HasPrefix(vkey, c.Origin+"+") {
			t.Errorf("a checkpoint nobody signed: %q", b)
		}
	})
}

// FuzzSignedLeaf: whatever stands in a leaf and its payload, signed and
// published, the verifier ends and does not call it sound unless it is.
func FuzzSignedLeaf(f *testing.F) {
	_, segments := seeds(f, "wal/")
	for _, b := range segments {
		s, err := ledger.DecodeSegment(b)
		if err != nil {
			f.Fatal(err)
		}
		for i := range s.Count() {
			f.Add(s.Leaf(i), s.Payloads[i])
		}
	}
	f.Fuzz(func(t *testing.T, leaf, payload []byte) {
		if len(leaf) != indelible.LeafSize {
			return
		}
		o := newOperator(t)
		d := o.Begin()
		d.Raw(leaf, payload)
		o.put(d.Heads(nil))
		r, err := o.tryVerify(o.mem)
		if err != nil {
			t.Error(err)
		}
		var l indelible.Leaf
		if r.Result == ledger.ResultOK && (l.Decode(leaf) != nil || l.Kind.Known() && l.Kind != indelible.KindInterference) {
			t.Errorf("a forged %s leaf is sound\n%s", l.Kind, describe(r))
		}
	})
}
