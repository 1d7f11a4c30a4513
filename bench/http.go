package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"indelible"
	"indelible/internal/access"
	"indelible/internal/access/cedar"
	"indelible/internal/api"
	"indelible/internal/datadir"
	"indelible/internal/ledger"
	"indelible/internal/recorder"
	"indelible/internal/sample"
	"indelible/internal/search/sqlite"
)

// served is a ledger with sealed records and a server on it.
type served struct {
	recorder *recorder.Recorder
	url, key string
	close    func() error
}

func newServed(ctx context.Context, path string) (*served, error) {
	store := datadir.StoreConfig{Prefix: datadir.DefaultPrefix, Lock: "none", Retention: datadir.DefaultRetention}
	d, err := datadir.Init(ctx, path, datadir.InitOptions{Store: store, Keys: &datadir.KeysConfig{Root: "file"}}, noEnv)
	if err != nil {
		return nil, err
	}
	cfg, err := d.LedgerConfig()
	if err != nil {
		return nil, err
	}
	keys, err := d.OpenKeys(ctx, false, noEnv)
	if err != nil {
		return nil, err
	}
	sealer := &recorder.Sealed{Keys: keys, Origin: d.Config.Origin, IDKey: cfg.IDKey}
	cfg.Sealer = sealer
	l, err := ledger.Open(cfg)
	if err != nil {
		return nil, err
	}
	if err := l.Flush(ctx); err != nil {
		return nil, err
	}
	vkey, err := d.VerifierKey()
	if err != nil {
		return nil, err
	}
	reader, err := ledger.NewReader(ctx, d.Store, vkey)
	if err != nil {
		return nil, err
	}
	ix, err := sqlite.Open(ctx, filepath.Join(path, "search", "index.db"), "bench")
	if err != nil {
		return nil, err
	}
	policy, err := cedar.New("policy.cedar", cedar.Default)
	if err != nil {
		return nil, err
	}
	apiKeys := access.OpenKeys(filepath.Join(path, "access"), nil)
	text, key, err := apiKeys.New("bench", []access.Role{access.Writer}, true, nil, nil, "")
	if err == nil {
		err = apiKeys.Add(key)
	}
	if err != nil {
		return nil, err
	}
	rec := recorder.New(l, cfg, sealer)
	server, err := api.New(ctx, api.Config{
		Ledger: l, Recorder: rec, Sealer: sealer, Store: d.Store, Reader: reader, Index: ix, Keys: apiKeys, Policy: policy,
		Verification: func() json.RawMessage { return nil }, Rate: 1e9, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	web := server.HTTP()
	go web.Serve(listener)
	return &served{recorder: rec, url: "http://" + listener.Addr().String(), key: text, close: func() error {
		web.Close()
		server.Close()
		return errors.Join(ix.Close(), l.Close(), keys.Close())
	}}, nil
}

const (
	httpBatch   = 500
	httpSenders = 4
	httpFor     = 4 * time.Second
)

// batches are events as JSON, each under a new id whenever it is sent.
func batches() [][]*indelible.Event {
	var all [][]*indelible.Event
	var b []*indelible.Event
	for e := range sample.Events(5, 20*httpBatch) {
		if b = append(b, e); len(b) == httpBatch {
			all, b = append(all, b), nil
		}
	}
	return all
}

// benchHTTP compares events sent over HTTP with the same recorder in process.
func benchHTTP(ctx context.Context, e *env) error {
	var pairs []pair
	for round := range 3 {
		inProcess, err := httpOnce(ctx, filepath.Join(e.dir, fmt.Sprintf("http-%d-a", round)), false)
		if err != nil {
			return err
		}
		over, err := httpOnce(ctx, filepath.Join(e.dir, fmt.Sprintf("http-%d-b", round)), true)
		if err != nil {
			return err
		}
		pairs = append(pairs, pair{over, inProcess})
	}
	m := median(pairs)
	row(fmt.Sprintf("sealed events as NDJSON over HTTP: %.0f/s, in process %.0f/s", m.ours, m.limit), fmt.Sprintf("%.2f", m.ratio()), "0.6", "0.4")
	return benchPost(ctx, e)
}

// httpOnce records events of 600 bytes or so from their JSON for a while, with
// the server's own follower at work both times.
func httpOnce(ctx context.Context, path string, overHTTP bool) (float64, error) {
	defer os.RemoveAll(path)
	s, err := newServed(ctx, path)
	if err != nil {
		return 0, err
	}
	all := batches()
	settle()
	var count atomic.Int64
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	begun := time.Now()
	for w := range httpSenders {
		wg.Go(func() {
			for n := w; time.Since(begun) < httpFor && failed.Load() == nil; n += httpSenders {
				var body bytes.Buffer
				for i, ev := range all[n%len(all)] {
					fresh := *ev
					fresh.ID = fmt.Sprintf("%08x-%04x-4000-8000-%012x", n, w, i)
					body.Write(fresh.AppendCanonical(nil))
					body.WriteByte('\n')
				}
				var err error
				if overHTTP {
					err = s.post(ctx, "application/x-ndjson", &body)
				} else {
					err = s.record(ctx, body.Bytes())
				}
				if err != nil {
					failed.Store(&err)
					return
				}
				count.Add(httpBatch)
			}
		})
	}
	wg.Wait()
	rate := float64(count.Load()) / time.Since(begun).Seconds()
	if err := failed.Load(); err != nil {
		return 0, errors.Join(*err, s.close())
	}
	return rate, s.close()
}

// record parses and records lines as the server does.
func (s *served) record(ctx context.Context, body []byte) error {
	events := make([]*indelible.Event, 0, httpBatch)
	for line := range bytes.Lines(body) {
		e, err := indelible.ParseEvent(line)
		if err != nil {
			return err
		}
		events = append(events, e)
	}
	pending, err := s.recorder.Record(ctx, events, recorder.Options{})
	for _, p := range pending {
		err = errors.Join(err, p.Err)
	}
	return err
}

func (s *served) post(ctx context.Context, media string, body io.Reader) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/v1/events?ack=journal", body)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+s.key)
	r.Header.Set("Content-Type", media)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	return nil
}

// benchPost measures single events over 64 connections against what 64 callers of
// a bare grouped fsync wait.
func benchPost(ctx context.Context, e *env) error {
	const connections = 64
	http.DefaultTransport.(*http.Transport).MaxIdleConnsPerHost = connections
	path := filepath.Join(e.dir, "http-post")
	defer os.RemoveAll(path)
	s, err := newServed(ctx, path)
	if err != nil {
		return err
	}
	settle()
	var mu sync.Mutex
	var took []time.Duration
	var failed error
	var wg sync.WaitGroup
	begun, used := time.Now(), cpu()
	template := batches()[0]
	for w := range connections {
		wg.Go(func() {
			for n := 0; time.Since(begun) < httpFor; n++ {
				ev := *template[(n*connections+w)%len(template)]
				ev.ID = fmt.Sprintf("%08x-%04x-4000-8000-000000000000", n, w)
				at := time.Now()
				err := s.post(ctx, "application/json", bytes.NewReader(ev.AppendCanonical(nil)))
				d := time.Since(at)
				mu.Lock()
				took, failed = append(took, d), errors.Join(failed, err)
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	used = cpu() - used
	if err := errors.Join(failed, s.close()); err != nil {
		return err
	}
	bare, err := bareLatency(e, connections, httpFor)
	if err != nil {
		return err
	}
	p99 := func(d []time.Duration) time.Duration {
		slices.Sort(d)
		return d[len(d)*99/100]
	}
	ours, limit := p99(took), p99(bare)
	row(fmt.Sprintf("one event a request, 64 connections, p99 %.1f ms, bare grouped fsync %.1f ms", float64(ours)/1e6, float64(limit)/1e6), fmt.Sprintf("%.1f ×", float64(ours)/float64(limit)), "4 ×", "8 ×")
	fmt.Printf("%d requests at %.0f/s; CPU of server and client together %.0f µs a request\n", len(took), float64(len(took))/httpFor.Seconds(), float64(used.Microseconds())/float64(len(took)))
	return nil
}

// bareLatency is how long callers wait for a write of 600 bytes and an fsync that
// all share who come together.
func bareLatency(e *env, callers int, d time.Duration) ([]time.Duration, error) {
	f, err := os.Create(filepath.Join(e.dir, "bare-latency"))
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	settle()
	type call struct{ done chan error }
	calls := make(chan call, callers)
	stop := make(chan struct{})
	go func() {
		rec := make([]byte, recordSize*callers)
		for {
			var group []call
			select {
			case c := <-calls:
				group = append(group, c)
			case <-stop:
				return
			}
			for more := true; more; {
				select {
				case c := <-calls:
					group = append(group, c)
				default:
					more = false
				}
			}
			_, err := f.Write(rec[:recordSize*len(group)])
			err = errors.Join(err, f.Sync())
			for _, c := range group {
				c.done <- err
			}
		}
	}()
	var mu sync.Mutex
	var took []time.Duration
	var failed error
	var wg sync.WaitGroup
	begun := time.Now()
	for range callers {
		wg.Go(func() {
			c := call{make(chan error, 1)}
			for time.Since(begun) < d {
				at := time.Now()
				calls <- c
				err := <-c.done
				mu.Lock()
				took, failed = append(took, time.Since(at)), errors.Join(failed, err)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	close(stop)
	return took, failed
}

// benchServed loads a server steadily with half of what it can take, and watches
// the memory of server and client together: 5 minutes, with -soak 30.
func benchServed(ctx context.Context, e *env) error {
	top, err := httpOnce(ctx, filepath.Join(e.dir, "served-top"), true)
	if err != nil {
		return err
	}
	path := filepath.Join(e.dir, "served")
	defer os.RemoveAll(path)
	s, err := newServed(ctx, path)
	if err != nil {
		return err
	}
	length := 5 * time.Minute
	if e.soak {
		length = 30 * time.Minute
	}
	all := batches()
	tick := time.NewTicker(time.Duration(float64(httpBatch) / (top / 2) * float64(time.Second)))
	defer tick.Stop()
	memory := watchMemory()
	var early, late uint64 // the peaks of the second and the last quarter
	begun, n := time.Now(), 0
	for ; time.Since(begun) < length; n++ {
		<-tick.C
		var body bytes.Buffer
		for i, ev := range all[n%len(all)] {
			fresh := *ev
			fresh.ID = fmt.Sprintf("%08x-0000-4000-8000-%012x", n, i)
			body.Write(fresh.AppendCanonical(nil))
			body.WriteByte('\n')
		}
		if err := s.post(ctx, "application/x-ndjson", &body); err != nil {
			return errors.Join(err, s.close())
		}
		switch t := time.Since(begun); {
		case t > length*3/4:
			late = max(late, resident())
		case t > length/4 && t < length/2:
			early = max(early, resident())
		}
	}
	peak := memory()
	rate := float64(n*httpBatch) / time.Since(begun).Seconds()
	growth := (float64(late) - float64(early)) / 1e6 / (length / 2).Minutes()
	row(fmt.Sprintf("memory of a server that takes %.0f events/s for %s, its client included, peak", rate, length), fmt.Sprintf("%.0f MB", float64(peak)/1e6), "250 MB", "350 MB")
	row("growth, from the peak of the second quarter to that of the last", fmt.Sprintf("%.1f MB/min", growth), "flat", "1 MB/min")
	return s.close()
}
