package search

import (
	"fmt"
	"slices"
	"time"
)

// Limits of counting.
const (
	MaxBuckets  = 1000    // of time, and values that are named
	MaxDistinct = 500_000 // events in which values that seldom repeat are counted
)

// Grouping says what events are counted by: time or the values of a field.
type Grouping struct {
	Step  time.Duration // in UTC; 0: by Field
	Field string        // of Fields
	Top   int           // the values of Field that most events have
}

// Group is how many events there are in a step of time, or with a value.
type Group struct {
	Time  time.Time
	Value string // where the index knows it
	Place uint64 // of an event that has the value, where only the log knows it
	N     uint64
}

// Counted is what an index counted: exactly the events that a query asks for.
type Counted struct {
	Groups []Group // by rising time, all there are; or by falling number
	Total  uint64  // of all events, also those in no group
}

// repeated are the fields whose values the index knows.
var repeated = []string{"tenant_id", "event_type", "action", "outcome", "resource_type"}

// Repeats reports whether an index knows the values of a field.
func Repeats(field string) bool { return slices.Contains(repeated, field) }

// CheckCount reports what keeps a query, which has been checked, from being counted.
func (q *Query) CheckCount(g Grouping) error {
	switch {
	case q.Text != "":
		return fmt.Errorf("%w: what has words is searched, not counted", ErrQuery)
	case q.Since.Nanosecond()%1e6 != 0 || q.Until.Nanosecond()%1e6 != 0:
		return fmt.Errorf("%w: what is counted begins and ends at a whole millisecond", ErrQuery)
	case g.Step == 0 && !slices.Contains(Fields, g.Field):
		return fmt.Errorf("%w: no field %q to count by", ErrQuery, g.Field)
	case g.Step == 0 && (g.Top < 1 || g.Top > MaxBuckets):
		return fmt.Errorf("%w: 1 to %d values can be named", ErrQuery, MaxBuckets)
	case g.Step == 0:
		return nil
	case q.Since.IsZero() || q.Until.IsZero() || q.Since.Year() < 1970 || q.Until.Year() > 9999:
		return fmt.Errorf("%w: counts over time have a beginning and an end, since 1970", ErrQuery)
	}
	if n := int64(q.Until.Sub(q.Since)/g.Step) + 2; n > MaxBuckets {
		return fmt.Errorf("%w: %d steps of time, %d can be counted", ErrQuery, n, MaxBuckets)
	}
	return nil
}
