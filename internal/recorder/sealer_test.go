package recorder

import (
	"bytes"
	"testing"

	"indelible"
)

// TestSealersKeepNothing: what a sealer was given to read is neither changed nor
// pointed into afterwards, for the ledger uses the buffer again. See
// ledger.Sealer.
func TestSealersKeepNothing(t *testing.T) {
	t.Parallel()
	sealed, tenant := newSealed(t)
	for name, s := range map[string]Sealer{"sealed": sealed, "plain": Plain} {
		keys := tenant("acme")
		e := someEvent(t)
		payload, made, err := s.Seal(t.Context(), keys, e)
		if err == nil {
			err = s.Durable(t.Context(), made)
		}
		if err != nil {
			t.Fatal(err)
		}
		row, err := s.SealTenant(indelible.Tenant{TenantID: "acme", TenantNo: 1, Salt: indelible.Hash{7}})
		if err != nil {
			t.Fatal(err)
		}
		descriptor, err := s.SealDescriptor("acme", [32]byte{7})
		if err != nil {
			t.Fatal(err)
		}
		given := [][]byte{payload, row, descriptor}
		was := [][]byte{bytes.Clone(payload), bytes.Clone(row), bytes.Clone(descriptor)}

		id, err := s.EventID(payload)
		if err != nil {
			t.Fatal(err)
		}
		opened, err := s.OpenTenant(row)
		if err != nil {
			t.Fatal(err)
		}
		of, salt, err := s.OpenDescriptor(descriptor)
		if err != nil {
			t.Fatal(err)
		}
		if same, err := s.SameEvent(payload, was[0]); err != nil || !same {
			t.Errorf("%s: not the same event as itself: %v", name, err)
		}
		for i := range given {
			if !bytes.Equal(given[i], was[i]) {
				t.Errorf("%s: number %d of what it was given is changed", name, i)
			}
			for k := range given[i] {
				given[i][k] = 0xff
			}
		}
		if id != e.ID || opened.TenantID != "acme" || opened.Salt != (indelible.Hash{7}) || of != "acme" || salt != ([32]byte{7}) {
			t.Errorf("%s: what it read changed with the buffer: %q, %+v, %q, %x", name, id, opened, of, salt)
		}
	}
}
