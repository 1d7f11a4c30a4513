package mask

import (
	"cmp"
	"slices"
)

// Confidence is how well a finding is founded.
type Confidence uint8

// From the weakest: a shape that is usually what it looks like; a shape and a
// word beside it; the name of the field; structure or check digits that chance
// does not make.
const (
	Guess Confidence = iota + 1
	Context
	Field
	Validated
)

func (c Confidence) String() string {
	return [...]string{"none", "guess", "context", "field", "validated"}[c]
}

// A Finding is a place in a text. Start and End count bytes.
type Finding struct {
	Type       Type
	Rule       string // the recogniser
	Confidence Confidence
	Start, End int
}

// resolve sorts findings and leaves of those that overlap the better founded,
// widened over the whole, so that no part of what loses stays behind.
func resolve(all []Finding) []Finding {
	if len(all) < 2 {
		return all
	}
	slices.SortStableFunc(all, func(a, b Finding) int {
		if c := cmp.Compare(a.Start, b.Start); c != 0 {
			return c
		}
		return cmp.Compare(b.End, a.End)
	})
	kept := all[:1]
	for _, f := range all[1:] {
		last := &kept[len(kept)-1]
		if f.Start >= last.End {
			kept = append(kept, f)
			continue
		}
		end := max(f.End, last.End)
		if better(f, *last) {
			f.Start = last.Start
			*last = f
		}
		last.End = end
	}
	return kept
}

func better(a, b Finding) bool {
	if sa, sb := groups[a.Type] == secrets, groups[b.Type] == secrets; sa != sb {
		return sa // what is a secret is nobody's pseudonym
	}
	if a.Confidence != b.Confidence {
		return a.Confidence > b.Confidence
	}
	return a.End-a.Start > b.End-b.Start
}
