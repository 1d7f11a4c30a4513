// Package schedule says when something is due: cron expressions and simpler
// words, in a time zone, with its changes of the clock.
package schedule

import (
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // zones are known on machines that do not have them

	"github.com/robfig/cron/v3"
)

// Times are the moments of a schedule. They are thought of as what a clock on
// the wall shows, and:
//
//   - a time the clock leaps over, in spring, comes at the first moment after the leap;
//   - a time the clock shows twice, in autumn, comes the first time only;
//   - moments that fall together this way are one.
type Times struct {
	cron cron.Schedule // on a wall clock, that is in UTC
	zone *time.Location
}

// maxText bounds an expression.
const maxText = 200

var parser = cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)

// Parse reads "daily 02:00", "weekly mon 03:00" or a cron expression of five
// fields: minute, hour, day of the month, month, day of the week. An empty zone
// is UTC.
func Parse(when, zone string) (*Times, error) {
	if len(when) > maxText || len(zone) > maxText {
		return nil, fmt.Errorf("longer than %d characters", maxText)
	}
	if zone == "Local" {
		return nil, fmt.Errorf("zone Local is another one on every machine: write its name, such as Europe/Berlin")
	}
	loc, err := time.LoadLocation(zone)
	if err != nil {
		return nil, fmt.Errorf("zone %q is not a time zone such as Europe/Berlin", zone)
	}
	expression, err := expand(when)
	if err != nil {
		return nil, err
	}
	// A zone has its own place; where one is begun and not ended the parser panics.
	if strings.Contains(expression, "=") {
		expression = ""
	}
	c, err := parser.Parse(expression)
	if err != nil {
		return nil, fmt.Errorf("%q is not a time: write \"daily 02:00\", \"weekly mon 03:00\" or a cron expression such as \"30 2 * * *\"", when)
	}
	c.(*cron.SpecSchedule).Location = time.UTC
	if c.Next(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return nil, fmt.Errorf("%q never comes", when)
	}
	return &Times{c, loc}, nil
}

// expand writes the simple words as a cron expression.
func expand(when string) (string, error) {
	words := strings.Fields(strings.ToLower(when))
	day := "*"
	switch {
	case len(words) == 2 && words[0] == "daily":
	case len(words) == 3 && words[0] == "weekly":
		day = words[1]
		if !strings.Contains(" sun mon tue wed thu fri sat ", " "+day+" ") {
			return "", fmt.Errorf("%q is not a day of the week: sun, mon, tue, wed, thu, fri or sat", day)
		}
	case len(words) > 0 && (words[0] == "daily" || words[0] == "weekly"):
		return "", fmt.Errorf("%q: write \"daily 02:00\" or \"weekly mon 03:00\"", when)
	default:
		return strings.Join(words, " "), nil
	}
	at, err := time.Parse("15:04", words[len(words)-1])
	if err != nil {
		return "", fmt.Errorf("%q is not a time of the day such as 02:00", words[len(words)-1])
	}
	return fmt.Sprintf("%d %d * * %s", at.Minute(), at.Hour(), day), nil
}

// Next is the first moment after another; zero if there is none in the next
// years.
func (t *Times) Next(after time.Time) time.Time {
	local := after.In(t.zone)
	wall := time.Date(local.Year(), local.Month(), local.Day(), local.Hour(), local.Minute(), local.Second(), local.Nanosecond(), time.UTC)
	for {
		if wall = t.cron.Next(wall); wall.IsZero() {
			return wall
		}
		// In the hour that comes twice, and right after a leap, the wall shows
		// times that have had their moment.
		if at := t.moment(wall); at.After(after) {
			return at
		}
	}
}

// moment is when a clock on the wall shows a time.
func (t *Times) moment(wall time.Time) time.Time {
	at := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), 0, 0, t.zone)
	start, end := at.ZoneBounds()
	_, offset := at.Zone()
	if shown := at.Unix() + int64(offset); shown != wall.Unix() {
		// The clock leaps over it. at is on one side of the leap, by the length of it.
		if shown > wall.Unix() {
			return start.UTC()
		}
		return end.UTC()
	}
	if !start.IsZero() {
		_, before := start.Add(-1).Zone()
		if first := time.Unix(wall.Unix()-int64(before), 0); first.Before(start) {
			return first.UTC() // the clock shows it twice
		}
	}
	return at.UTC()
}
