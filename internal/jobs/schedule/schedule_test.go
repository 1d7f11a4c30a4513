package schedule_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

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

// TestNext: in Berlin the clock leaps from 2 to 3 on 2026-03-29 (01:00 UTC) and
// goes back from 3 to 2 on 2026-10-25 (01:00 UTC).
func TestNext(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, when, zone, after string
		want                    []string
	}{
		{"daily", "daily 02:00", "", "2026-01-01T02:00:00Z", []string{"2026-01-02T02:00:00Z", "2026-01-03T02:00:00Z"}},
		{"daily, in a zone", "daily 02:00", "Europe/Berlin", "2026-01-01T00:00:00Z", []string{"2026-01-01T01:00:00Z", "2026-01-02T01:00:00Z"}},
		{"weekly", "Weekly Mon 03:00", "", "2026-01-01T00:00:00Z", []string{"2026-01-05T03:00:00Z", "2026-01-12T03:00:00Z"}},
		{"cron", "*/20 4 1,15 * *", "UTC", "2026-01-01T04:20:00Z", []string{"2026-01-01T04:40:00Z", "2026-01-15T04:00:00Z"}},
		{"leap day", "0 0 29 2 *", "", "2025-01-01T00:00:00Z", []string{"2028-02-29T00:00:00Z"}},

		{"spring: at the first moment after the leap", "daily 02:30", "Europe/Berlin", "2026-03-28T12:00:00Z", []string{"2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"}},
		{"spring: what falls together is one", "0,30 2,3 * * *", "Europe/Berlin", "2026-03-29T00:59:59Z", []string{"2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z", "2026-03-30T00:00:00Z"}},
		{"spring: every hour", "0 * * * *", "Europe/Berlin", "2026-03-28T23:30:00Z", []string{"2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"}},
		{"autumn: the first time only", "daily 02:30", "Europe/Berlin", "2026-10-24T12:00:00Z", []string{"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"}},
		{"autumn: from within the hour that comes again", "*/30 * * * *", "Europe/Berlin", "2026-10-25T00:00:00Z", []string{"2026-10-25T00:30:00Z", "2026-10-25T02:00:00Z"}},
		{"autumn: from its second time", "daily 02:30", "Europe/Berlin", "2026-10-25T01:10:00Z", []string{"2026-10-26T01:30:00Z"}},
		{"half an hour", "daily 02:15", "Australia/Lord_Howe", "2026-10-02T15:16:00Z", []string{"2026-10-02T15:45:00Z", "2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"}},
		{"a day that was not", "daily 12:00", "Pacific/Apia", "2011-12-29T21:00:00Z", []string{"2011-12-29T22:00:00Z", "2011-12-30T10:00:00Z", "2011-12-30T22:00:00Z"}},
	} {
		times, err := schedule.Parse(c.when, c.zone)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		now := at(t, c.after)
		for _, want := range c.want {
			if now = times.Next(now); !now.Equal(at(t, want)) {
				t.Errorf("%s: %s, want %s", c.name, now.Format(time.RFC3339), want)
			}
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ when, zone, want string }{
		{"", "", "not a time"},
		{"daily", "", "daily 02:00"},
		{"daily 25:00", "", "not a time of the day"},
		{"weekly funday 03:00", "", "not a day"},
		{"weekly 03:00", "", "weekly mon 03:00"},
		{"@every 1s", "", "not a time"},
		{"* * * * * *", "", "not a time"},
		{"TZ=UTC 0 2 * * *", "", "not a time"},
		{"CRON_TZ=", "", "not a time"},
		{"0 0 31 2 *", "", "never comes"},
		{"daily 02:00", "Berlin", "not a time zone"},
		{"daily 02:00", "../../etc/passwd", "not a time zone"},
		{"daily 02:00", "Local", "every machine"},
		{strings.Repeat("0", 201), "", "longer"},
	} {
		if _, err := schedule.Parse(c.when, c.zone); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q in %q: %v, want …%s…", c.when, c.zone, err, c.want)
		}
	}
}

// TestProperties: moments go on, none is left out, and whoever starts between
// two of them finds the later one.
func TestProperties(t *testing.T) {
	t.Parallel()
	zones := []string{"", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca"}
	rapid.Check(t, func(t *rapid.T) {
		when := rapid.SampledFrom([]string{"daily 02:30", "weekly sun 01:59", "*/7 * * * *", "0 */3 * * *", "30 1 * * 0", "15 2 25 * *"}).Draw(t, "when")
		times, err := schedule.Parse(when, rapid.SampledFrom(zones).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		from := time.Unix(rapid.Int64Range(1.6e9, 1.9e9).Draw(t, "from"), 0)
		next := times.Next(from)
		if !next.After(from) {
			t.Fatalf("%v comes after %v", next, from)
		}
		between := from.Add(time.Duration(rapid.Int64Range(0, int64(next.Sub(from)-1)).Draw(t, "between")))
		if again := times.Next(between); !again.Equal(next) {
			t.Fatalf("from %v the next is %v, from %v it is %v", from, next, between, again)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"daily 02:00", "weekly mon 03:00", "*/5 1-2,7 * 2 mon-fri", "TZ=UTC", "CRON_TZ=x 1 2 3 4 5", "1/0 * * * *", "? ? ? ? ?"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, when string) {
		if times, err := schedule.Parse(when, "Europe/Berlin"); err == nil {
			now := time.Date(2026, 3, 28, 0, 0, 0, 0, time.UTC)
			for range 3 {
				if next := times.Next(now); !next.IsZero() && !next.After(now) {
					t.Fatalf("%q: %v after %v", when, next, now)
				} else if !next.IsZero() {
					now = next
				}
			}
		}
	})
}
