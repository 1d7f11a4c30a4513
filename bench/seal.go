package main

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"indelible"
	"indelible/internal/datadir"
	"indelible/internal/ledger"
	"indelible/internal/recorder"
	"indelible/internal/sample"
)

// road is a ledger with its recorder.
type road struct {
	ledger   *ledger.Ledger
	recorder *recorder.Recorder
	sealer   recorder.Sealer
	tenants  func(id string) (*ledger.TenantKeys, error)
	close    func() error
}

// newRoad makes a ledger, sealed or not, in a directory of its own.
func newRoad(ctx context.Context, dir string, sealed bool) (*road, error) {
	opt := datadir.InitOptions{Store: datadir.StoreConfig{Prefix: datadir.DefaultPrefix, Lock: "none", Retention: datadir.DefaultRetention}}
	if sealed {
		opt.Keys = &datadir.KeysConfig{Root: "file"}
	}
	d, err := datadir.Init(ctx, dir, opt, noEnv)
	if err != nil {
		return nil, err
	}
	cfg, err := d.LedgerConfig()
	if err != nil {
		return nil, err
	}
	r := &road{sealer: recorder.Plain}
	closeKeys := func() error { return nil }
	if sealed {
		keys, err := d.OpenKeys(ctx, false, noEnv)
		if err != nil {
			return nil, err
		}
		closeKeys = keys.Close
		r.sealer = &recorder.Sealed{Keys: keys, Origin: cfg.Origin, IDKey: cfg.IDKey}
	}
	cfg.Sealer = r.sealer
	if r.ledger, err = ledger.Open(cfg); err != nil {
		return nil, err
	}
	r.recorder = recorder.New(r.ledger, cfg, r.sealer)
	r.tenants = func(id string) (*ledger.TenantKeys, error) { return r.ledger.Tenant(id, r.sealer.SealDescriptor) }
	r.close = func() error {
		if err := r.ledger.Close(); err != nil {
			return err
		}
		return closeKeys()
	}
	return r, r.ledger.Ready(ctx)
}

// someEvents are sample events with a person each, and their mean size as JSON.
func someEvents(n int) (events []*indelible.Event, size int) {
	for e := range sample.Events(1, 2*n) {
		if e.UserID == "" {
			continue
		}
		events = append(events, e)
		size += len(e.AppendJSON(nil))
		if len(events) == n {
			break
		}
	}
	return events, size / len(events)
}

// benchSeal measures the CPU that sealing one event takes, and how long it gets.
func benchSeal(ctx context.Context, e *env) error {
	defer profile()()
	r, err := newRoad(ctx, filepath.Join(e.dir, "seal"), true)
	if err != nil {
		return err
	}
	defer r.close()
	events, size := someEvents(20_000)
	best := time.Duration(1 << 62)
	stored := 0
	for range 5 {
		runtime.GC()
		stored = 0
		begun := cpu()
		for _, ev := range events {
			keys, err := r.tenants(ev.TenantID)
			if err != nil {
				return err
			}
			ev.AuditHash()
			payload, _, err := r.sealer.Seal(ctx, keys, ev)
			if err != nil {
				return err
			}
			if _, err := indelible.HashPayload(payload); err != nil {
				return err
			}
			stored += len(payload)
		}
		best = min(best, (cpu()-begun)/time.Duration(len(events)))
	}
	row(fmt.Sprintf("sealing an event of %d bytes of JSON in two parts, all hashes, CPU", size), fmt.Sprintf("%.1f µs", float64(best)/1e3), "8 µs", "14 µs")
	row("  its payload against its JSON", fmt.Sprintf("%.2f ×", float64(stored)/float64(len(events)*size)), "", "")
	return benchStored(ctx, e, events, size)
}

// benchStored records the events and measures what lies in the store then.
func benchStored(ctx context.Context, e *env, events []*indelible.Event, size int) error {
	for _, sealed := range []bool{true, false} {
		dir := filepath.Join(e.dir, fmt.Sprintf("stored-%v", sealed))
		r, err := newRoad(ctx, dir, sealed)
		if err != nil {
			return err
		}
		for i := 0; i < len(events); i += 500 {
			if _, err := r.recorder.Record(ctx, events[i:i+500], recorder.Options{}); err != nil {
				return err
			}
		}
		if err := r.ledger.Flush(ctx); err != nil {
			return err
		}
		if err := r.close(); err != nil {
			return err
		}
		segments, all, err := sizes(filepath.Join(dir, "store", datadir.DefaultPrefix))
		if err != nil {
			return err
		}
		what, goal, floor := "not sealed, for comparison", "", ""
		if sealed {
			what, goal, floor = "sealed", "1.2 ×", "1.5 ×"
		}
		total := float64(len(events) * size)
		row(fmt.Sprintf("stored bytes against the events' JSON, %s: segments", what), fmt.Sprintf("%.2f ×", float64(segments)/total), goal, floor)
		row("  with tiles, bundles and heads", fmt.Sprintf("%.2f ×", float64(all)/total), "", "")
	}
	return nil
}

// sizes adds up the segments, and everything, in a store.
func sizes(root string) (segments, all int64, err error) {
	err = filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		all += info.Size()
		if filepath.Base(filepath.Dir(name)) == "wal" {
			segments += info.Size()
		}
		return nil
	})
	return segments, all, err
}

// benchSealedRoad compares recording with sealing and without, and a tenant of
// very many persons with one of a single person.
func benchSealedRoad(ctx context.Context, e *env) error {
	var pairs []pair
	for round := range 3 {
		plain, err := recordEvents(ctx, e, fmt.Sprintf("plain-%d", round), false, 0, 80_000)
		if err != nil {
			return err
		}
		sealed, err := recordEvents(ctx, e, fmt.Sprintf("sealed-%d", round), true, 0, 60_000)
		if err != nil {
			return err
		}
		pairs = append(pairs, pair{sealed, plain})
	}
	m := median(pairs)
	row(fmt.Sprintf("whole road sealed, 256 callers: %.0f/s against %.0f/s unsealed", m.ours, m.limit), fmt.Sprintf("%.2f", m.ratio()), "0.8", "0.6")
	return nil
}

const manySubjects = 100_000

// benchSubjects has each of very many persons act once, when each needs a new
// key, and then twice more.
func benchSubjects(ctx context.Context, e *env) error {
	one, err := recordEvents(ctx, e, "one", true, 1, manySubjects)
	if err != nil {
		return err
	}
	memory := watchMemory()
	fresh, err := recordEvents(ctx, e, "fresh", true, manySubjects, manySubjects)
	if err != nil {
		return err
	}
	many, err := recordEvents(ctx, e, "many", true, manySubjects, 3*manySubjects)
	if err != nil {
		return err
	}
	peak := memory()
	again, err := recordEvents(ctx, e, "one-again", true, 1, manySubjects)
	if err != nil {
		return err
	}
	limit := (one + again) / 2
	row(fmt.Sprintf("100,000 persons in a tenant, three events each, 256 callers: %.0f/s against %.0f/s for one", many, limit), fmt.Sprintf("%.2f", many/limit), "0.8", "0.6")
	row(fmt.Sprintf("  one event each, so that every event needs a new key: %.0f/s", fresh), fmt.Sprintf("%.2f", fresh/limit), "", "")
	row("  memory meanwhile", fmt.Sprintf("%.0f MB", float64(peak)/1e6), "200 MB", "300 MB")
	return nil
}

// recordEvents has 256 callers record n events, one after another; the clock
// runs until all are in the store. subjects is how many persons act; 0: those
// of the sample.
func recordEvents(ctx context.Context, e *env, name string, sealed bool, subjects, total int) (float64, error) {
	defer profile()()
	dir := filepath.Join(e.dir, name)
	r, err := newRoad(ctx, dir, sealed)
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	defer r.close()
	events, _ := someEvents(4096)
	settle()
	var count atomic.Uint64
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	begun := time.Now()
	for range 256 {
		wg.Go(func() {
			for n := count.Add(1); n <= uint64(total); n = count.Add(1) {
				ev := *events[n%uint64(len(events))]
				ev.ID = numberedID(n)
				if subjects > 0 {
					ev.TenantID, ev.UserID = "acme", fmt.Sprintf("user-%06d@acme.example", n*7919%uint64(subjects))
				}
				p, err := r.recorder.Record(ctx, []*indelible.Event{&ev}, recorder.Options{})
				if err == nil {
					err = p[0].Err
				}
				if err != nil {
					failed.Store(&err)
					return
				}
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	if err := r.ledger.Flush(ctx); err != nil {
		return 0, err
	}
	return float64(total) / time.Since(begun).Seconds(), nil
}

func numberedID(n uint64) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[8:], n)
	b[6], b[8] = 0x80, 0x80
	s := hex.EncodeToString(b[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// benchOpenSealed opens records one after another on one core.
func benchOpenSealed(ctx context.Context, e *env) error {
	defer profile()()
	r, err := newRoad(ctx, filepath.Join(e.dir, "open"), true)
	if err != nil {
		return err
	}
	defer r.close()
	events, _ := someEvents(20_000)
	payloads := make([][]byte, len(events))
	for i, ev := range events {
		keys, err := r.tenants(ev.TenantID)
		if err != nil {
			return err
		}
		if payloads[i], _, err = r.sealer.Seal(ctx, keys, ev); err != nil {
			return err
		}
	}
	const n = 1_000_000
	runtime.GC()
	begun := cpu()
	for i := range n {
		if _, _, err := r.sealer.EventIdentity(payloads[i%len(payloads)]); err != nil {
			return err
		}
	}
	rate := n / (cpu() - begun).Seconds()
	row("opening a million sealed records in sequence, both parts, per core and second", fmt.Sprintf("%.0f", rate), "200,000", "100,000")
	return nil
}
