package indelible_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"indelible"
	"indelible/internal/disk"
	"indelible/internal/ledger"
	"indelible/internal/recorder"
	"indelible/internal/store/dir"
)

// realLog opens the log that is kept for later versions.
func realLog(f *testing.F) (r *ledger.Reader, vkey string) {
	f.Helper()
	const root = "testdata/ledgers/v1/ledger/"
	b, err := os.ReadFile(root + "log.vkey")
	if err != nil {
		f.Fatal(err)
	}
	vkey = strings.TrimSpace(string(b))
	st, err := dir.Open(disk.OS, root+"store/audit-logs")
	if err != nil {
		f.Fatal(err)
	}
	if r, err = ledger.NewReader(f.Context(), st, vkey); err != nil {
		f.Fatal(err)
	}
	return r, vkey
}

// FuzzDecodePayload: what is accepted hashes to one value, whichever way.
func FuzzDecodePayload(f *testing.F) {
	r, _ := realLog(f)
	for e, err := range r.Entries(f.Context(), 0, r.Checkpoint().Size) {
		if err != nil {
			f.Fatal(err)
		}
		f.Add(e.Payload)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, herr := indelible.HashPayload(b)
		p, err := indelible.DecodePayload(b)
		if err != nil {
			return
		}
		if herr != nil || h != p.Hash() {
			t.Errorf("hash %s, %v; from the parts %s", h, herr, p.Hash())
		}
		shown, err := indelible.NewEvidencePayload(b, len(p.Parts), nil)
		if err != nil || len(shown.Parts) != len(p.Parts) {
			t.Errorf("%d parts shown of %d, %v", len(shown.Parts), len(p.Parts), err)
		}
		parts := make([][]byte, len(p.Parts))
		for i := range p.Parts {
			parts[i] = p.Parts[i].Data
		}
		indelible.EventOfParts(parts...)
		recorder.Plain.EventIdentity(b)
		recorder.Plain.OpenTenant(b)
		if same, err := recorder.Plain.SameEvent(b, b); err == nil && !same {
			t.Error("not the same event as itself")
		}
	})
}

// FuzzLeaf: a leaf has one form.
func FuzzLeaf(f *testing.F) {
	r, _ := realLog(f)
	for e, err := range r.Entries(f.Context(), 0, r.Checkpoint().Size) {
		if err != nil {
			f.Fatal(err)
		}
		f.Add(e.Encoded)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var l indelible.Leaf
		if l.Decode(b) == nil && !bytes.Equal(l.AppendTo(nil), b) {
			t.Errorf("%x is read as %x", b, l.AppendTo(nil))
		}
	})
}

// FuzzEvidenceCheck: evidence that holds is about a leaf of the log, at its
// place, whatever else the file says.
func FuzzEvidenceCheck(f *testing.F) {
	r, vkey := realLog(f)
	leaves := make(map[uint64]indelible.Hash)
	for index := range r.Checkpoint().Size {
		for _, shown := range []int{0, 1, 2} {
			e, err := r.Prove(f.Context(), index, shown, nil)
			if err != nil {
				f.Fatal(err)
			}
			leaves[index] = indelible.LeafHash(e.Leaf)
			add(f, e)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var e indelible.Evidence
		if json.Unmarshal(b, &e) != nil {
			return
		}
		p, err := e.Check(vkey)
		if err != nil {
			return
		}
		if leaves[p.Index] != indelible.LeafHash(e.Leaf) || p.Index != e.Index {
			t.Errorf("evidence of index %d proves another leaf: %s", p.Index, b)
		}
		// What is shown is what the leaf commits to.
		h, err := shownHash(&e)
		if err != nil || h != p.Leaf.Payload {
			t.Errorf("what is shown has the hash %s, %v, the leaf says %s", h, err, p.Leaf.Payload)
		}
	})
}

// shownHash is the payload hash of evidence, computed from what it says.
func shownHash(e *indelible.Evidence) (indelible.Hash, error) {
	p, err := indelible.DecodePayloadHeader(e.Payload.Header)
	if err != nil {
		return indelible.Hash{}, err
	}
	for i, part := range e.Payload.Parts {
		if part.SHA256 != nil {
			p.Parts[i].Withheld = *part.SHA256
		} else {
			p.Parts[i].Withheld = sha256.Sum256(part.Data)
		}
	}
	return p.Hash(), nil
}

// FuzzCompletenessCheck: completeness that holds is the tenant's real list.
func FuzzCompletenessCheck(f *testing.F) {
	r, vkey := realLog(f)
	counts := make(map[string]int)
	for _, tenant := range []string{"acme", "müller-gmbh"} {
		c, err := r.ProveTenant(context.Background(), tenant, recorder.Plain)
		if err != nil {
			f.Fatal(err)
		}
		counts[tenant] = len(c.Leaves)
		add(f, c)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var c indelible.Completeness
		if json.Unmarshal(b, &c) != nil {
			return
		}
		if _, err := c.Check(vkey); err == nil && counts[c.TenantID] != len(c.Leaves) {
			t.Errorf("tenant %q is said to have %d leaves, it has %d", c.TenantID, len(c.Leaves), counts[c.TenantID])
		}
	})
}

func add(f *testing.F, v any) {
	f.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
}
