package api

import (
	"context"
	"net/http"
	"time"
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

// contextOf is for what has to be recorded although the caller may be gone.
func contextOf(a *asking) context.Context { return context.WithoutCancel(a.Context()) }
