package sqlite

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"indelible/internal/runs"
)

func TestMoments(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		micros := rapid.Int64Range(runs.TimeOf(time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC)).Micros, runs.TimeOf(time.Date(9999, 12, 30, 0, 0, 0, 0, time.UTC)).Micros).Draw(t, "micros")
		zone := time.FixedZone("", rapid.IntRange(-14*60, 14*60).Draw(t, "offset")*60)
		at := time.UnixMicro(micros).In(zone)
		for _, form := range []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999-07:00", "2006-01-02T15:04:05.999999 -0700"} {
			if got, ok := parseMoment(at.Format(form)); !ok || got != micros {
				t.Fatalf("%s is %d (%v), want %d", at.Format(form), got, ok, micros)
			}
		}
	})
}
