package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"indelible/internal/datadir"
	"indelible/internal/history"
	"indelible/internal/ledger"
	"indelible/internal/recorder"
	"indelible/internal/sample"
	"indelible/internal/search"
	"indelible/internal/search/sqlite"
)

// benchSearch makes the index of a large ledger and asks it what is usually
// asked; a query ends when its events are read from the log and proved.
func benchSearch(ctx context.Context, e *env) error {
	dir, _, err := bigLedger(ctx, e)
	if err != nil {
		return err
	}
	return searchIn(ctx, e, dir, "")
}

// benchSearchSealed is benchSearch with records that are encrypted.
func benchSearchSealed(ctx context.Context, e *env) error {
	dir := filepath.Join(e.dir, fmt.Sprintf("sealed-%d", e.n))
	if _, err := os.Stat(dir); err != nil {
		if err := fillLedger(ctx, dir, e.n, true); err != nil {
			return err
		}
	}
	return searchIn(ctx, e, dir, "sealed ")
}

// openLog opens a ledger as those who search it do.
func openLog(ctx context.Context, dir string) (*history.Log, func() error, error) {
	d, err := datadir.Open(ctx, dir, noEnv)
	if err != nil {
		return nil, nil, err
	}
	vkey, err := d.VerifierKey()
	if err != nil {
		return nil, nil, err
	}
	r, err := ledger.NewReader(ctx, d.Store, vkey)
	if err != nil {
		return nil, nil, err
	}
	log := &history.Log{Reader: r, Sealer: recorder.Plain}
	if !d.Encrypted() {
		return log, func() error { return nil }, nil
	}
	keys, err := d.OpenKeys(ctx, true, noEnv)
	if err != nil {
		return nil, nil, err
	}
	idKey, err := datadir.LoadIDKey(dir)
	if err != nil {
		return nil, nil, err
	}
	sealer := &recorder.Sealed{Keys: keys, Origin: d.Config.Origin, IDKey: idKey}
	log.Sealer = sealer
	return log, keys.Close, sealer.ApplyFences(ctx, r.Checkpoint().Size, nil)
}

// searchIn measures in one ledger. With -keep the index stays, too, and the next
// run only asks it.
func searchIn(ctx context.Context, e *env, dir, kind string) error {
	log, done, err := openLog(ctx, dir)
	if err != nil {
		return err
	}
	defer done()
	ix, err := sqlite.Open(ctx, filepath.Join(dir, "search", "index.db"), "bench")
	if err != nil {
		return err
	}
	defer ix.Close()
	from, err := ix.Next(ctx)
	if err != nil {
		return err
	}
	begun := time.Now()
	size, err := search.CatchUp(ctx, ix, log, nil)
	if err != nil {
		return err
	}
	if from == 0 {
		row(fmt.Sprintf("index of %d %sevents follows the ledger at", e.n, kind), fmt.Sprintf("%.0f /s", float64(e.n)/time.Since(begun).Seconds()), "40000 /s", "20000 /s")
	}

	var events []search.Query
	n := 0
	for ev := range sample.Events(1, 20_000) {
		if n++; n%40 != 0 {
			continue
		}
		day := 24 * time.Hour
		in := func(fields ...string) map[string]string {
			where := map[string]string{"tenant_id": ev.TenantID}
			for _, f := range fields {
				where[f] = search.Value(ev, f)
			}
			return where
		}
		shapes := []search.Query{
			{Where: in()},
			{Where: in("user_id")},
			{Where: in("user_id", "action")},
			{Where: in("resource_type", "resource_id")},
			{Where: in("event_type", "outcome")},
			{Where: in("action", "outcome"), Since: ev.Timestamp, Until: ev.Timestamp.Add(day)},
			{Where: in("source_ip")},
			{Where: in(), Since: ev.Timestamp.Add(-day), Until: ev.Timestamp},
			{Where: in(), Text: ev.ResourceType + " " + ev.Action},
			{Where: in(), Text: ev.ResourceID},
			{Where: map[string]string{"user_id": ev.UserID}},
		}
		q := shapes[rand.IntN(len(shapes))]
		q.End, q.Limit = size, 50
		events = append(events, q)
	}
	var took, inIndex []time.Duration
	found := 0
	slowest := time.Duration(0)
	var worst search.Query
	for _, q := range events {
		begun := time.Now()
		places, err := ix.Find(ctx, &q)
		if err != nil {
			return err
		}
		inIndex = append(inIndex, time.Since(begun))
		_ = places
		begun = time.Now()
		for _, err := range search.Results(ctx, ix, q, log.Read) {
			if err != nil {
				return err
			}
			found++
		}
		t := time.Since(begun)
		if took = append(took, t); t > slowest {
			slowest, worst = t, q
		}
	}
	slices.Sort(took)
	slices.Sort(inIndex)
	ms := func(d []time.Duration, p float64) string {
		return fmt.Sprintf("%.1f ms", float64(d[int(float64(len(d)-1)*p)])/1e6)
	}
	fmt.Printf("%d queries found %d events; of this in the index: p50 %s, p99 %s; slowest %v: %+v\n", len(events), found, ms(inIndex, 0.5), ms(inIndex, 0.99), slowest, worst)
	row(fmt.Sprintf("search in %d %sevents, 50 of them read and proved, p50", e.n, kind), ms(took, 0.5), "20 ms", "50 ms")
	row("the same, p99", ms(took, 0.99), "200 ms", "500 ms")
	return nil
}
