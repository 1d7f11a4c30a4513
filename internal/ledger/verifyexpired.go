package ledger

import (
	"context"
	"fmt"
	"slices"

	"indelible"
)

// lostSlots are slots first to end−1, which held segments that are gone.
type lostSlots struct{ first, end uint64 }

// lostSegment is what the leaves of a segment that is gone say of it.
type lostSegment struct {
	events uint64
	time   int64
}

// lose notes slots that held segments and hold nothing. Whether they expired
// under policy the log may say later on.
func (v *verifier) lose(first, end uint64) {
	if n := len(v.lost); n > 0 && v.lost[n-1].end == first {
		v.lost[n-1].end = end
		return
	}
	v.lost = append(v.lost, lostSlots{first, end})
}

// loseLeaves notes leaves that were taken from the tree because their segment is gone.
func (v *verifier) loseLeaves(seq uint64, leaves [][]byte) {
	var leaf indelible.Leaf
	l := v.gone[seq]
	for _, encoded := range leaves {
		if leaf.Decode(encoded) == nil {
			l.time = leaf.Time
			if leaf.Kind.Recorded() {
				l.events++
			}
		}
	}
	v.gone[seq] = l
}

// judgeLost tells segments that expired under policy from those that are
// missing. Only expired leaves under the checkpoint count.
func (v *verifier) judgeLost() {
	g := &governance{expired: slices.DeleteFunc(slices.Clone(v.state.gov.expired), func(e Expiry) bool { return e.Index >= v.checkpoint.Size })}
	for _, l := range v.lost {
		for seq := l.first; seq < l.end; {
			end := l.end
			if e := g.expiry(seq); e != nil {
				end = min(end, e.Last+1)
				v.report.ExpiredSegments += end - seq
			} else {
				for _, e := range g.expired {
					if e.First > seq {
						end = min(end, e.First)
						break
					}
				}
				v.report.MissingSegments += end - seq
				v.nameMissing(seq, end)
			}
			seq = end
		}
	}
	for seq, l := range v.gone {
		if g.expiry(seq) != nil {
			v.report.Expired += l.events
		} else {
			v.report.Missing += l.events
		}
	}
	for _, e := range g.expired {
		v.checkExpiry(&e)
	}
}

// checkExpiry compares an expired leaf with what is left of its last segment:
// the next segment names its hash, its leaves say when it was committed.
func (v *verifier) checkExpiry(e *Expiry) {
	what := ""
	if h, known := v.before[e.Last]; known && h != e.Hash {
		what = "names another segment than the one that stood there"
	}
	if l, known := v.gone[e.Last]; known && l.time != e.Time {
		what = "names another time than that of the segment that stood there"
	}
	if what != "" {
		v.problem(tampering, Problem{Object: segmentName(e.Last), Segment: &e.Last, Index: &e.Index, What: "its expired leaf " + what})
	}
}

// nameMissing names the slots first to end−1. Of a long gap it names the first.
func (v *verifier) nameMissing(first, end uint64) {
	const most = 1000
	for seq := first; seq < end; seq++ {
		what := "missing"
		if end-seq > most {
			what = fmt.Sprintf("missing, and all after it up to %s", segmentName(end-1))
		}
		v.problem(tampering, Problem{Object: segmentName(seq), Segment: &seq, What: what})
		if end-seq > most {
			break
		}
	}
}

// expiredBefore reports whether a segment that is not there expired, for who has
// not replayed the log: the published heads objects say so.
func (v *verifier) expiredBefore(ctx context.Context, seq uint64) (bool, error) {
	if v.state == nil {
		s, err := loadPublished(ctx, v.st, v.checkpoint)
		if err != nil {
			return false, err
		}
		v.state = s
	}
	return v.state.gov.expiry(seq) != nil, nil
}

// countExpired counts a leaf of a range whose segment expired.
func (v *verifier) countExpired(leaf *indelible.Leaf) {
	if _, seen := v.gone[leaf.Segment]; !seen {
		v.gone[leaf.Segment] = lostSegment{time: leaf.Time}
		v.report.ExpiredSegments++
	}
	if leaf.Kind.Recorded() {
		v.report.Events++
		v.report.Expired++
	}
}
