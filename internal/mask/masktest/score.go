// Package masktest measures what the mask finds: labelled sentences, made-up
// log lines with labels, and the score.
package masktest

import (
	"encoding/json"
	"slices"
	"unicode"
)

// A Span is a labelled place in a text. Start and End count code points.
type Span struct {
	Type       string
	Start, End int
}

// A Sample is a text with labels.
type Sample struct {
	Text  string
	Spans []Span
}

// A Score counts answers of one type.
type Score struct {
	Hits, Wrong, Missed int
}

// Precision is the part of the answers that is right.
func (s Score) Precision() float64 { return ratio(s.Hits, s.Hits+s.Wrong) }

// Recall is the part of the labels that is found.
func (s Score) Recall() float64 { return ratio(s.Hits, s.Hits+s.Missed) }

// F2 weighs recall four times as much as precision.
func (s Score) F2() float64 {
	p, r := s.Precision(), s.Recall()
	if p+r == 0 {
		return 0
	}
	return 5 * p * r / (4*p + r)
}

func ratio(a, b int) float64 {
	if b == 0 {
		return 1
	}
	return float64(a) / float64(b)
}

// A Board is the score by type.
type Board map[string]*Score

// Add compares the answers for a text with its labels. Spans of one type
// with no letter or digit between them count as one; a hit has the same type and
// an intersection over union of at least 0.9, over letters and digits.
func (b Board) Add(text string, labels, answers []Span, miss func(label bool, s Span)) {
	runes := []rune(text)
	labels, answers = merge(runes, labels), merge(runes, answers)
	used := make([]bool, len(answers))
	for _, l := range labels {
		found := false
		for i, a := range answers {
			if !used[i] && a.Type == l.Type && overlap(runes, a, l) >= 0.9 {
				used[i], found = true, true
				break
			}
		}
		if found {
			b.of(l.Type).Hits++
		} else {
			b.of(l.Type).Missed++
			if miss != nil {
				miss(true, l)
			}
		}
	}
	for i, a := range answers {
		if !used[i] {
			b.of(a.Type).Wrong++
			if miss != nil {
				miss(false, a)
			}
		}
	}
}

func (b Board) of(t string) *Score {
	if b[t] == nil {
		b[t] = new(Score)
	}
	return b[t]
}

func merge(text []rune, spans []Span) []Span {
	spans = slices.Clone(spans)
	slices.SortFunc(spans, func(a, b Span) int { return a.Start - b.Start })
	last := make(map[string]int)
	var out []Span
	for _, s := range spans {
		if i, ok := last[s.Type]; ok && (s.Start <= out[i].End || count(text, out[i].End, s.Start) == 0) {
			out[i].End = max(out[i].End, s.End)
			continue
		}
		last[s.Type] = len(out)
		out = append(out, s)
	}
	return out
}

func count(text []rune, from, to int) (n int) {
	for _, r := range text[from:to] {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			n++
		}
	}
	return n
}

func overlap(text []rune, a, b Span) float64 {
	low, high := max(a.Start, b.Start), min(a.End, b.End)
	if low >= high {
		return 0
	}
	both := count(text, low, high)
	return ratio(both, count(text, a.Start, a.End)+count(text, b.Start, b.End)-both)
}

func jsonString(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // it is a string
	}
	return string(text)
}
