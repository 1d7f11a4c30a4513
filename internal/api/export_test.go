package api

// Routes are the patterns of all there are.
func (s *Server) Routes() (patterns []string) {
	for _, r := range s.routes() {
		patterns = append(patterns, r.pattern)
	}
	return patterns
}
