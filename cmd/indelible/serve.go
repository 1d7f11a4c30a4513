package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"indelible/internal/access"
	"indelible/internal/access/cedar"
	"indelible/internal/api"
	"indelible/internal/datadir"
	"indelible/internal/ledger"
	"indelible/internal/search/sqlite"
)

type serveOptions struct {
	writeOptions
	listen, metrics string
	policies        string
	verifyEvery     string
}

func (a *app) serveCommand() *cobra.Command {
	var opt serveOptions
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Take, search and prove events over HTTP",
		Long: `Take, search and prove events over HTTP, until a signal ends it. This process is
the ledger's writer; commands that record hand their events to it.

Without server.tls in indelible.yaml it speaks plain HTTP and therefore listens
on loopback only. Without a key only /healthz,
/readyz and the public objects of the log (/log/…) are answered: make keys with
` + "`indelible keys api add`" + `. docs/api.md has the endpoints.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.serve(cmd.Context(), opt) },
	}
	f := cmd.Flags()
	f.StringVar(&opt.listen, "listen", "127.0.0.1:8443", "address to listen on; without TLS one of loopback")
	f.StringVar(&opt.metrics, "metrics", "", "loopback address for Prometheus metrics (default: none)")
	f.StringVar(&opt.policies, "policies", "", "Cedar policies in place of those that come with the program")
	f.StringVar(&opt.verifyEvery, "verify-every", "", "how often the whole log is verified; 0 is never (default 1d, or never where a schedule verifies)")
	addWriteFlags(cmd, &opt.writeOptions)
	return cmd
}

// publishForReaders is how often a server on a directory publishes: an event that
// was acknowledged is found within a second.
const publishForReaders = 400 * time.Millisecond

// listen listens on an address; without TLS on one that other machines do not reach.
func listen(ctx context.Context, flag, address string, secure bool) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, usagef("write it as 127.0.0.1:8443", "%s: %s", flag, err)
	}
	if ip := net.ParseIP(host); !secure && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, usagef("listen on 127.0.0.1; `serve` itself reaches further with server.tls in indelible.yaml", "%s: plain HTTP is for loopback only", flag)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	return l, nil
}

func (a *app) serve(ctx context.Context, opt serveOptions) (err error) {
	a.serving = true
	every, err := datadir.ParseDuration(cmp.Or(opt.verifyEvery, "1d"))
	if err != nil {
		return usagef("write a number of days such as 1d, or hours such as 12h", "--verify-every: %w", err)
	}
	policies := cedar.Default
	if opt.policies != "" {
		if policies, err = readFileFlag("--policies", opt.policies); err != nil {
			return err
		}
	}
	policy, err := cedar.New(opt.policies, policies)
	if err != nil {
		return usagef("write them as docs.cedarpolicy.com says; the program's own are a good begin", "--policies: %w", err)
	}
	d, err := datadir.Open(ctx, a.dir, a.env)
	if err != nil {
		return err
	}
	r, err := a.openToServe(ctx, d)
	if err != nil {
		return err
	}
	certificates, err := certificatesOf(d)
	if err != nil {
		return err
	}
	tokens, err := providerOf(d)
	if err != nil {
		return err
	}
	listener, err := listen(ctx, "--listen", opt.listen, certificates != nil)
	if err != nil {
		return err
	}
	defer listener.Close()
	opt.publishEvery = publishForReaders
	if d.Config.Store.S3 != nil {
		opt.publishEvery = 0
	}
	s, err := a.openForWriting(ctx, d, opt.writeOptions)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	ix, err := sqlite.Open(ctx, a.indexPath(), r.name)
	if err != nil {
		return failf(exitFailure, rebuildHint, "%w", err)
	}
	defer ix.Close()

	log := slog.New(slog.NewJSONHandler(a.stderr, nil))
	queue, err := a.exportQueue(d, log)
	if err != nil {
		return err
	}
	if queue != nil {
		defer queue.Close()
	}
	v := &verification{session: s, vkey: r.vkey, log: log}
	masks, err := newServedMasks(s, r.idKey)
	if err != nil {
		return err
	}
	decide, err := a.newDecisions(s, r.vkey)
	if err != nil {
		return err
	}
	background, cancel := context.WithCancel(ctx)
	defer cancel()
	a.verified = v.keep
	jobsQueue, wait, err := a.work(background, d, (&book{a, d}).recordJobs, log)
	if err != nil {
		return err
	}
	defer func() {
		cancel()
		err = errors.Join(err, wait())
	}()
	work := &scheduled{queue: jobsQueue, log: log}
	server, err := api.New(ctx, api.Config{
		Ledger: s.ledger, Recorder: s.recorder, Sealer: s.sealer, Store: d.Store, Reader: r.Reader, Index: ix,
		Keys: access.OpenKeys(a.accessDir(), nil), Policy: policy, Masks: masks, PublicLog: d.Config.PublicLog(), Verification: func() json.RawMessage { work.learn(v); return v.latest() }, Exports: queue, Log: log,
		Tokens: tokens, Gauges: func() []api.Gauge { work.learn(v); return append(a.gauges(s, v, certificates), work.gauges()...) }, Jobs: work.ready, Schedules: jobsQueue,
		Open:      func(ctx context.Context) (*ledger.Reader, error) { return newReader(ctx, d, r.vkey) },
		Decisions: decide, TenantLimit: func(tenant string) (l api.TenantLimit) {
			l.Events, l.Bytes = d.Config.Limits.Of(tenant)
			return l
		},
	})
	if err != nil {
		return err
	}
	defer server.Close()
	if every > 0 && (opt.verifyEvery != "" || !verifiesItself(d.Config)) {
		go v.run(background, time.Duration(every))
	}
	if opt.metrics != "" {
		if err := serveMetrics(background, opt.metrics, server, log); err != nil {
			return err
		}
	}
	web := server.HTTP()
	web.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelDebug)
	if certificates != nil {
		web.TLSConfig = certificates.Config()
		go certificates.Follow(background, certificatesEvery, log)
	}
	return a.answer(ctx, listener, web, s, log)
}

// answer serves until ctx ends, and then ends what is under way in order.
func (a *app) answer(ctx context.Context, listener net.Listener, web *http.Server, s *session, log *slog.Logger) error {
	ended := make(chan error, 1)
	limited, scheme := api.Limit(listener, connections()), "http://"
	serve := func() error { return web.Serve(limited) }
	if web.TLSConfig != nil {
		scheme = "https://"
		serve = func() error { return web.ServeTLS(limited, "", "") }
	}
	go func() { ended <- serve() }()
	log.Info("listening", "address", scheme+listener.Addr().String(), "ledger", s.dir.Config.Origin)
	select {
	case err := <-ended:
		return err
	case <-s.ledger.Done():
		defer web.Close()
		err := fmt.Errorf("the ledger has stopped: %w", s.ledger.Err())
		if errors.Is(err, ledger.ErrOtherWriter) {
			// Begun again it would be refused. Up, and not ready, it is noticed.
			log.Error("another writer has this log; nothing is taken here any more", "err", err)
			<-ctx.Done()
		}
		return err
	case <-ctx.Done():
	}
	log.Info("ending")
	wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	if err := web.Shutdown(wait); err != nil {
		web.Close() // whoever still sends is cut off; what was acknowledged is safe
	}
	if err := s.settle(wait); err != nil {
		log.Warn("what is not in the store stays in the journal", "err", err)
	}
	return nil
}

// connectionsOf is how many connections there may be where a process may open so
// many files: journal, store and index need some.
func connectionsOf(files uint64) int {
	n := int(min(files, 1<<20))
	return max(64, min(api.MaxConnections, n-n/8-256))
}

// serveMetrics answers /metrics on an address of its own.
func serveMetrics(ctx context.Context, address string, server *api.Server, log *slog.Logger) error {
	l, err := listen(ctx, "--metrics", address, false)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		server.WriteMetrics(w)
	})
	web := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	go func() {
		<-ctx.Done()
		web.Close()
	}()
	go web.Serve(l)
	log.Info("metrics", "address", "http://"+l.Addr().String()+"/metrics")
	return nil
}

// verification verifies the log now and then, and keeps the latest report.
type verification struct {
	session *session
	vkey    string
	log     *slog.Logger
	report  atomic.Pointer[json.RawMessage]
	ended   atomic.Pointer[outcome]
}

func (v *verification) latest() json.RawMessage {
	if p := v.report.Load(); p != nil {
		return *p
	}
	return nil
}

// keep makes a report the latest.
func (v *verification) keep(report *ledger.Report) { v.keepAt(report, time.Now()) }

func (v *verification) keepAt(report *ledger.Report, at time.Time) {
	o := &outcome{verifyCode(report), at}
	if before := v.ended.Load(); before != nil && before.code == exitTampered && report.Range != nil {
		o.code = exitTampered // a part that is well does not mend another
	}
	v.ended.Store(o)
	if b, err := json.Marshal(report); err == nil {
		v.report.Store((*json.RawMessage)(&b))
	}
}

func (v *verification) run(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		report, err := ledger.Verify(ctx, v.session.dir.Store, ledger.VerifyOptions{VerifierKey: v.vkey, OwnKey: true, Opener: v.session.sealer, Workers: 1})
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			v.log.Error("the log could not be verified", "err", err)
			v.ended.Store(&outcome{exitUnverified, time.Now()})
		case report.Result != ledger.ResultOK:
			v.log.Error("verification", "result", report.Result, "problems", len(report.Problems))
		default:
			v.log.Info("verification", "result", report.Result, "events", report.Events)
		}
		if err == nil {
			v.keep(report)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
