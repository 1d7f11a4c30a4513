package masktest

import (
	"unicode/utf8"

	"indelible/internal/mask"
)

// Answers are what a scanner finds in a text, in code points, in the names of
// the labels: a day of birth is a date.
func Answers(s *mask.Scanner, text string) []Span {
	var spans []Span
	found, notes := s.Scan([]byte(text))
	for _, list := range [][]mask.Finding{found, notes} {
		for _, f := range list {
			t := f.Type
			if t == mask.BirthDate {
				t = mask.Date
			}
			spans = append(spans, Span{string(t), utf8.RuneCountInString(text[:f.Start]), utf8.RuneCountInString(text[:f.End])})
		}
	}
	return spans
}
