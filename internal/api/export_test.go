package api

import (
	"bytes"

	"indelible"
)

// Routes are the patterns of all there are.
func (s *Server) Routes() (patterns []string) {
	for _, r := range s.routes() {
		patterns = append(patterns, r.pattern)
	}
	return patterns
}

// Quotas counts how many lines of a body their tenants may not send.
func (s *Server) Quotas(body string) (refused int) {
	var events []*indelible.Event
	var texts [][]byte
	for text := range bytes.Lines([]byte(body)) {
		e, err := indelible.ParseEvent(text)
		if err != nil {
			panic(err)
		}
		events, texts = append(events, e), append(texts, text)
	}
	return len(s.quotas.within(events, texts))
}
