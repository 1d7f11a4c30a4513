// Package jobs does work that runs by itself: it plans what schedules ask for,
// has it done once, and records what came of it.
//
// River queues what is to be done and calls the workers. Whether it is done is
// decided by a row of our own for each run: it has one identity, is leased by
// one worker at a time, and takes a result only from the worker that has the
// lease now.
package jobs

import (
	"time"

	"indelible/internal/jobs/schedule"
)

// What becomes of moments that passed while nothing planned.
const (
	MissedOnce = "once" // one run makes up for all of them
	MissedSkip = "skip" // they are left out
)

// late is how long after its moment a run still counts as being on time.
const late = 5 * time.Minute

// countMissed bounds how far missed moments are counted.
const countMissed = 1000

// Due is what a schedule asks for now.
type Due struct {
	At     time.Time // the moment of the run; zero: nothing is due
	Missed int       // moments that passed without a run of their own, counted up to 1000
	First  time.Time // the first of them
	Until  time.Time // up to here everything is planned
}

// Plan says what is due at a time, when everything up to planned has been
// planned. It is a pure function: whoever asks again gets the same.
//
// If planned lies in the future, the clock was put back: what it says now
// counts, and a run that was there is not made again, for it has its identity.
func Plan(now time.Time, times *schedule.Times, missed string, planned time.Time) Due {
	d := Due{Until: now}
	if !planned.Before(now) {
		return d
	}
	d.First = times.Next(planned)
	if d.First.IsZero() || d.First.After(now) {
		d.First, d.Until = time.Time{}, planned
		return d
	}
	last := latest(now, times, d.First)
	for at := d.First; at.Before(last) && d.Missed < countMissed; at = times.Next(at) {
		d.Missed++
	}
	if missed == MissedSkip && now.Sub(last) > late {
		d.Missed++
	} else {
		d.At = last
	}
	if d.Missed == 0 {
		d.First = time.Time{}
	}
	return d
}

// latest is the last moment up to now, of which first is one. It looks back
// further and further: of what comes every minute there are many in a year.
func latest(now time.Time, times *schedule.Times, first time.Time) time.Time {
	for back := time.Hour; ; back *= 8 {
		from := now.Add(-back)
		if !from.After(first) {
			from = first
		}
		at := from
		if !from.Equal(first) {
			if at = times.Next(from); at.IsZero() || at.After(now) {
				continue
			}
		}
		for next := times.Next(at); !next.IsZero() && !next.After(now); next = times.Next(at) {
			at = next
		}
		return at
	}
}
