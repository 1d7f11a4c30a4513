package jobs_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"indelible/internal/jobs"
	"indelible/internal/jobs/schedule"
)

func at(t testing.TB, text string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func times(t testing.TB, when, zone string) *schedule.Times {
	t.Helper()
	v, err := schedule.Parse(when, zone)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestPlan(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, when, missed, planned, now string
		at                               string // empty: nothing is due
		n                                int
	}{
		{"not yet", "daily 02:00", jobs.MissedOnce, "2026-01-01T02:00:00Z", "2026-01-02T01:59:59Z", "", 0},
		{"on time", "daily 02:00", jobs.MissedOnce, "2026-01-01T02:00:00Z", "2026-01-02T02:00:00Z", "2026-01-02T02:00:00Z", 0},
		{"a little late", "daily 02:00", jobs.MissedSkip, "2026-01-01T02:00:00Z", "2026-01-02T02:04:00Z", "2026-01-02T02:00:00Z", 0},
		{"down for a night, made up for", "daily 02:00", jobs.MissedOnce, "2026-01-01T02:00:00Z", "2026-01-02T09:00:00Z", "2026-01-02T02:00:00Z", 0},
		{"down for a night, left out", "daily 02:00", jobs.MissedSkip, "2026-01-01T02:00:00Z", "2026-01-02T09:00:00Z", "", 1},
		{"down for three days, made up for once", "daily 02:00", jobs.MissedOnce, "2026-01-01T02:00:00Z", "2026-01-04T09:00:00Z", "2026-01-04T02:00:00Z", 2},
		{"down for three days, left out", "daily 02:00", jobs.MissedSkip, "2026-01-01T02:00:00Z", "2026-01-04T09:00:00Z", "", 3},
		{"down for a year", "* * * * *", jobs.MissedOnce, "2025-01-01T00:00:00Z", "2026-01-01T00:00:30Z", "2026-01-01T00:00:00Z", 1000},
		{"down for years", "0 0 29 2 *", jobs.MissedOnce, "2015-01-01T00:00:00Z", "2026-01-01T00:00:30Z", "2024-02-29T00:00:00Z", 2},
		{"the clock was put back", "daily 02:00", jobs.MissedOnce, "2027-01-01T02:00:00Z", "2026-01-02T02:00:00Z", "", 0},
	} {
		d := jobs.Plan(at(t, c.now), times(t, c.when, ""), c.missed, at(t, c.planned))
		got := ""
		if !d.At.IsZero() {
			got = d.At.Format(time.RFC3339)
		}
		if got != c.at || d.Missed != c.n || d.First.IsZero() != (c.n == 0) {
			t.Errorf("%s: due %q with %d missed since %v, want %q with %d", c.name, got, d.Missed, d.First, c.at, c.n)
		}
		if again := jobs.Plan(at(t, c.now), times(t, c.when, ""), c.missed, d.Until); !again.At.IsZero() || again.Missed != 0 {
			t.Errorf("%s: planned twice: %+v", c.name, again)
		}
	}
}

// TestPlanModel goes through time in any steps: every moment is planned, or
// counted as missed, once.
func TestPlanModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s, err := schedule.Parse(rapid.SampledFrom([]string{"daily 02:30", "0 * * * *", "*/20 1-3 * * *"}).Draw(t, "when"), rapid.SampledFrom([]string{"", "Europe/Berlin"}).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		missed := rapid.SampledFrom([]string{jobs.MissedOnce, jobs.MissedSkip}).Draw(t, "missed")
		begin := time.Date(2026, 3, 27, 12, 0, 0, 0, time.UTC)
		now, planned, n := begin, begin, 0
		var last time.Time
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(1, 3*24*3600).Draw(t, "seconds")) * time.Second)
			d := jobs.Plan(now, s, missed, planned)
			n += d.Missed
			if !d.At.IsZero() {
				n++
				if !d.At.After(last) || d.At.After(now) || missed == jobs.MissedSkip && now.Sub(d.At) > 5*time.Minute {
					t.Fatalf("at %v due is %v, after %v", now, d.At, last)
				}
				last = d.At
			}
			planned = d.Until
		}
		want := 0
		for at := s.Next(begin); !at.After(now); at = s.Next(at) {
			want++
		}
		if n != want {
			t.Fatalf("%d moments were planned or missed, of %d", n, want)
		}
	})
}

// BenchmarkPlan plans 10,000 schedules that are all due.
func BenchmarkPlan(b *testing.B) {
	var list []*schedule.Times
	for i := range 10_000 {
		list = append(list, times(b, fmt.Sprintf("%d %d * * *", i%60, i/60%24), "Europe/Berlin"))
	}
	planned := at(b, "2026-03-28T00:00:00Z")
	now := planned.Add(24 * time.Hour)
	for b.Loop() {
		for _, s := range list {
			if jobs.Plan(now, s, jobs.MissedOnce, planned).At.IsZero() {
				b.Fatal("nothing is due")
			}
		}
	}
}
