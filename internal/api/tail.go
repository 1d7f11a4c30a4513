package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"

	"indelible/internal/access"
	"indelible/internal/history"
	"indelible/internal/search"
)

const (
	maxTails    = 256 // at once
	maxOwnTails = 8   // of one key
	tailBatch   = 200 // events that are recorded and sent at once
	heartbeat   = 10 * time.Second
	stillLive   = time.Second      // how long a key that was revoked may read on
	streamWait  = 10 * time.Second // how long a reader may take nothing
)

// tailParameters are a search's, without what says which part of the log.
var tailParameters = append(slices.Clone(search.Fields), "q")

// stream is a live tail under way.
type stream struct {
	*asking
	server *Server
	query  search.Query
	out    *patient
	at     uint64 // the first leaf that was not looked at
	showed bool   // an event, which was recorded
}

// tailEvents answers GET /v1/events/tail: events as they come into the log, each
// once and in the order of the log. The id of a message is where the stream goes
// on; whoever sends it back as Last-Event-ID, to this server or the next, misses
// nothing.
func (s *Server) tailEvents(a *asking) error {
	scope, err := s.permit(a, access.ReadEvents, "tail")
	if err != nil {
		return err
	}
	in, err := parameters(a.Request, tailParameters...)
	if err != nil {
		return err
	}
	q, err := parseSearch(in, scope)
	if err != nil {
		return err
	}
	q.LogOrder, q.Limit = true, tailBatch
	t := &stream{asking: a, server: s, query: q, at: s.view.now().shown()}
	if id := a.Header.Get("Last-Event-ID"); id != "" {
		at, err := strconv.ParseUint(id, 10, 63)
		if err != nil || strconv.FormatUint(at, 10) != id {
			return problem(http.StatusBadRequest, "bad_cursor", "Last-Event-ID is the id of a message of this stream")
		}
		t.at = at
		in["last_event_id"] = id
	}
	release, p := s.tails.take(a.who.KeyID)
	if p != nil {
		return p
	}
	defer release()
	a.aboutTenants(scope, in["tenant_id"], in)
	if err := s.begin(a); err != nil {
		return err
	}
	h := a.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would gather messages
	t.out = newPatient(a.w, s.cfg.Patience)
	if err := t.send(nil); err != nil {
		return nil // the caller is gone
	}
	t.run()
	if !t.showed {
		a.ended(s, access.Result{})
	}
	return nil
}

// run sends what comes until the caller is gone, may no longer read, or the
// server ends.
func (t *stream) run() {
	live := time.NewTicker(stillLive)
	defer live.Stop()
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		shot := t.server.view.now()
		scope, err := t.still()
		for more := true; more && err == nil; {
			more, err = t.batch(shot, scope)
		}
		if err != nil {
			t.end(err)
			return
		}
		select {
		case <-shot.replaced:
		case <-live.C:
		case <-beat.C:
			if t.send(nil) != nil {
				return
			}
		case <-t.server.ending:
			return
		case <-t.Context().Done():
			return
		}
	}
}

// still makes sure that the caller may read, now.
func (t *stream) still() (access.TenantScope, error) {
	who, p := t.server.authenticate(t.Request)
	if p != nil {
		return access.TenantScope{}, p
	}
	return t.server.authorizer.Authorize(who, access.ReadEvents, t.look.SourceIP)
}

// batch sends the next events there are, and reports whether there may be more.
// What is shown is recorded first.
func (t *stream) batch(shot *shot, scope access.TenantScope) (more bool, err error) {
	q := t.query
	q.From, q.End = t.at, shot.shown()
	if q.From >= q.End {
		return false, nil
	}
	var found []*history.Found
	size, next := 0, q.End
	for f, err := range shot.log.Search(t.Context(), scope, q) {
		if err != nil {
			return false, err
		}
		if f.Event != nil {
			size += len(f.Event.Details)
			found = append(found, f)
		}
		if len(found) == tailBatch || size > maxPage {
			next, more = f.Index+1, true
			break
		}
	}
	var places []uint64
	for _, f := range found {
		places = append(places, f.Index)
	}
	if len(places) > 0 {
		if err := t.server.end(t.asking, places, nil); err != nil {
			return false, err
		}
		t.showed = true
	}
	for _, f := range found {
		t.at = f.Index + 1
		text, err := json.Marshal(show(f))
		if err != nil {
			return false, err
		}
		if err := t.send(text); err != nil {
			return false, err
		}
	}
	t.at = next
	return more, nil
}

// send writes a message, or only how far the stream is.
func (t *stream) send(data []byte) error {
	var b bytes.Buffer
	b.WriteString("id: " + strconv.FormatUint(t.at, 10) + "\n")
	if data != nil {
		b.WriteString("data: ")
		b.Write(data) // JSON stands on one line
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	t.out.Write(b.Bytes())
	return t.out.flush()
}

// end says why the stream ends, if anybody listens.
func (t *stream) end(err error) {
	if t.out.err != nil || t.Context().Err() != nil {
		return
	}
	p := problemOf(err)
	if p.Status == http.StatusInternalServerError {
		t.server.cfg.Log.Error("a stream ended", "request", t.look.Request, "err", err)
	}
	if text, err := json.Marshal(p); err == nil {
		t.out.Write([]byte("event: problem\ndata: " + string(text) + "\n\n"))
		t.out.flush()
	}
}
