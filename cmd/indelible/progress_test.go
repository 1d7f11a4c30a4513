package main

import (
	"bytes"
	"testing"
	"time"

	"indelible/internal/dataset"
)

// TestProgress: the whole and its parts, with rate and rest, on a terminal in
// place and elsewhere as a line now and then; nothing of what takes no time.
func TestProgress(t *testing.T) {
	t.Parallel()
	for _, terminal := range []bool{true, false} {
		var out bytes.Buffer
		p := newProgress(&out, "rows")
		at := p.begun
		p.terminal, p.now = terminal, func() time.Time { return at }
		step := func(after time.Duration, done uint64, parts ...dataset.Shard) string {
			at = at.Add(after)
			out.Reset()
			p.parts(parts)
			p.update(done, 400)
			return out.String()
		}
		if got := step(900*time.Millisecond, 10); got != "" {
			t.Errorf("after less than a second: %q", got)
		}
		first, second := dataset.Shard{Number: 1, Of: 4, Rows: 60, Total: 100, Took: 20 * time.Second}, dataset.Shard{Number: 2, Of: 4, Rows: 40, Took: 10 * time.Second}
		got := step(19100*time.Millisecond, 100, first, second)
		whole, one, two := "100 of 400 rows, 5/s, 1m0s left", "part 1 of 4: 60 of 100 rows, 3/s, 13s left", "part 2 of 4: 40 rows, 4/s"
		want := whole + "; " + one + "; " + two + "\n"
		if terminal {
			want = "\r\x1b[J" + whole + "\n" + one + "\n" + two
		}
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
		if got := step(100*time.Millisecond, 110, first); got != "" {
			t.Errorf("at once again: %q", got)
		}
		got, want = step(19900*time.Millisecond, 400), "400 of 400 rows, 10/s\n"
		if terminal {
			want = "\x1b[2A\r\x1b[J400 of 400 rows, 10/s"
		}
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
		out.Reset()
		p.done()
		if want := map[bool]string{true: "\r\x1b[J"}[terminal]; out.String() != want {
			t.Errorf("at the end: %q", out.String())
		}
	}
}
