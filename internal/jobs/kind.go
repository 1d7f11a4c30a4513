package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"indelible/internal/jobs/schedule"
)

// Kind is a kind of work.
type Kind struct {
	Name string
	// Check says what is wrong with the options of a schedule, and returns the
	// tenant it is about, if it is about one.
	Check func(with json.RawMessage) (tenant string, err error)
	// Run does the work. What it returns is kept as JSON, even with an error.
	// It is called again after an error, unless that is Final, and after its
	// process died: then it goes on, or finds that all is done.
	Run func(ctx context.Context, t *Turn) (result any, err error)
	// Local work needs the data directory of the ledger.
	Local bool
	// AtOnce is how many runs of the kind go on at once, on all machines
	// together; 0 is one.
	AtOnce int
}

// ErrLost: the lease of a run is another worker's now. Nothing may be committed.
var ErrLost = errors.New("another worker took over this run")

// ErrCancelled: somebody cancelled the run.
var ErrCancelled = errors.New("cancelled")

// finalError is an error that trying again does not help.
type finalError struct{ error }

func (e finalError) Unwrap() error { return e.error }

// Final marks an error that trying again does not help.
func Final(err error) error { return finalError{err} }

// Schedule says what is to be done when.
type Schedule struct {
	Name   string          `json:"name"`
	When   string          `json:"when"`           // see schedule.Parse
	Zone   string          `json:"zone,omitempty"` // empty: UTC
	Missed string          `json:"missed"`         // once or skip
	Run    string          `json:"run"`            // the kind
	With   json.RawMessage `json:"with"`           // its options
}

// Kinds are the kinds of work a process knows.
type Kinds []Kind

func (k Kinds) find(name string) (*Kind, error) {
	names := make([]string, 0, len(k))
	for i := range k {
		if k[i].Name == name {
			return &k[i], nil
		}
		names = append(names, k[i].Name)
	}
	return nil, fmt.Errorf("run: %q is not a kind of work; there are %s", name, strings.Join(names, ", "))
}

// maxWith bounds the options of a schedule.
const maxWith = 64 << 10

// Check completes a schedule with defaults, or says what is wrong with it.
func (k Kinds) Check(s *Schedule) error {
	if !validName(s.Name) {
		return fmt.Errorf("schedule %.70q: a name has 1 to 64 of a-z, A-Z, 0-9, '.', '_' and '-'", s.Name)
	}
	err := k.check(s)
	if err != nil {
		err = fmt.Errorf("schedule %s: %w", s.Name, err)
	}
	return err
}

func (k Kinds) check(s *Schedule) error {
	if _, err := schedule.Parse(s.When, s.Zone); err != nil {
		return err
	}
	switch s.Missed {
	case "":
		s.Missed = MissedOnce
	case MissedOnce, MissedSkip:
	default:
		return fmt.Errorf("missed: %q is neither once nor skip", s.Missed)
	}
	kind, err := k.find(s.Run)
	if err != nil {
		return err
	}
	if len(s.With) > maxWith {
		return fmt.Errorf("with: more than %d bytes", maxWith)
	}
	if len(s.With) == 0 || string(s.With) == "null" {
		s.With = json.RawMessage("{}")
	}
	if _, err := kind.Check(s.With); err != nil {
		return fmt.Errorf("with: %w", err)
	}
	return nil
}

func validName(s string) bool {
	return s != "" && len(s) <= 64 && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r))
	})
}

// backoff is how long a run waits after an attempt that failed: 30 s, twice as
// long each time, an hour at most.
func backoff(attempt int) time.Duration {
	return min(30*time.Second<<min(attempt-1, 10), time.Hour)
}

// maxAttempts is how often a run is tried: the last time an hour after the
// first, so that a store or database that is away for an hour fails nothing.
const maxAttempts = 8
