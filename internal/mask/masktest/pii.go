package masktest

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Halves of the labelled sentences: one was learnt from, one was held back.
const (
	Both   = -1
	Learnt = 0
	Held   = 1
)

// Labelled names the files of labelled sentences, of which two forms exist.
var Labelled = []string{"dev_v1_clean.json", "dev_v2.json"}

var (
	slot      = regexp.MustCompile(`\{\{[^}]*\}\}`)
	notLetter = regexp.MustCompile(`[^a-z{}]+`)
)

// Marked is a text with ‹TYPE|value› where there is something to find.
func Marked(line string) (s Sample) {
	for {
		before, rest, ok := strings.Cut(line, "‹")
		s.Text += before
		if !ok {
			return s
		}
		inner, after, _ := strings.Cut(rest, "›")
		typ, value, _ := strings.Cut(inner, "|")
		at := utf8.RuneCountInString(s.Text)
		s.Spans = append(s.Spans, Span{typ, at, at + utf8.RuneCountInString(value)})
		s.Text += value
		line = after
	}
}

// Read reads labelled sentences below a folder. The halves are cut by template,
// so that no sentence has its like on the other side.
func Read(dir, name string, half int) ([]Sample, error) {
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return nil, err
	}
	var rows []struct {
		Text   string `json:"full_text"`
		Masked string `json:"masked"`
		Spans  []struct {
			Type  string `json:"entity_type"`
			Start int    `json:"start_position"`
			End   int    `json:"end_position"`
		} `json:"spans"`
	}
	if err := json.Unmarshal(text, &rows); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var all []Sample
	for _, r := range rows {
		t := strings.TrimSpace(notLetter.ReplaceAllString(strings.ToLower(slot.ReplaceAllString(r.Masked, "{}")), " "))
		h := fnv.New32a()
		h.Write([]byte(t))
		if half >= 0 && int(h.Sum32()>>8)%2 != half {
			continue
		}
		s := Sample{Text: r.Text}
		for _, p := range r.Spans {
			s.Spans = append(s.Spans, Span{p.Type, p.Start, p.End})
		}
		all = append(all, s)
	}
	return all, nil
}
