package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"indelible"
	"indelible/internal/access"
	"indelible/internal/govern"
	"indelible/internal/journal"
	"indelible/internal/ledger"
	"indelible/internal/recorder"
	"indelible/internal/search"
	"indelible/internal/store"
)

// Problem is an answer that says what went wrong: RFC 9457. Its code is stable.
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail,omitempty"`
	Field  string `json:"field,omitempty"` // of the event
	Hint   string `json:"hint,omitempty"`

	retryAfter time.Duration
}

func (p *Problem) Error() string { return p.Title + ": " + p.Detail }

// titles of problems, by code.
var titles = map[string]string{
	"bad_path":          "The path is not one of this API",
	"bad_request":       "The request cannot be understood",
	"bad_query":         "The query is not one",
	"bad_cursor":        "The cursor is not one of this query",
	"unauthorized":      "No valid credentials",
	"forbidden":         "Not allowed",
	"tenant_forbidden":  "The tenant is not one of this key",
	"not_found":         "Not found",
	"method":            "The method is not allowed here",
	"media_type":        "The media type is not taken",
	"too_large":         "Too large",
	"ratio":             "Compressed beyond what is taken",
	"invalid_event":     "The event is not valid",
	"signature":         "Not signed as it has to be",
	"two_operators":     "This takes two operators",
	"held":              "A hold keeps it",
	"not_needed":        "There is nothing to decide",
	"too_many":          "There are too many already",
	"no_keys":           "There are no keys",
	"conflict":          "The id is taken by another event",
	"quota":             "The tenant has sent what it may today",
	"rate":              "Too many requests",
	"busy":              "Too busy",
	"store_unavailable": "The store does not answer",
	"ended":             "It has ended",
	"erased":            "Erased or expired",
	"timeout":           "The request took too long",
	"internal":          "Something went wrong here",
}

func problem(status int, code, detail string) *Problem {
	return &Problem{Type: "urn:indelible:problem:" + code, Title: titles[code], Status: status, Code: code, Detail: detail}
}

func (p *Problem) after(d time.Duration) *Problem {
	p.retryAfter = d
	return p
}

// retry is how long to wait, in seconds: rounded up, so that nobody comes early.
func (p *Problem) retry() string {
	return strconv.FormatInt(int64((p.retryAfter+time.Second-1)/time.Second), 10)
}

// problemOf finds the problem of an error. What an error says of the machine's
// inside is for its log, not for the caller.
func problemOf(err error) *Problem {
	var p *Problem
	var field *indelible.FieldError
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &field):
		p = problem(http.StatusUnprocessableEntity, "invalid_event", field.Problem)
		p.Field, p.Hint = field.Field, field.Hint
		return p
	case errors.Is(err, recorder.ErrConflict):
		return problem(http.StatusConflict, "conflict", "another event with this id is in the log")
	case errors.As(err, &tooLarge):
		return problem(http.StatusRequestEntityTooLarge, "too_large", "a body has at most "+strconv.FormatInt(tooLarge.Limit, 10)+" bytes")
	case errors.Is(err, search.ErrQuery):
		return problem(http.StatusBadRequest, "bad_query", err.Error())
	case errors.Is(err, ErrNoKeys):
		return problem(http.StatusConflict, "no_keys", "this ledger has no key store: rows can be masked without pseudonyms")
	case errors.Is(err, access.ErrForbidden):
		return problem(http.StatusForbidden, "forbidden", "the key's role does not allow this")
	case errors.Is(err, govern.ErrNotSigned):
		return problem(http.StatusUnprocessableEntity, "signature", err.Error())
	case errors.Is(err, govern.ErrOneOperator), errors.Is(err, govern.ErrSamePerson):
		return problem(http.StatusConflict, "two_operators", "another person has to be an operator of this log, and to sign")
	case errors.As(err, new(*govern.HeldError)):
		return problem(http.StatusConflict, "held", "two operators can lift it first")
	case errors.Is(err, govern.ErrNothing), errors.Is(err, govern.ErrNotEncrypted):
		return problem(http.StatusConflict, "not_needed", err.Error())
	case errors.Is(err, govern.ErrTooMany):
		return problem(http.StatusConflict, "too_many", err.Error())
	case errors.Is(err, govern.ErrNoProposal):
		return problem(http.StatusNotFound, "not_found", "no such proposal, or it was carried out")
	case errors.Is(err, ledger.ErrNotFound):
		return problem(http.StatusNotFound, "not_found", "what was recorded a moment ago is there once it is published")
	case errors.Is(err, ledger.ErrExpired):
		return problem(http.StatusGone, "erased", "it expired under the retention policy; its leaf is in the log")
	case errors.Is(err, indelible.ErrSealed):
		return problem(http.StatusGone, "erased", "it was erased; its leaf is in the log")
	case errors.Is(err, journal.ErrFull), errors.Is(err, ledger.ErrOverdue), errors.Is(err, journal.ErrClosed), errors.Is(err, ledger.ErrClosed), errors.Is(err, ledger.ErrOtherWriter), errors.Is(err, journal.ErrBroken):
		return problem(http.StatusServiceUnavailable, "busy", "nothing can be recorded for now").after(5 * time.Second)
	case errors.Is(err, store.ErrUnavailable):
		return problem(http.StatusServiceUnavailable, "store_unavailable", "").after(5 * time.Second)
	}
	return problem(http.StatusInternalServerError, "internal", "")
}

func (p *Problem) write(w http.ResponseWriter) {
	b, err := json.Marshal(p)
	if err != nil {
		b = []byte("{}")
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	if p.retryAfter > 0 {
		h.Set("Retry-After", p.retry())
	}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="indelible"`)
	}
	w.WriteHeader(p.Status)
	w.Write(append(b, '\n'))
}
