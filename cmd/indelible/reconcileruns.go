package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"indelible"
	"indelible/internal/ledger"
	"indelible/internal/runs"
)

// A run's event happens while it runs, or a little after; the period of one side
// is looked at with this much around it on the other.
const reconcileAround = 24 * time.Hour

// maxReconciled bounds what is held in memory.
const maxReconciled = 5_000_000

// runKey is a run as both sides know it.
type runKey struct{ tenant, id string }

// comparison is one under way.
type comparison struct {
	spec    *reconcileSpec
	events  map[runKey]bool    // that may be of a run in the period
	waiting map[runKey]missing // events of the period no run was seen for
	out     *reconciled
}

// compareRuns compares. Events are read from the log itself, not from an index;
// progress hears how many rows were read.
func (a *app) compareRuns(ctx context.Context, spec *reconcileSpec, progress func(rows int64)) (*reconciled, error) {
	if !spec.since.Before(spec.until) {
		return nil, usagef("give an earlier --since", "--since is not before --until")
	}
	r, err := a.openForReading(ctx)
	if err != nil {
		return nil, err
	}
	source, err := a.openSource(spec.sourceOptions)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	c := &comparison{
		spec: spec, events: make(map[runKey]bool), waiting: make(map[runKey]missing),
		out: &reconciled{Result: "ok", Since: spec.since, Until: spec.until, EventType: spec.eventType},
	}
	if err := c.readEvents(ctx, r); err != nil {
		return nil, err
	}
	if err := c.readRuns(ctx, source, progress); err != nil {
		return nil, err
	}
	for _, m := range c.waiting {
		c.out.Unknown.add(m)
	}
	c.out.Unrecorded.cut()
	c.out.Unknown.cut()
	if c.out.Unrecorded.Count+c.out.Unknown.Count > 0 {
		c.out.Result = "difference"
	}
	return c.out, nil
}

func (c *comparison) tooMany(n int) error {
	if n > maxReconciled {
		return usagef("choose a shorter period, or one tenant", "more than %d events or runs in the period", maxReconciled)
	}
	return nil
}

// readEvents reads the events that can be of runs in the period. An event is
// committed after it happened, so what was committed long before is passed over.
func (c *comparison) readEvents(ctx context.Context, r *reading) error {
	from := c.spec.since.Add(-reconcileAround)
	first, err := firstSince(ctx, r, from.UnixMilli())
	if err != nil {
		return err
	}
	for e, err := range r.Since(ctx, first, func(l *indelible.Leaf) bool { return l.Kind == indelible.KindEvent }) {
		if err != nil {
			return err
		}
		key, eventType, at, err := r.executed(e)
		if err != nil {
			return err
		}
		switch {
		case eventType == "":
			c.out.Unreadable++
			continue
		case eventType != c.spec.eventType || at.Before(from) || !c.spec.of(key.tenant):
			continue
		}
		c.events[key] = true
		if !at.Before(c.spec.since) && at.Before(c.spec.until) {
			c.out.Events++
			if _, known := c.waiting[key]; !known {
				index := e.Index
				c.waiting[key] = missing{key.tenant, key.id, at, &index}
			}
		}
		if err := c.tooMany(len(c.events)); err != nil {
			return err
		}
	}
	return nil
}

// of says whether a tenant is compared.
func (s *reconcileSpec) of(tenant string) bool {
	return len(s.tenants) == 0 || slices.Contains(s.tenants, tenant)
}

// executed reads what an event says of a run. Of a person that was erased the
// skeleton is left, which is enough.
func (r *reading) executed(e *ledger.Entry) (key runKey, eventType string, at time.Time, err error) {
	if e.Payload == nil {
		return key, "", at, nil
	}
	opened, err := r.sealer.Open(e.Payload)
	if err != nil {
		return key, "", at, fmt.Errorf("leaf %d: %w", e.Index, err)
	}
	event := opened.Event
	if event == nil {
		event = skeleton(opened.Members)
		json.Unmarshal(opened.Members["tenant_id"], &event.TenantID) // what is not there stays empty
	}
	return runKey{event.TenantID, event.ResourceID}, event.EventType, event.Timestamp, nil
}

// firstSince finds the first leaf committed at or after a time: commit times
// rise with the index.
func firstSince(ctx context.Context, r *reading, ms int64) (uint64, error) {
	low, high := uint64(0), r.Checkpoint().Size
	for low < high {
		at := low + (high-low)/2
		e, err := r.Entry(ctx, at)
		if err != nil {
			return 0, err
		}
		if e.Leaf.Time < ms {
			low = at + 1
		} else {
			high = at
		}
	}
	return low, nil
}

// readRuns reads the rows, and takes out the events they belong to.
func (c *comparison) readRuns(ctx context.Context, source runs.Source, progress func(int64)) error {
	s := c.spec
	q := runs.Query{
		Tenants: s.tenants, AllTenants: len(s.tenants) == 0, NoRLS: s.noRLS,
		Since: runs.TimeOf(s.since.Add(-reconcileAround)), Until: runs.TimeOf(s.until.Add(reconcileAround)), MaxRow: runs.DefaultMaxRow,
	}
	snapshot, err := source.Open(ctx, q)
	if err != nil {
		return err
	}
	defer snapshot.Close()
	scans := s.tenants
	if q.AllTenants {
		scans = []string{""}
	}
	rows := int64(0)
	for _, tenant := range scans {
		for shard := range snapshot.Info().Shards {
			err := snapshot.Scan(ctx, tenant, shard, func(r *runs.Run) error {
				rows++
				if rows%1000 == 0 {
					progress(rows)
				}
				c.row(r)
				return c.tooMany(c.out.Unrecorded.Count)
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *comparison) row(r *runs.Run) {
	key := runKey{string(r.TenantID), string(r.ID)}
	delete(c.waiting, key)
	at := r.CreatedAt.UTC()
	if at.Before(c.spec.since) || !at.Before(c.spec.until) || !r.CompletedAt.Valid && !c.spec.includeRunning {
		return
	}
	c.out.Runs++
	if !c.events[key] {
		c.out.Unrecorded.add(missing{key.tenant, key.id, at, nil})
	}
}
