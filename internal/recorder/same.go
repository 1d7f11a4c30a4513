package recorder

import (
	"bytes"
	"errors"

	"indelible"
	"indelible/internal/seal"
)

// SameEvent implements ledger.Sealer: parts that were erased or have expired on
// one side count as the same. What cannot be compared because its key is lost
// does not: then both are kept, as a conflict.
func (s *Sealed) SameEvent(a, b []byte) (bool, error) {
	same, err := s.sameEvent(a, b)
	if errors.Is(err, seal.ErrNoKey) {
		return false, nil
	}
	return same, err
}

func (s *Sealed) sameEvent(a, b []byte) (bool, error) {
	pa, _, missingA, err := s.contents(a)
	if errors.Is(err, seal.ErrErased) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	pb, _, missingB, err := s.contents(b)
	if err != nil {
		return false, err
	}
	return sameParts(pa, pb, errors.Join(missingA, missingB))
}

// IsOf implements Sealer.
func (s *Sealed) IsOf(payload []byte, e *indelible.Event) (bool, error) {
	parts, _, missing, err := s.contents(payload)
	if errors.Is(err, seal.ErrErased) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	tenant, subject := e.AppendSealedParts(nil, s.person(e.ResourceType))
	mine := [][]byte{tenant}
	if subject != nil {
		mine = append(mine, subject)
	}
	return sameParts(parts, mine, missing)
}

// sameParts compares what of two events could be opened. Contents are
// canonical, so equal ones are equal bytes; but a resource that was no person
// when one was recorded may be one now, so the members decide.
func sameParts(a, b [][]byte, missing error) (bool, error) {
	if missing != nil {
		if !errors.Is(missing, seal.ErrErased) {
			return false, missing
		}
		return sameMembers(a[:1], b[:1])
	}
	if len(a) == len(b) {
		same := true
		for i := range a {
			same = same && bytes.Equal(a[i], b[i])
		}
		if same {
			return true, nil
		}
	}
	return sameMembers(a, b)
}

// sameMembers reports whether no member differs that both sides have.
func sameMembers(a, b [][]byte) (bool, error) {
	ma, err := indelible.SkeletonOfParts(a...)
	if err != nil {
		return false, err
	}
	mb, err := indelible.SkeletonOfParts(b...)
	if err != nil {
		return false, err
	}
	for name, value := range ma {
		if other, both := mb[name]; both && !bytes.Equal(value, other) {
			return false, nil
		}
	}
	return true, nil
}
