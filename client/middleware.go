package client

import (
	"context"
	"net"
	"net/http"
	"time"

	"indelible"
)

// Middleware records a request once it was answered. describe says what it is
// about: at least tenant, user and resource; false leaves the request out. What it
// leaves empty is taken from the request: action (its method), event type
// (http_request), outcome (failure from 400 on), address and user agent. An event
// that cannot be recorded is reported to the client's log; the answer has gone by then.
func (c *Client) Middleware(next http.Handler, describe func(*http.Request) (indelible.Event, bool)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun := time.Now()
		answered := &answering{ResponseWriter: w, code: http.StatusOK}
		defer func() {
			what := recover()
			if what != nil {
				answered.code = http.StatusInternalServerError
			}
			if e, ok := describe(r); ok {
				complete(&e, r, answered.code, begun)
				// The caller may have gone; what it did has happened.
				if err := c.Record(context.WithoutCancel(r.Context()), e); err != nil {
					c.cfg.Log.Error("a request is not in the audit log", "err", err)
				}
			}
			if what != nil {
				panic(what)
			}
		}()
		next.ServeHTTP(answered, r)
	})
}

func complete(e *indelible.Event, r *http.Request, code int, begun time.Time) {
	set := func(to *string, value string) {
		if *to == "" {
			*to = value
		}
	}
	if e.Timestamp.IsZero() {
		e.Timestamp = begun
	}
	outcome := "success"
	if code >= http.StatusBadRequest {
		outcome = "failure"
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err == nil {
		set(&e.SourceIP, host)
	}
	set(&e.EventType, "http_request")
	set(&e.Action, r.Method)
	set(&e.Outcome, outcome)
	set(&e.UserAgent, r.UserAgent())
}

type answering struct {
	http.ResponseWriter
	code int
}

func (a *answering) WriteHeader(code int) {
	a.code = code
	a.ResponseWriter.WriteHeader(code)
}

// Unwrap is for http.ResponseController.
func (a *answering) Unwrap() http.ResponseWriter { return a.ResponseWriter }
