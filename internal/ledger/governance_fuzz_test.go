package ledger

import (
	"encoding/json"
	"testing"

	"indelible"
)

// FuzzGovernance: whatever a leaf that decides something says, it is judged, and
// one that is refused has decided nothing.
func FuzzGovernance(f *testing.F) {
	kinds := []indelible.Kind{indelible.KindFence, indelible.KindExpired, indelible.KindPolicy, indelible.KindHold}
	for i, v := range []any{
		indelible.Fence{Keys: []indelible.ID{{1}}, Erased: &indelible.Erased{}},
		indelible.Expired{First: 1, Last: 2, Reason: "retention"},
		indelible.Policy{Operator: &indelible.Operator{}},
		indelible.Hold{Add: &indelible.HoldScope{ID: indelible.ID{1}}},
	} {
		b, err := json.Marshal(v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(i), b)
	}
	f.Add(uint8(0), []byte(`{"expired":{"class":"a","period":"2026-11","policy":0},"keys":["01010101010101010101010101010101"]}`))
	f.Add(uint8(2), []byte(`{"retention":{"default":1,"rules":[{"class":"a","days":1}]}}`))
	f.Add(uint8(3), []byte(`{"lift":"01010101010101010101010101010101"}`))
	f.Fuzz(func(t *testing.T, k uint8, content []byte) {
		s := newState("example.com/log")
		s.gov = (&governance{operators: []indelible.PublicKey{{1}, {2}}, retention: &indelible.Retention{Default: 30}}).clone()
		before := s.gov.decided()
		x := s.begin(9, 1_700_000_000_000)
		x.size = 5
		canonical, err := indelible.AppendCanonicalJSON(nil, content)
		if err != nil {
			return
		}
		leaf := &indelible.Leaf{Kind: kinds[int(k)%len(kinds)], Time: x.time, Segment: x.seq}
		err = x.checkSystem(leaf, indelible.AppendPayload(nil, &[32]byte{}, canonical), &Segment{})
		if err != nil && x.gov != s.gov {
			t.Errorf("refused with %v, and decided", err)
		}
		if after := s.gov.decided(); len(after.Operators) != len(before.Operators) || len(after.Holds) != len(before.Holds) {
			t.Error("what was decided before changed")
		}
	})
}
