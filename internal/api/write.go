package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"slices"
	"time"

	"indelible"
	"indelible/internal/access"
	"indelible/internal/recorder"
)

const (
	maxLines    = 10_000
	batchEvents = 500
	storeWait   = 2 * time.Second  // how long a silent store is waited for
	longestWait = 20 * time.Second // and one that answers slowly
)

// result is the answer to one line.
type result struct {
	Line    int                `json:"line"`
	Status  int                `json:"status"`
	Receipt *indelible.Receipt `json:"receipt,omitempty"`
	Problem *Problem           `json:"problem,omitempty"`
}

// postEvents records events.
func (s *Server) postEvents(a *asking) error {
	scope, err := s.permit(a, access.WriteEvents, "write_events")
	if err != nil {
		return err
	}
	query, err := parameters(a.Request, "ack")
	if err != nil {
		return err
	}
	store := true
	switch query["ack"] {
	case "", indelible.DurableStore:
	case indelible.DurableJournal:
		store = false
	default:
		return problem(http.StatusBadRequest, "bad_query", "ack is journal or store")
	}
	media, _, err := mime.ParseMediaType(a.Header.Get("Content-Type"))
	if err != nil || media != "application/json" && media != "application/x-ndjson" {
		return problem(http.StatusUnsupportedMediaType, "media_type", "send application/json or application/x-ndjson")
	}
	if p := s.limits.take(a.who.KeyID, 0); p != nil {
		return p
	}
	if a.ContentLength < 0 || a.ContentLength > smallBody || a.Header.Get("Content-Encoding") != "" {
		release, p := s.large.take(a.who.KeyID)
		if p != nil {
			return p
		}
		defer release()
	}
	body, err := readBody(a)
	if err != nil {
		return err
	}
	if media == "application/json" {
		return s.postOne(a, scope, body, store)
	}
	return s.postLines(a, scope, body, store)
}

// postOne records one event.
func (s *Server) postOne(a *asking, scope access.TenantScope, body []byte, store bool) error {
	if p := s.limits.take(a.who.KeyID, 1); p != nil {
		return p
	}
	e, err := s.parse(a, scope, body)
	if err != nil {
		return err
	}
	if p := s.quotas.take(e.TenantID, 1, len(body)); p != nil {
		return p
	}
	pending, err := s.cfg.Recorder.Record(a.Context(), []*indelible.Event{e}, recorder.Options{AwaitStore: store})
	if err != nil {
		return err
	}
	deadline, cancel := context.WithTimeout(a.Context(), longestWait)
	defer cancel()
	r := s.settle(deadline, pending[0], store)
	if r.Problem != nil {
		return r.Problem
	}
	s.metrics.recorded(1)
	writeJSON(a.w, r.Status, r.Receipt)
	return nil
}

// parse reads an event that is the caller's to record.
func (s *Server) parse(a *asking, scope access.TenantScope, text []byte) (*indelible.Event, error) {
	e, err := indelible.ParseEvent(text)
	if err != nil {
		return nil, err
	}
	if !scope.Allows(e.TenantID) {
		a.look.Tenants = nil // the name is not the caller's to put into the log
		if err := s.deny(a, problem(http.StatusForbidden, "tenant_forbidden", "")); err != nil {
			return nil, err
		}
	}
	if key := a.Header.Get("Idempotency-Key"); key != "" {
		id, ok := eventID(key)
		if !ok || e.ID != "" && e.ID != id {
			return nil, problem(http.StatusBadRequest, "bad_request", "Idempotency-Key is the event's id, a UUID")
		}
		e.ID = id
	}
	return e, nil
}

// settle waits for the place of an event as long as that makes sense.
func (s *Server) settle(ctx context.Context, p *recorder.Pending, store bool) result {
	if p.Err != nil {
		pr := problemOf(p.Err)
		return result{Status: pr.Status, Problem: pr}
	}
	var receipt indelible.Receipt
	if store && ctx.Err() == nil {
		var err error
		if receipt, _, err = p.WaitWhileStoreAnswers(ctx, storeWait); err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
			pr := problemOf(err)
			return result{Status: pr.Status, Problem: pr}
		}
	}
	receipt = p.Settle()
	r := result{Receipt: &receipt}
	switch {
	case receipt.Conflict:
		return result{Status: http.StatusConflict, Problem: problemOf(recorder.ErrConflict)}
	case receipt.Repeat:
		r.Status = http.StatusOK
	case receipt.Durability == indelible.DurableStore:
		r.Status = http.StatusCreated
	default:
		r.Status = http.StatusAccepted
	}
	return r
}

// line is a line of NDJSON on its way.
type line struct {
	number  int
	pending *recorder.Pending
	err     error
}

// postLines records an event a line, and answers with a result for each.
func (s *Server) postLines(a *asking, scope access.TenantScope, body []byte, store bool) error {
	var texts [][]byte
	var numbers []int
	for n := 1; len(body) > 0; n++ {
		text, rest, _ := bytes.Cut(body, []byte("\n"))
		body = rest
		if len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		if len(texts) == maxLines {
			return problem(http.StatusRequestEntityTooLarge, "too_large", "a body has at most 10000 lines")
		}
		texts, numbers = append(texts, text), append(numbers, n)
	}
	if p := s.limits.take(a.who.KeyID, len(texts)); p != nil {
		return p
	}
	lines := make([]line, 0, len(texts))
	denied := false
	for first := 0; first < len(texts); first += batchEvents {
		var events []*indelible.Event
		var sent [][]byte
		var at []int
		for i := first; i < min(first+batchEvents, len(texts)); i++ {
			l := line{number: numbers[i]}
			e, err := indelible.ParseEvent(texts[i])
			switch {
			case err != nil:
				l.err = err
			case !scope.Allows(e.TenantID):
				l.err = problem(http.StatusForbidden, "tenant_forbidden", "")
				denied = true
			default:
				events, at, sent = append(events, e), append(at, len(lines)), append(sent, texts[i])
			}
			lines = append(lines, l)
		}
		if refused := s.quotas.within(events, sent); len(refused) > 0 {
			var pass []*indelible.Event
			var passAt []int
			for k, e := range events {
				if p := refused[e.TenantID]; p != nil {
					lines[at[k]].err = p
				} else {
					pass, passAt = append(pass, e), append(passAt, at[k])
				}
			}
			events, at = pass, passAt
		}
		pending, err := s.cfg.Recorder.Record(a.Context(), events, recorder.Options{AwaitStore: store})
		for k, i := range at {
			if err != nil {
				lines[i].err = err
			} else {
				lines[i].pending = pending[k]
			}
		}
	}
	if denied {
		if err := s.deny(a, nil); err != nil {
			return err
		}
	}
	if p := later(lines); p != nil {
		if !slices.ContainsFunc(lines, func(l line) bool { return l.pending != nil || problemOf(l.err).retryAfter == 0 }) {
			return p // all of it is to be sent again
		}
		a.w.Header().Set("Retry-After", p.retry())
	}
	return s.answerLines(a, lines, store)
}

// later is the problem of a line that can be sent again, and asks to wait longest.
func later(lines []line) (longest *Problem) {
	for _, l := range lines {
		if l.err == nil {
			continue
		}
		if p := problemOf(l.err); p.retryAfter > 0 && (longest == nil || p.retryAfter > longest.retryAfter) {
			longest = p
		}
	}
	return longest
}

func (s *Server) answerLines(a *asking, lines []line, store bool) error {
	h := a.w.Header()
	h.Set("Content-Type", "application/x-ndjson")
	h.Set("Cache-Control", "no-store")
	out := bufio.NewWriterSize(a.w, 64<<10)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	ctx, cancel := context.WithTimeout(a.Context(), longestWait)
	defer cancel()
	recorded := 0
	for _, l := range lines {
		var r result
		if l.err != nil {
			p := problemOf(l.err)
			if p.Status == http.StatusInternalServerError {
				s.cfg.Log.Error("an event was not recorded", "err", l.err)
			}
			r = result{Status: p.Status, Problem: p}
		} else {
			r = s.settle(ctx, l.pending, store)
			if r.Receipt != nil {
				recorded++
				// Once the store is away it is not waited for again and again.
				store = store && r.Status != http.StatusAccepted
			}
		}
		r.Line = l.number
		if err := enc.Encode(r); err != nil {
			break // the caller has gone; what is recorded is recorded
		}
	}
	for _, l := range lines {
		if l.pending != nil {
			l.pending.Settle() // nobody waits any more
		}
	}
	s.metrics.recorded(recorded)
	out.Flush()
	return nil
}
