package api

import (
	"context"
	"net/http"
	"time"

	"indelible/internal/access"
)

// patient writes an answer that may take long: as long as its reader takes
// something now and then. Who reads nothing is cut off.
type patient struct {
	http.ResponseWriter
	control *http.ResponseController
	wait    time.Duration
	err     error
}

func newPatient(w http.ResponseWriter, wait time.Duration) *patient {
	p := &patient{ResponseWriter: w, control: http.NewResponseController(w), wait: wait}
	p.err = p.control.SetReadDeadline(time.Time{}) // or the request would end with the time for its body
	return p
}

func (p *patient) Write(b []byte) (int, error) {
	if p.err == nil {
		p.err = p.control.SetWriteDeadline(time.Now().Add(p.wait))
	}
	n := 0
	if p.err == nil {
		n, p.err = p.ResponseWriter.Write(b)
	}
	return n, p.err
}

// flush sends what was written.
func (p *patient) flush() error {
	if p.err == nil {
		p.err = p.control.Flush()
	}
	return p.err
}

// ended records how an answer ended that was begun long before, though the caller
// may be gone. That it was begun is in the log.
func (a *asking) ended(s *Server, r access.Result) {
	if err := s.looks.End(context.WithoutCancel(a.Context()), a.look, r); err != nil {
		s.cfg.Log.Error("how an answer ended cannot be recorded", "request", a.look.Request, "err", err)
	}
}
