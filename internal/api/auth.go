package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"indelible/internal/access"
)

type requestKey struct{}

func withRequest(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestKey{}, id)
}

// asking is a request of somebody who is known.
type asking struct {
	*http.Request
	w    http.ResponseWriter
	who  *access.Principal
	look *access.Look
}

// authenticate finds out who sends a request.
func (s *Server) authenticate(r *http.Request) (*access.Principal, *Problem) {
	nobody := problem(http.StatusUnauthorized, "unauthorized", s.sendWhat())
	values := r.Header.Values("Authorization")
	if len(values) == 0 {
		return nil, nobody
	}
	scheme, token, found := strings.Cut(values[0], " ")
	if len(values) > 1 || !found || !strings.EqualFold(scheme, "Bearer") {
		return nil, nobody
	}
	who, err := s.whoHas(r.Context(), token)
	switch {
	case err == nil:
		return who, nil
	case errors.Is(err, access.ErrNoKey), errors.Is(err, access.ErrRefused):
		s.metrics.refused()
		if err := s.loginFailed(r); err != nil {
			s.cfg.Log.Error("a refused login cannot be recorded", "err", err)
			return nil, problem(http.StatusServiceUnavailable, "busy", "").after(5 * time.Second)
		}
		if !strings.HasPrefix(token, access.KeyPrefix) && s.cfg.Tokens != nil {
			return nil, problem(http.StatusUnauthorized, "unauthorized", "the token is not for this server, or not now")
		}
		return nil, problem(http.StatusUnauthorized, "unauthorized", "the key is unknown, mistyped, expired or revoked")
	}
	s.failures.log(s, err)
	return nil, problem(http.StatusServiceUnavailable, "busy", "").after(5 * time.Second)
}

// whoHas tells whose an API key or a token is.
func (s *Server) whoHas(ctx context.Context, token string) (*access.Principal, error) {
	if s.cfg.Tokens != nil && !strings.HasPrefix(token, access.KeyPrefix) {
		return s.cfg.Tokens.Authenticate(ctx, token)
	}
	return s.cfg.Keys.Authenticate(token)
}

func (s *Server) sendWhat() string {
	if s.cfg.Tokens != nil {
		return "send an API key or a token as `Authorization: Bearer …`"
	}
	return "send an API key as `Authorization: Bearer ind_…`"
}

// authenticated lets in whom it knows. It does not touch the body.
func (s *Server) authenticated(next func(*asking) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, p := s.authenticate(r)
		if p != nil {
			p.write(w)
			return
		}
		// Events have a limit of their own.
		if r.Pattern != "POST /v1/events" {
			if p := s.limits.look(who.KeyID); p != nil {
				p.write(w)
				return
			}
		}
		if p := s.unseen(r); p != nil {
			p.write(w)
			return
		}
		reason := r.Header.Get("X-Justification")
		if len(reason) > 1000 || !utf8.ValidString(reason) {
			problem(http.StatusBadRequest, "bad_request", "X-Justification has at most 1000 bytes of UTF-8").write(w)
			return
		}
		request, _ := r.Context().Value(requestKey{}).(string)
		a := &asking{Request: r, w: w, who: who, look: &access.Look{
			Request: request, Who: who, SourceIP: sourceIP(r), UserAgent: strings.ToValidUTF8(cut(r.UserAgent(), 300), "\uFFFD"), Policy: s.cfg.Policy.Hash(), Reason: reason,
		}}
		if who.Has(access.BreakGlass) {
			s.metrics.brokeGlass()
			s.cfg.Log.Warn("break-glass access", "key", who.KeyID, "ticket", who.Ticket, "request", request)
		}
		if err := next(a); err != nil {
			p := problemOf(err)
			if p.Status == http.StatusInternalServerError {
				s.cfg.Log.Error("a request failed", "request", request, "route", routeOf(r), "err", err)
			}
			p.write(w)
		}
	})
}

func cut(s string, n int) string { return s[:min(len(s), n)] }

// permit says for which tenants somebody may do something. A refusal is recorded.
func (s *Server) permit(a *asking, action access.Action, what string) (access.TenantScope, error) {
	a.look.Action = what
	scope, err := s.authorizer.Authorize(a.who, action, a.look.SourceIP)
	if err != nil {
		return scope, s.deny(a, err)
	}
	return scope, nil
}

func (s *Server) deny(a *asking, err error) error {
	s.metrics.denied()
	if lerr := s.looks.Deny(a.Context(), a.look, "role"); lerr != nil {
		return lerr
	}
	return err
}

// begin records a look before anything is answered.
func (s *Server) begin(a *asking) error { return s.looks.Begin(a.Context(), a.look) }

// end records what was seen. It is part of the answer: an answer that is not
// recorded is not given.
func (s *Server) end(a *asking, places []uint64, err error) error {
	return s.ended(a, access.Result{Rows: len(places), Places: places}, err)
}

// ended is end for what has no places in the log.
func (s *Server) ended(a *asking, r access.Result, err error) error {
	if err != nil {
		r.Err = problemOf(err).Code
	}
	if lerr := s.looks.End(a.Context(), a.look, r); lerr != nil {
		return lerr
	}
	return err
}

// failures bounds what somebody without a key can make the log record.
type failures struct {
	mu         sync.Mutex
	since      time.Time
	n          int
	suppressed int
	logged     time.Time
}

// log says in the server's own log that nobody can be known; once a minute, as
// anybody can ask.
func (f *failures) log(s *Server, err error) {
	f.mu.Lock()
	now := s.cfg.Clock()
	quiet := now.Sub(f.logged) < time.Minute
	if !quiet {
		f.logged = now
	}
	f.mu.Unlock()
	if !quiet {
		s.cfg.Log.Error("keys or tokens cannot be checked", "err", err)
	}
}

const failuresAMinute = 60

// loginFailed records a refused key; of many in a minute how many there were.
func (s *Server) loginFailed(r *http.Request) error {
	f := &s.failures
	f.mu.Lock()
	now := s.cfg.Clock()
	if now.Sub(f.since) >= time.Minute {
		f.since, f.n = now, 0
	}
	if f.n >= failuresAMinute {
		f.suppressed++
		f.mu.Unlock()
		return nil
	}
	f.n++
	suppressed := f.suppressed
	f.suppressed = 0
	f.mu.Unlock()
	request, _ := r.Context().Value(requestKey{}).(string)
	look := &access.Look{Request: request, Action: "login", SourceIP: sourceIP(r), UserAgent: strings.ToValidUTF8(cut(r.UserAgent(), 300), "\uFFFD")}
	why := "key"
	if suppressed > 0 {
		why = "key; others were refused that are not listed"
	}
	return s.looks.Deny(r.Context(), look, why)
}
