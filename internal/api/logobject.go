package api

import (
	"errors"
	"net/http"
	"regexp"

	"indelible/internal/store"
)

// The public objects of a log, as C2SP tlog-tiles names them: hashes and leaves,
// nothing of what events say.
var tilePath = regexp.MustCompile(`^tile/(?:[0-9]|[1-5][0-9]|6[0-3]|entries)/(?:x[0-9]{3}/){0,6}[0-9]{3}(?:\.p/(?:[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5]))?$`)

const maxObject = 1 << 20

// logObject answers GET /log/…
func (s *Server) logObject(w http.ResponseWriter, r *http.Request) {
	if !s.cfg.PublicLog {
		if _, p := s.authenticate(r); p != nil {
			p.write(w)
			return
		}
	}
	name := r.PathValue("object")
	h := w.Header()
	switch {
	case name == "checkpoint":
		h.Set("Content-Type", "text/plain; charset=utf-8")
		h.Set("Cache-Control", "no-cache")
	case tilePath.MatchString(name):
		h.Set("Content-Type", "application/octet-stream")
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	default:
		problem(http.StatusNotFound, "not_found", "there are checkpoint and tile/…").write(w)
		return
	}
	o, err := s.cfg.Store.Read(r.Context(), name, store.ReadOptions{Length: maxObject, NoETag: true})
	if err != nil {
		p := problemOf(err)
		if errors.Is(err, store.ErrNotExist) {
			p = problem(http.StatusNotFound, "not_found", "the log has no such object, or no longer: a partial tile goes when it is full")
		}
		p.write(w)
		return
	}
	w.Write(o.Data)
}
