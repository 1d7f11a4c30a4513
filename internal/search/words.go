package search

import (
	"strings"
	"unicode"

	"indelible"
)

// Text is what a query's text is looked for in.
func Text(e *indelible.Event) string { return e.ResourceType + " " + e.ResourceID + " " + e.Action }

// maxWord is how long a word may be; what is longer is several.
const maxWord = 64

// Words are the runs of letters, marks and digits in a text, in lower case,
// each once.
func Words(text string) []string {
	var words []string
	for _, word := range strings.FieldsFunc(text, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsMark(r)
	}) {
		word = strings.ToLower(word)
		for runes := []rune(word); len(runes) > 0; {
			n := min(len(runes), maxWord)
			words = appendOnce(words, string(runes[:n]))
			runes = runes[n:]
		}
	}
	return words
}

func appendOnce(words []string, word string) []string {
	for _, w := range words {
		if w == word {
			return words
		}
	}
	return append(words, word)
}
