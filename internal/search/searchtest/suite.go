// Package searchtest is the suite every driver of a search index passes.
package searchtest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"indelible"
	"indelible/internal/search"
)

// Run runs the suite. open returns a new empty index each time.
func Run(t *testing.T, open func(t *testing.T) search.Index) {
	t.Run("FindsWhatMatches", func(t *testing.T) { t.Parallel(); findsWhatMatches(t, open(t)) })
	t.Run("Counts", func(t *testing.T) { t.Parallel(); counts(t, open(t)) })
	t.Run("OneCursor", func(t *testing.T) { t.Parallel(); oneCursor(t, open(t)) })
	t.Run("Forget", func(t *testing.T) { t.Parallel(); forget(t, open(t)) })
	t.Run("Follow", func(t *testing.T) { t.Parallel(); follow(t, open(t)) })
	t.Run("ChecksQueries", func(t *testing.T) { t.Parallel(); checksQueries(t, open(t)) })
}

// Log is a made-up log: every third leaf is none of an event.
type Log []search.Row

// Size implements search.Source.
func (l Log) Size(context.Context) (uint64, error) { return l.size(), nil }

func (l Log) size() uint64 { return uint64(3*len(l)/2) + 2 }

// Events implements search.Source.
func (l Log) Events(_ context.Context, first, end uint64) iter.Seq2[search.Row, error] {
	return func(yield func(search.Row, error) bool) {
		for _, r := range l {
			if r.Index >= first && r.Index < end && !yield(r, nil) {
				return
			}
		}
	}
}

// open is what search.Results reads from: what is at places of the log.
func (l Log) open(_ context.Context, places []uint64) iter.Seq2[*found, error] {
	return func(yield func(*found, error) bool) {
		for _, p := range places {
			i, ok := slices.BinarySearchFunc(l, p, func(r search.Row, p uint64) int { return int(r.Index) - int(p) })
			if !ok {
				yield(nil, fmt.Errorf("no event at %d", p))
				return
			}
			if !yield((*found)(&l[i]), nil) {
				return
			}
		}
	}
}

type found search.Row

func (f *found) Content() *indelible.Event { return f.Event }

var (
	tenants   = []string{"acme", "acme ", "globex", "_access", "ümlaut", "it's"}
	users     = []string{"", "maria", "tom@acme.example", "svc", "MARIA"}
	types     = []string{"login", "data_access"}
	actions   = []string{"read", "delete all", "Lösche", "read-write"}
	outcomes  = []string{"success", "failure"}
	resources = []string{"file", "wf", "Файл"}
	ids       = []string{"", "st-1713", "report.pdf", "a/b/c", "e\u0301te", "x*\"y", "2024"}
	ips       = []string{"", "192.0.2.1", "2001:db8::1"}
)

// Events makes n events in an order of time that is only roughly the log's.
func Events(n int) Log {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	pick := func(from []string) string { return from[r.IntN(len(from))] }
	begun := time.Date(2024, 10, 25, 0, 0, 0, 0, time.UTC)
	var log Log
	for i := range n {
		e := &indelible.Event{
			ID: fmt.Sprintf("00000000-0000-4000-8000-%012d", i), Timestamp: begun.Add(time.Duration(i)*time.Second + time.Duration(r.IntN(1e11))),
			TenantID: pick(tenants), UserID: pick(users), EventType: pick(types), Action: pick(actions), Outcome: pick(outcomes),
			ResourceType: pick(resources), ResourceID: pick(ids), SourceIP: pick(ips), Details: []byte("{}"),
		}
		if i > n/2 && i < n/2+n/10 {
			e.TenantID = "rare" // all of its events in one place
		}
		log = append(log, search.Row{Index: uint64(i/2*3 + i%2 + 1), Event: e})
	}
	return log
}

func fill(t *testing.T, ix search.Index, log Log) {
	t.Helper()
	size, err := search.CatchUp(t.Context(), ix, log, nil)
	if err != nil || size != log.size() {
		t.Fatalf("came to %d of %d: %v", size, log.size(), err)
	}
}

// expect is what a query should find.
func expect(log Log, q *search.Query) (want []uint64) {
	for _, r := range log {
		if r.Index >= q.From && r.Index < q.End && q.Matches(r.Event) {
			want = append(want, r.Index)
		}
	}
	if !q.LogOrder {
		slices.Reverse(want)
	}
	return want[:min(len(want), q.Limit)]
}

func results(t *testing.T, ix search.Index, log Log, q search.Query) (got []uint64) {
	t.Helper()
	for f, err := range search.Results(t.Context(), ix, q, log.open) {
		if err != nil {
			t.Fatalf("%+v: %v", q, err)
		}
		got = append(got, f.Index)
	}
	return got
}

// findsWhatMatches compares queries of every shape with looking at each event.
func findsWhatMatches(t *testing.T, ix search.Index) {
	log := Events(6000)
	fill(t, ix, log)
	r := rand.New(rand.NewPCG(2, 2))
	values := map[string][]string{"tenant_id": append(tenants, "rare", "nobody"), "user_id": append(users, "nobody"), "event_type": types, "action": actions,
		"outcome": outcomes, "resource_type": resources, "resource_id": append(ids, "none"), "source_ip": ips}
	texts := []string{"st", "ST 1713", "lösche", "файл", "été", "e\u0301te", "read", "read write file", "x y", "nothing", "delete_all", "c b a", "20"}
	some := 0
	for range 1500 {
		q := search.Query{Where: make(map[string]string), LogOrder: r.IntN(2) == 0, End: log.size(), Limit: 1 + r.IntN(100)}
		for _, field := range search.Fields {
			if r.IntN(4) == 0 {
				q.Where[field] = values[field][r.IntN(len(values[field]))]
			}
		}
		switch r.IntN(4) {
		case 0:
			q.Tenants = []string{"acme", "rare"}
		case 1:
			q.Tenants = []string{tenants[r.IntN(len(tenants))]}
		}
		if r.IntN(3) == 0 {
			q.Since = log[r.IntN(len(log))].Event.Timestamp
		}
		if r.IntN(3) == 0 {
			q.Until = log[r.IntN(len(log))].Event.Timestamp
		}
		if q.Check() != nil {
			q.Since, q.Until = time.Time{}, time.Time{}
		}
		if r.IntN(3) == 0 {
			q.Text = texts[r.IntN(len(texts))]
		}
		if r.IntN(3) == 0 {
			q.From = uint64(r.IntN(int(log.size())))
		}
		if r.IntN(3) == 0 {
			q.End = uint64(r.IntN(int(log.size())))
		}
		want, got := expect(log, &q), results(t, ix, log, q)
		if !slices.Equal(got, want) {
			t.Fatalf("%+v\nfound %v\nwant  %v", q, got, want)
		}
		if len(want) > 0 {
			some++
		}
	}
	if some < 500 {
		t.Errorf("only %d queries had something to find", some)
	}
	if got := results(t, ix, log, search.Query{Tenants: []string{}, End: log.size(), Limit: 10}); got != nil {
		t.Errorf("a query of no tenant found %v", got)
	}
}

// counts compares what is counted with a recount.
func counts(t *testing.T, ix search.Index) {
	log := Events(6000)
	fill(t, ix, log)
	at := make(map[uint64]*indelible.Event)
	for _, r := range log {
		at[r.Index] = r.Event
	}
	r := rand.New(rand.NewPCG(3, 3))
	for range 600 {
		q := search.Query{Where: make(map[string]string), End: log.size(), Limit: 1}
		for field, some := range map[string][]string{"tenant_id": tenants, "user_id": users, "action": actions, "outcome": outcomes, "resource_id": ids} {
			if r.IntN(6) == 0 {
				q.Where[field] = some[r.IntN(len(some))]
			}
		}
		if r.IntN(3) == 0 {
			q.Tenants = []string{"acme", "rare", "globex"}
		}
		if r.IntN(3) == 0 {
			q.From, q.End = uint64(r.IntN(2000)), uint64(r.IntN(int(log.size())))
		}
		g := search.Grouping{Field: search.Fields[r.IntN(len(search.Fields))], Top: 1 + r.IntN(5)}
		if r.IntN(2) == 0 {
			q.Since = log[r.IntN(len(log)/2)].Event.Timestamp.Truncate(time.Millisecond)
			q.Until = q.Since.Add(time.Duration(1+r.IntN(7200e3)) * time.Millisecond)
			if r.IntN(2) == 0 {
				g = search.Grouping{Step: []time.Duration{time.Minute * 10, time.Hour, 24 * time.Hour}[r.IntN(3)]}
			}
		}
		if err := errors.Join(q.Check(), q.CheckCount(g)); err != nil {
			t.Fatal(err)
		}
		c, err := ix.Count(t.Context(), &q, g)
		if err != nil {
			t.Fatalf("%+v by %+v: %v", q, g, err)
		}
		q.Limit = len(log)
		want, total := make(map[string]uint64), uint64(0)
		for _, place := range expect(log, &q) {
			e := at[place]
			total++
			if g.Step > 0 {
				want[e.Timestamp.UTC().Truncate(g.Step).String()]++
			} else if v := search.Value(e, g.Field); search.Repeats(g.Field) {
				want[v]++
			} else if v != "" {
				want[e.TenantID+" "+v]++
			}
		}
		least := uint64(0) // of the values that are named
		for _, group := range c.Groups {
			key := group.Value
			switch {
			case g.Step > 0:
				key = group.Time.String()
			case !search.Repeats(g.Field):
				key = at[group.Place].TenantID + " " + search.Value(at[group.Place], g.Field)
			}
			if want[key] != group.N {
				t.Fatalf("%+v by %+v: %d of %q, want %d", q, g, group.N, key, want[key])
			}
			delete(want, key)
			least = group.N
		}
		for key, n := range want {
			if n > 0 && (g.Step > 0 || len(c.Groups) < g.Top || n > least) {
				t.Fatalf("%+v by %+v: %q with %d is missing", q, g, key, n)
			}
		}
		if c.Total != total {
			t.Fatalf("%+v by %+v: %d in all, want %d", q, g, c.Total, total)
		}
	}
	for _, bad := range []struct {
		q search.Query
		g search.Grouping
	}{
		{search.Query{}, search.Grouping{Step: time.Hour}},
		{search.Query{Text: "a"}, search.Grouping{Field: "action", Top: 1}},
		{search.Query{}, search.Grouping{Field: "details", Top: 1}},
		{search.Query{}, search.Grouping{Field: "action"}},
		{search.Query{Since: time.Unix(0, 1)}, search.Grouping{Field: "action", Top: 1}},
		{search.Query{Since: time.Unix(1, 0), Until: time.Unix(4e9, 0)}, search.Grouping{Step: time.Hour}},
	} {
		if err := bad.q.CheckCount(bad.g); !errors.Is(err, search.ErrQuery) {
			t.Errorf("%+v by %+v: %v", bad.q, bad.g, err)
		}
	}
}

// oneCursor: what another follower has taken in is not taken in twice.
func oneCursor(t *testing.T, ix search.Index) {
	ctx, log := t.Context(), Events(10)
	if next, err := ix.Next(ctx); next != 0 || err != nil {
		t.Fatalf("an empty index is at %d: %v", next, err)
	}
	if err := ix.Add(ctx, 0, log[:4], log[4].Index); err != nil {
		t.Fatal(err)
	}
	for _, first := range []uint64{0, log[4].Index - 1, log[4].Index + 1} {
		if err := ix.Add(ctx, first, log[4:], log.size()); !errors.Is(err, search.ErrMoved) {
			t.Errorf("rows from %d were taken by an index at %d: %v", first, log[4].Index, err)
		}
	}
	if next, err := ix.Next(ctx); next != log[4].Index || err != nil {
		t.Errorf("the index is at %d: %v", next, err)
	}
	fill(t, ix, log)
	q := search.Query{Where: map[string]string{}, LogOrder: true, End: log.size(), Limit: 100}
	if got, want := results(t, ix, log, q), expect(log, &q); !slices.Equal(got, want) {
		t.Errorf("found %v, want %v", got, want)
	}
	short := log[:2]
	if _, err := search.CatchUp(ctx, ix, short, nil); !errors.Is(err, search.ErrOther) {
		t.Errorf("an index ahead of its log: %v", err)
	}
	if err := ix.Reset(ctx); err != nil {
		t.Fatal(err)
	}
	fill(t, ix, log)
	if got, want := results(t, ix, log, q), expect(log, &q); !slices.Equal(got, want) {
		t.Errorf("made again it found %v, want %v", got, want)
	}
}

func forget(t *testing.T, ix search.Index) {
	ctx, log := t.Context(), Events(3000)
	fill(t, ix, log)
	user, none := "maria", ""
	for _, gone := range []struct {
		tenant string
		user   *string
	}{{"acme", &user}, {"globex", nil}, {"it's", &none}, {"nobody", nil}} {
		if err := ix.Forget(ctx, gone.tenant, gone.user); err != nil {
			t.Fatal(err)
		}
		log = slices.DeleteFunc(log, func(r search.Row) bool {
			return r.Event.TenantID == gone.tenant && (gone.user == nil || r.Event.UserID == *gone.user)
		})
		for _, tenant := range append(tenants, "rare") {
			for _, where := range []map[string]string{{}, {"user_id": "maria"}, {"user_id": "svc"}} {
				where["tenant_id"] = tenant
				for _, text := range []string{"", "file"} {
					q := search.Query{Where: where, Text: text, End: 5000, Limit: 1000}
					// Of what was forgotten not even the place is known.
					places, err := ix.Find(ctx, &q)
					if want := expect(log, &q); err != nil || !slices.Equal(places, want) {
						t.Errorf("after forgetting %v: %+v found %d, want %d, %v", gone, q, len(places), len(want), err)
					}
				}
			}
		}
	}
}

// broken is a log that cannot be read to its end.
type broken struct{ Log }

var errBroken = errors.New("broken")

func (b broken) Events(ctx context.Context, first, end uint64) iter.Seq2[search.Row, error] {
	return func(yield func(search.Row, error) bool) {
		n := 0
		for r, err := range b.Log.Events(ctx, first, end) {
			if n++; n > 40_000 {
				yield(search.Row{}, errBroken)
				return
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// follow: an index that was cut short goes on where it was.
func follow(t *testing.T, ix search.Index) {
	log := Events(60_000)
	var shown []uint64
	if _, err := search.CatchUp(t.Context(), ix, broken{log}, nil); !errors.Is(err, errBroken) {
		t.Fatalf("a log that cannot be read: %v", err)
	}
	next, err := ix.Next(t.Context())
	if err != nil || next == 0 || next >= log.size() {
		t.Fatalf("the index is at %d of %d: %v", next, log.size(), err)
	}
	if _, err := search.CatchUp(t.Context(), ix, log, func(done, total uint64) {
		if total != log.size()-next {
			t.Errorf("%d of %d, want %d", done, total, log.size()-next)
		}
		shown = append(shown, done)
	}); err != nil {
		t.Fatal(err)
	}
	if len(shown) == 0 || !slices.IsSorted(shown) || shown[len(shown)-1] != log.size()-next {
		t.Errorf("progress %v, want to end at %d", shown, log.size()-next)
	}
	q := search.Query{Where: map[string]string{"tenant_id": "rare"}, End: log.size(), Limit: 1000}
	if got, want := results(t, ix, log, q), expect(log, &q); !slices.Equal(got, want) {
		t.Errorf("found %d, want %d", len(got), len(want))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := search.CatchUp(ctx, ix, Events(60_500), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func checksQueries(t *testing.T, ix search.Index) {
	now := time.Now()
	for _, q := range []search.Query{
		{Limit: 0}, {Limit: -1},
		{Limit: 1, Where: map[string]string{"details": "x"}},
		{Limit: 1, Where: map[string]string{"user_id": string(make([]byte, 2000))}},
		{Limit: 1, Since: now, Until: now},
		{Limit: 1, Text: "-- ..."},
		{Limit: 1, Text: "a b c d e f g h i j k l m n o p q"},
	} {
		for _, err := range search.Results(t.Context(), ix, q, Log{}.open) {
			if !errors.Is(err, search.ErrQuery) {
				t.Errorf("%+v: %v", q, err)
			}
		}
		if q.Check() == nil {
			t.Errorf("%+v was taken", q)
		}
	}
}
