// Package api is the log over HTTP: events are sent, searched and proved, each
// caller sees what is theirs, and every look is itself recorded. The contract is
// api/openapi.yaml.
package api

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"indelible"
	"indelible/internal/access"
	"indelible/internal/exports"
	"indelible/internal/jobs"
	"indelible/internal/ledger"
	"indelible/internal/recorder"
	"indelible/internal/search"
	"indelible/internal/store"
)

// Ledger is what the server needs of the ledger it writes to.
type Ledger interface {
	Status() ledger.Status
	Tenant(id string, seal func(id string, salt [32]byte) ([]byte, error)) (*ledger.TenantKeys, error)
	Lookup(ctx context.Context, ref indelible.Ref, all bool) (p ledger.Placed, payload []byte, found bool, err error)
	Err() error
	FlushWhileStoreAnswers(ctx context.Context, patience time.Duration) (away, err error)
}

// Tokens knows people by bearer tokens that are no API keys: access.ErrRefused if
// they are nobody's. Another error says that nobody can be known for now.
type Tokens interface {
	Authenticate(ctx context.Context, token string) (*access.Principal, error)
}

// Config is what a server is made of.
type Config struct {
	Ledger   Ledger
	Recorder *recorder.Recorder
	Sealer   recorder.Sealer
	Store    store.Store                                   // for the log's public objects
	Reader   *ledger.Reader                                // nil: the store is away
	Open     func(context.Context) (*ledger.Reader, error) // makes it when the store is back
	Index    search.Index

	Keys      *access.Keys
	Tokens    Tokens // those of an OpenID provider; nil: none are taken
	Policy    access.Policy
	Decisions Decisions // nil: nothing is decided over HTTP
	PublicLog bool      // /log/… needs no key

	Masks Masks // for exporters

	Verification func() json.RawMessage // the latest report of a verification; nil: none yet

	Exports *exports.Queue // nil: none are made

	Patience    time.Duration                   // with who reads nothing of a stream; 0: 10 s
	TenantLimit func(tenant string) TenantLimit // nil: none has one

	Rate float64 // events a second of one key; 0: 20,000

	Gauges func() []Gauge // more metrics; nil: none
	// Schedules is the work that runs by itself; nil: there is none here.
	Schedules *jobs.Queue
	Jobs      func() any // how it stands with scheduled work, for /readyz; nil: not told. It names nothing

	Log   *slog.Logger
	Clock func() time.Time // nil: time.Now
}

// Server answers requests.
type Server struct {
	cfg        Config
	authorizer access.Authorizer
	looks      access.Log
	view       view
	cursorKey  [32]byte
	metrics    *Metrics
	limits     limits
	quotas     quotas
	large      seats // bodies in memory
	downloads  seats
	tails      seats
	counts     seats
	ending     chan struct{} // closed when streams are to end
	endOnce    sync.Once
	failures   failures
	keyChange  sync.Mutex
	mux        *http.ServeMux

	stop context.CancelFunc
	wg   sync.WaitGroup
}

// New makes a server and begins to follow the log. Close ends that.
func New(ctx context.Context, cfg Config) (*Server, error) {
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Patience == 0 {
		cfg.Patience = streamWait
	}
	if cfg.Rate == 0 {
		cfg.Rate = 20_000
	}
	s := &Server{cfg: cfg, authorizer: access.Authorizer{Policy: cfg.Policy}, metrics: newMetrics(), mux: http.NewServeMux()}
	s.looks = access.Log{Recorder: own{cfg.Recorder}, Clock: cfg.Clock}
	s.large = seats{all: maxLarge, each: maxLargeOf, what: "large bodies on their way"}
	s.downloads = seats{all: maxDownloads, each: maxOwnFiles, what: "downloads under way"}
	s.tails = seats{all: maxTails, each: maxOwnTails, what: "streams"}
	s.counts = seats{all: maxCounts, each: 1, what: "counts under way"}
	s.ending = make(chan struct{})
	s.limits.rate, s.limits.clock = cfg.Rate, cfg.Clock
	s.quotas.of, s.quotas.clock = cfg.TenantLimit, cfg.Clock
	rand.Read(s.cursorKey[:])
	if err := s.view.begin(ctx, s); err != nil {
		return nil, err
	}
	for _, r := range s.routes() {
		s.mux.Handle(r.pattern, r.handler)
	}
	follow, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	s.wg.Go(func() { s.view.follow(follow, s) })
	return s, nil
}

// endStreams ends what would not end by itself.
func (s *Server) endStreams() { s.endOnce.Do(func() { close(s.ending) }) }

// Close ends following the log.
func (s *Server) Close() {
	s.endStreams()
	s.stop()
	s.wg.Wait()
}

// route is a way into the server.
type route struct {
	pattern string
	handler http.Handler
}

// routes are all there are; api/openapi.yaml describes each.
func (s *Server) routes() []route {
	return append(append(s.decisionRoutes(), s.scheduleRoutes()...), []route{
		{"GET /healthz", http.HandlerFunc(s.health)},
		{"GET /readyz", http.HandlerFunc(s.ready)},
		{"GET /log/{object...}", http.HandlerFunc(s.logObject)},
		{"POST /v1/events", s.authenticated(s.postEvents)},
		{"GET /v1/events", s.authenticated(s.searchEvents)},
		{"GET /v1/events/tail", s.authenticated(s.tailEvents)},
		{"GET /v1/events/counts", s.authenticated(s.getCounts)},
		{"GET /v1/events/top", s.authenticated(s.getTop)},
		{"GET /v1/events/{id}", s.authenticated(s.getEvent)},
		{"GET /v1/events/{id}/evidence", s.authenticated(s.getEvidence)},
		{"GET /v1/receipts/{id}", s.authenticated(s.getReceipt)},
		{"GET /v1/tenants/{tenant}/completeness", s.authenticated(s.getCompleteness)},
		{"GET /v1/access", s.authenticated(s.getAccess)},
		{"GET /v1/keys", s.authenticated(s.getKeys)},
		{"POST /v1/keys", s.authenticated(s.postKey)},
		{"DELETE /v1/keys/{id}", s.authenticated(s.deleteKey)},
		{"POST /v1/datasets", s.authenticated(s.postDataset)},
		{"GET /v1/datasets/masks", s.authenticated(s.getDatasetMasks)},
		{"POST /v1/exports", s.authenticated(s.postExport)},
		{"GET /v1/exports", s.authenticated(s.getExports)},
		{"GET /v1/exports/{id}", s.authenticated(s.getExport)},
		{"DELETE /v1/exports/{id}", s.authenticated(s.deleteExport)},
		{"GET /v1/exports/{id}/files/{name...}", s.authenticated(s.getExportFile)},
		{"GET /v1/verification", s.authenticated(s.getVerification)},
	}...)
}

// Handler is the server, with what holds for every request around it.
func (s *Server) Handler() http.Handler { return s.guard(s.mux) }

// own records events of the log's own tenants.
type own struct{ recorder *recorder.Recorder }

// RecordOwn implements access.Recorder.
func (o own) RecordOwn(ctx context.Context, events []*indelible.Event) error {
	pending, err := o.recorder.Record(ctx, events, recorder.Options{System: true})
	for _, p := range pending {
		if p.Err != nil {
			return p.Err
		}
	}
	return err
}

func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Write([]byte("ok\n"))
}

// readiness is what /readyz answers.
type readiness struct {
	Status  string `json:"status"`
	Pending int64  `json:"pending_bytes"` // in the journal and not in the store
	Size    uint64 `json:"tree_size"`
	Indexed uint64 `json:"indexed"`
	Jobs    any    `json:"jobs,omitempty"`
}

// ready says whether events are taken. A store that is away does not change
// that: the journal takes them.
func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	st := s.cfg.Ledger.Status()
	r := readiness{"ready", st.Pending, st.Published, s.view.now().indexed, nil}
	if s.cfg.Jobs != nil {
		r.Jobs = s.cfg.Jobs()
	}
	code := http.StatusOK
	switch {
	case s.cfg.Ledger.Err() != nil:
		r.Status, code = "failed", http.StatusServiceUnavailable
	case st.StoreErr != nil || !st.Ready:
		r.Status = "degraded: journal only"
	}
	writeJSON(w, code, r)
}

// writeJSON writes one JSON value. Canonical text in it stays as it is.
func writeJSON(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.Encode(v)
}
